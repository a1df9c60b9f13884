use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cruddur_core::Error;
use cruddur_core::db::admin::Session;
use cruddur_core::db::script::Script;
use cruddur_core::db::users::Who;
use cruddur_core::db::{ConnectionUrl, Database};

use crate::postgres::{absent, empty, engines, raw, server, sql};

fn database(url: &str) -> Database {
    Database::new(ConnectionUrl::parse(url, "URL").unwrap())
}

#[tokio::test]
async fn a_wrong_password_is_about_credentials_and_is_not_repeated() {
    let (scheme, rest) = engines().postgres.split_once("://").unwrap();
    let (_, host) = rest.rsplit_once('@').unwrap();
    for sign_in in ["postgres:sEcReT", "nobody:sEcReT", "postgres"] {
        let url = format!("{scheme}://{sign_in}@{host}");
        let error = database(&url).users(None).await.unwrap_err();
        assert!(matches!(error, Error::Credentials { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("sEcReT"), "{error}");
    }
}

#[tokio::test]
async fn no_server_is_found_out_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = database(&format!("postgresql://u:p@127.0.0.1:{port}/d"))
        .users(None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (done, end) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let connection = listener.accept().unwrap();
        let _ = end.recv();
        drop(connection);
    });
    let begun = Instant::now();
    let error = database(&format!(
        "postgresql://u:p@127.0.0.1:{port}/d?connect_timeout=1"
    ))
    .users(None)
    .await
    .unwrap_err();
    drop(done);
    server.join().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn another_kind_of_server_is_told() {
    for mode in ["disable", "prefer"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            // Closed with something unread, it would be reset before the answer
            // is read.
            let mut request = [0; 8];
            connection.read_exact(&mut request).unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            connection.write_all(answer).unwrap();
            connection.shutdown(Shutdown::Write).unwrap();
            std::io::copy(&mut connection, &mut std::io::sink()).unwrap();
        });
        let url = format!("postgresql://u:p@127.0.0.1:{port}/d?sslmode={mode}");
        let error = database(&url).users(None).await.unwrap_err();
        server.join().unwrap();
        assert!(
            matches!(error, Error::WrongServer { .. }),
            "{mode}: {error}"
        );
    }
}

#[tokio::test]
async fn a_missing_database_and_a_missing_schema_are_told_apart() {
    let error = absent("missing").users(None).await.unwrap_err();
    assert!(matches!(error, Error::DatabaseNotFound { .. }), "{error}");
    let error = empty().await.users(None).await.unwrap_err();
    assert!(matches!(error, Error::SchemaNotLoaded { .. }), "{error}");
}

#[tokio::test]
async fn sessions_name_the_program_that_opened_them() {
    let database = empty().await;
    let waiting = database.0.clone();
    let hold = tokio::spawn(async move {
        let script = Script::new("wait.sql", "select pg_sleep(20)".to_owned());
        waiting.load_seed(script, false).await
    });
    let mut active = None;
    for _ in 0..200 {
        let sessions = database.sessions(false).await.unwrap();
        let is_active = |s: &Session| s.state.as_deref() == Some("active");
        active = sessions.into_iter().find(is_active);
        if active.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let active = active.unwrap();
    assert_eq!(active.application, "cruddur");
    let pid = active.pid;
    sql(&database, &format!("select pg_terminate_backend({pid})")).await;
    let error = hold.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

/// What clients send to the shared server by way of `listener`, a vector each.
fn relay(listener: std::net::TcpListener) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let recorded = sent.clone();
    let server = server().at();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut server = TcpStream::connect(&server).unwrap();
            let number = {
                let mut recorded = recorded.lock().unwrap();
                recorded.push(Vec::new());
                recorded.len() - 1
            };
            let (mut answers, mut back) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let recorded = recorded.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                while let Ok(read @ 1..) = client.read(&mut buffer) {
                    recorded.lock().unwrap()[number].extend_from_slice(&buffer[..read]);
                    server.write_all(&buffer[..read]).unwrap();
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    sent
}

/// The names of the statements that a client prepares.
fn prepared(mut sent: &[u8]) -> Vec<Vec<u8>> {
    let length = |at: &[u8]| u32::from_be_bytes(at[..4].try_into().unwrap()) as usize;
    sent = &sent[length(sent)..];
    let mut names = Vec::new();
    while let [kind, rest @ ..] = sent {
        if *kind == b'P' {
            names.push(rest[4..].split(|&byte| byte == 0).next().unwrap().to_vec());
        }
        sent = &rest[length(rest)..];
    }
    names
}

#[tokio::test]
async fn no_statement_outlives_its_query() {
    let there = empty().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = relay(listener);
    let (sign_in, _) = engines().postgres.rsplit_once('@').unwrap();
    let url = format!(
        "{sign_in}@127.0.0.1:{port}/{}?sslmode=disable",
        there.name()
    );
    let database = database(&url);
    database.create().await.unwrap();
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    database.add_user("new", "New", "", "an id").await.unwrap();
    let nobody = async |_: &mut dyn FnMut(_)| Ok(());
    let matched = database.match_cognito_ids(nobody).await.unwrap();
    database.set_cognito_ids(&Arc::new(matched)).await.unwrap();
    database.users(Some("bayko")).await.unwrap();
    database.users(Some("nobody")).await.unwrap_err();
    database.person_by_handle("bayko").await.unwrap();
    database.people_by_handles(&["bayko"]).await.unwrap();
    let [sender, receiver] = ["bayko", "londo"].map(|h| Who::Handle(h.to_owned()));
    database
        .sender_and_receiver(&sender, &receiver)
        .await
        .unwrap();
    database.sessions(true).await.unwrap();
    database.probe().await.unwrap();
    database.contents().await.unwrap();
    database.drop(true).await.unwrap();
    let sent = sent.lock().unwrap();
    let names: Vec<_> = sent.iter().flat_map(|sent| prepared(sent)).collect();
    assert!(names.len() > 20, "{names:?}");
    assert!(names.iter().all(Vec::is_empty), "{names:?}");
}

/// Ctrl-C drops the work. The server would go on with its statement, and wait for a
/// lock as long as another session holds it.
#[tokio::test]
async fn who_stops_waiting_leaves_no_session_behind() {
    let database = empty().await;
    database
        .0
        .load_schema(Script::schema(), false)
        .await
        .unwrap();
    let (client, _driver) = raw(&database).await;
    client
        .batch_execute("begin; lock table public.users in access exclusive mode")
        .await
        .unwrap();
    let users = database.users(None);
    let given_up = tokio::time::timeout(Duration::from_millis(500), users).await;
    assert!(given_up.is_err());
    let sessions = async || database.sessions(false).await.unwrap().len();
    for _ in 0..500 {
        if sessions().await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sessions().await, 1);
}
