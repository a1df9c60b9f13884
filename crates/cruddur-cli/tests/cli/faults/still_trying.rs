//! What a person is told who waits for a service that is too busy.

use std::time::{Duration, Instant};

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::RUNTIME;
use crate::http::{self, Answer};
use crate::support::{Run, TestEnvironment};

/// A server that answers everything with an exception, for good.
fn busy(exception: &'static str) -> String {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    RUNTIME.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(BufReader::new(stream), exception));
        }
    });
    url
}

async fn refuse(mut client: BufReader<TcpStream>, exception: &str) {
    let answer = Answer::exception(exception).bytes();
    while let Ok(Some(_)) = http::message(&mut client).await {
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn told(run: &Run) -> usize {
    let lines = run.stderr.lines();
    lines
        .filter(|line| line.starts_with("still trying"))
        .count()
}

/// The pauses are drawn by chance: where all of them are short, nothing is told.
fn run_for_long(environment: &TestEnvironment, arguments: &[&str]) -> Run {
    loop {
        let begun = Instant::now();
        let run = environment.run(arguments).exits(1);
        if begun.elapsed() > Duration::from_secs(3) {
            return run;
        }
    }
}

#[test]
fn retries_that_take_long_are_told_once() {
    let mut environment = TestEnvironment::bare();
    environment.set("AWS_ENDPOINT_URL", &busy("ThrottlingException"));
    let cognito = busy("TooManyRequestsException");
    environment.set("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", &cognito);
    environment.set("AWS_COGNITO_USER_POOL_ID", "us-east-1_x");
    std::thread::scope(|scope| {
        let run = |arguments: &'static [&str]| {
            let environment = &environment;
            scope.spawn(move || run_for_long(environment, arguments))
        };
        let quiet = run(&["ddb", "list-tables", "-q"]);
        let users = run(&["cognito", "list-users"]).join().unwrap();
        let tables = run(&["ddb", "list-tables"]).join().unwrap();
        assert_eq!(told(&quiet.join().unwrap()), 0);
        for (run, expected) in [
            (tables, "it answers ThrottlingException"),
            (users, "it answers TooManyRequestsException"),
        ] {
            assert_eq!(told(&run), 1, "{run}");
            assert!(run.stderr.contains(expected), "{run}");
        }
    });
}
