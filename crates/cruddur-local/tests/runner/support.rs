//! What the tests share: a stack of their own, and a plain client for it.

use std::path::Path;

use cruddur_local::{Options, PoolUser, Stack, StackDir, State, start};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Any free ports, and the programs this machine has.
pub fn options() -> Options {
    let user = |handle: &str, name: &str| PoolUser {
        handle: handle.to_owned(),
        email: format!("{handle}@example.com"),
        name: name.to_owned(),
    };
    Options {
        follows_stream: false,
        table: None,
        cognito_requests: None,
        dynamodb_port: 0,
        postgres_port: 0,
        cognito_port: 0,
        search_path: std::env::var_os("PATH"),
        pool_users: vec![
            user("andrewbrown", "Andrew Brown"),
            user("bayko", "Andrew Bayko"),
        ],
        durable: true,
    }
}

pub async fn up(folder: &Path) -> Stack {
    start(StackDir::at(folder), options(), |_| {})
        .await
        .unwrap()
}

/// A request of the AWS JSON protocol: status and body.
pub async fn aws(url: &str, target: &str, body: Value) -> std::io::Result<(u16, Value)> {
    let body = body.to_string();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\nX-Amz-Target: {target}\r\n\
         X-Amz-Date: 20230324T094501Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=local/20230324/us-east-1/x/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    // A server that was killed has sent nothing.
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

pub async fn cognito(stack: &Stack, action: &str, body: Value) -> (u16, Value) {
    let target = format!("AWSCognitoIdentityProviderService.{action}");
    aws(&stack.state().cognito.url, &target, body)
        .await
        .unwrap()
}

pub async fn dynamodb(stack: &Stack, action: &str, body: Value) -> (u16, Value) {
    let target = format!("DynamoDB_20120810.{action}");
    aws(&stack.state().dynamodb.url, &target, body)
        .await
        .unwrap()
}

/// A statement in the database every server has; the first column of each row.
pub async fn sql(stack: &Stack, statement: &str) -> Vec<String> {
    sql_at(stack.state(), statement).await.unwrap()
}

pub async fn sql_at(state: &State, statement: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let postgres = &state.postgres;
    let (client, connection) = tokio_postgres::Config::new()
        .host(&postgres.host)
        .port(postgres.port)
        .user(&postgres.user)
        .password(&postgres.password)
        .dbname("postgres")
        .connect(tokio_postgres::NoTls)
        .await?;
    let driver = tokio::spawn(connection);
    let messages = client.simple_query(statement).await?;
    drop(client);
    driver.await.unwrap()?;
    let rows = messages.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0)?.to_owned()),
        _ => None,
    });
    Ok(rows.collect())
}

/// Whether a process is there and has not ended.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub fn kill(pid: u32) {
    let pid = pid.to_string();
    let status = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(status.unwrap().success());
}
