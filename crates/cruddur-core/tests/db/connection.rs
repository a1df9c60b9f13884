use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use cruddur_core::Error;
use cruddur_core::db::{ConnectionUrl, Database};

use crate::postgres::{absent, empty, engines, sql};

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
        use cruddur_core::db::script::Script;
        let script = Script::new("wait.sql", "select pg_sleep(20)".to_owned());
        waiting.load_seed(script, false).await
    });
    let mut sessions = Vec::new();
    for _ in 0..200 {
        sessions = database.sessions(false).await.unwrap();
        if sessions
            .iter()
            .any(|s| s.state.as_deref() == Some("active"))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(sessions[0].application, "cruddur");
    let pid = sessions[0].pid;
    sql(&database, &format!("select pg_terminate_backend({pid})")).await;
    let error = hold.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
