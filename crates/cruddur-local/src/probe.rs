//! Real requests to the services, to learn whether they answer.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A loopback server that takes longer than this is as good as down.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lists a table.
pub(crate) async fn dynamodb(port: u16) -> Result<(), String> {
    let answer = aws(
        port,
        "dynamodb",
        "DynamoDB_20120810.ListTables",
        "{\"Limit\":1}",
    )
    .await?;
    expect(&answer, "\"TableNames\"")
}

/// Lists a user of the pool.
pub(crate) async fn cognito(port: u16, pool: &str) -> Result<(), String> {
    let body = serde_json::json!({ "UserPoolId": pool, "Limit": 1 }).to_string();
    let target = "AWSCognitoIdentityProviderService.ListUsers";
    let answer = aws(port, "cognito-idp", target, &body).await?;
    expect(&answer, "\"Users\"")
}

/// What [`postgres`] says where another password was set.
pub(crate) const WRONG_PASSWORD: &str = "the role's password is another";

/// Connects with the password and runs a query.
pub(crate) async fn postgres(port: u16, user: &str, password: &str) -> Result<(), String> {
    let query = async {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(port)
            .user(user)
            .password(password)
            .dbname("postgres")
            .application_name("cruddur local")
            .connect(tokio_postgres::NoTls)
            .await?;
        let driver = tokio::spawn(connection);
        let answer = client.simple_query("select 1").await.map(drop);
        drop(client);
        // Ends by itself now that the client is gone.
        let _ = driver.await;
        answer
    };
    match timeout(PATIENCE, query).await {
        Ok(answer) => answer.map_err(|cause| match cause.as_db_error() {
            // A server that is starting says other things: this one stays.
            Some(told) if told.code() == &tokio_postgres::error::SqlState::INVALID_PASSWORD => {
                WRONG_PASSWORD.to_owned()
            }
            Some(told) => told.message().to_owned(),
            None => cause.to_string(),
        }),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

/// One request of the AWS JSON protocol. By hand: it is twenty lines, and an
/// HTTP client would be the largest dependency of this crate.
async fn aws(port: u16, service: &str, target: &str, body: &str) -> Result<String, String> {
    // No local service checks a signature, but some check that there is one.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\
         X-Amz-Target: {target}\r\nX-Amz-Date: 20230324T094501Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=local/20230324/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0\r\n\r\n{body}",
        length = body.len(),
    );
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(1024 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    match timeout(PATIENCE, exchange).await {
        Ok(answer) => answer.map_err(|cause| cause.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

fn expect(answer: &str, part: &str) -> Result<(), String> {
    if answer.starts_with("HTTP/1.1 200 ") && answer.contains(part) {
        return Ok(());
    }
    let first = answer.lines().next().unwrap_or("an empty answer");
    Err(format!("it answers {first:?}"))
}
