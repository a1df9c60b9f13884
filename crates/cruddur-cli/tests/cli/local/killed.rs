//! What was acknowledged survives the death of any process of the stack, and a
//! stack for one command survives nothing.

use std::collections::HashSet;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postgres::types::ToSql;
use postgres::{Client, NoTls};
use serde_json::{Value, json};

use super::folder::{Folder, alive, ends, signal};

/// How many writes each of the two services has acknowledged at the time of the
/// kill, which is in the middle of more, and how many writers it has.
const WRITES: usize = 500;
const WRITERS: usize = 6;

/// A request of the AWS JSON protocol; the answer, if it was a good one.
fn dynamodb(address: &str, action: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.{action}\r\n\
         X-Amz-Date: 20230324T094501Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=x/20230324/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
         Signature=0\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(serde_json::from_str(body)?),
        _ => Err(io::Error::other(answer)),
    }
}

/// Writes until a write fails; the keys that were acknowledged. `count` is how
/// many they are so far, with those of others.
fn write_on(
    mut one: impl FnMut(&str) -> bool + Send + 'static,
    name: String,
    count: &Arc<AtomicUsize>,
) -> Writer {
    let count = Arc::clone(count);
    std::thread::spawn(move || {
        (0..)
            .map(|n| format!("{name}-{n}"))
            .take_while(|key| one(key))
            .inspect(|_| _ = count.fetch_add(1, Ordering::Relaxed))
            .collect()
    })
}

type Writer = JoinHandle<Vec<String>>;

/// Writers of items and of rows, with how many of each were acknowledged.
fn writers(folder: &Folder, round: usize) -> (Vec<Writer>, [Arc<AtomicUsize>; 2]) {
    let variables = folder.run(&["local", "env", "-o", "json"]).exits(0).json();
    let text = |name: &str| variables[name].as_str().unwrap().to_owned();
    let address = text("AWS_ENDPOINT_URL_DYNAMODB").replace("http://", "");
    let table = folder.environment.table.clone();
    let counts: [Arc<AtomicUsize>; 2] = Default::default();
    let writers = (0..WRITERS)
        .flat_map(|n| {
            let (address, table) = (address.clone(), table.clone());
            let item = move |key: &str| {
                let item = json!({"pk": {"S": key}, "sk": {"S": "x"}});
                let put = json!({"TableName": table, "Item": item});
                dynamodb(&address, "PutItem", &put).is_ok()
            };
            let mut client = Client::connect(&text("CONNECTION_URL"), NoTls).unwrap();
            let row = move |key: &str| {
                let add = include_str!("../../../../../sql/users/add.sql");
                let values: [&(dyn ToSql + Sync); 4] = [&key, &key, &"a@example.com", &"MOCK"];
                client.execute(add, &values).is_ok()
            };
            [
                write_on(item, format!("item-{round}-{n}"), &counts[0]),
                write_on(row, format!("row-{round}-{n}"), &counts[1]),
            ]
        })
        .collect();
    (writers, counts)
}

/// Every key that is there now.
fn keys(folder: &Folder) -> HashSet<String> {
    let items = folder.run(&["ddb", "scan", "-o", "json"]).exits(0).json();
    let rows = folder.run(&["db", "users", "-o", "json"]).exits(0).json();
    let items = items.as_array().unwrap().iter();
    let rows = rows.as_array().unwrap().iter();
    items
        .map(|item| &item["pk"])
        .chain(rows.map(|row| &row["handle"]))
        .map(|key| key.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn everything_acknowledged_survives_the_kill_of_each_process_in_turn() {
    let mut folder = Folder::new();
    let mut pids = folder.up();
    folder.run(&["local", "reset", "-y", "--seed"]).exits(0);
    let mut acknowledged: Vec<String> = Vec::new();
    for victim in [0, 1] {
        pids = folder.up();
        let (writers, counts) = writers(&folder, victim);
        let begun = Instant::now();
        while counts.iter().any(|c| c.load(Ordering::Relaxed) < WRITES) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{counts:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        // All of them are still at it.
        signal(pids[victim], libc::SIGKILL);
        for writer in writers {
            let keys = writer.join().unwrap();
            assert!(!keys.is_empty());
            acknowledged.extend(keys);
        }
        // The rest of the stack goes with it.
        assert!(pids.iter().all(|pid| ends(*pid)), "{pids:?}");
        let status = folder.run(&["local", "status"]).exits(4);
        assert!(status.stderr.contains("died"), "{status}");
        let report = folder.run(&["local", "status", "-o", "json"]).exits(4);
        assert_eq!(report.json()["state"], "died");
        pids = folder.up();
        let there = keys(&folder);
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|k| !there.contains(*k))
            .collect();
        assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    }
    assert!(pids.iter().all(|pid| alive(*pid)));
}

#[test]
fn a_stack_for_one_command_is_set_up_and_ends_with_it() {
    let folder = Folder::new();
    let binary = crate::support::BINARY;
    // Both of cruddur's and the command's own look at the variables.
    let script = format!(
        "{binary} db users -o jsonl && \
         {binary} ddb list-tables && echo \"$AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER $PGDATABASE\"; exit 9"
    );
    let mut command =
        folder
            .environment
            .command(&["local", "exec", "--ephemeral", "--", "sh", "-c", &script]);
    // Another's server in the environment is not written to.
    command.env("CONNECTION_URL", "postgresql://u:p@127.0.0.1:1/elsewhere");
    let output = command.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(9), "{stderr}");
    assert!(stdout.starts_with("{\"uuid\""), "{stdout}");
    assert!(stdout.contains("andrewbrown") && stdout.contains(" cruddur\n"));
    assert!(!folder.environment.path().join(".cruddur").exists());
    assert_eq!(folder.leftovers(), 0);

    // An empty variable names no folder, least of all this one.
    let script = "test -z \"$(ls -d cruddur-ephemeral-*)\"";
    let mut command =
        folder
            .environment
            .command(&["local", "exec", "--ephemeral", "--", "sh", "-c", script]);
    assert!(command.env("TMPDIR", "").output().unwrap().status.success());

    let killed = [
        "local",
        "exec",
        "--ephemeral",
        "--",
        "sh",
        "-c",
        "kill -9 $$",
    ];
    folder.run(&killed).exits(137);
    // A folder that is gone is no reason to lose the status.
    let script = "mv \"$TMPDIR\"/cruddur-ephemeral-* \"$TMPDIR/../moved\"; exit 7";
    let moved = ["local", "exec", "--ephemeral", "--", "sh", "-c", script];
    folder.run(&moved).exits(7);
    let missing = ["local", "exec", "--ephemeral", "--", "no-such"];
    folder.run(&missing).exits(127);
    assert_eq!(folder.leftovers(), 0);
}

/// A script with a stack of its own, and the first line that it prints.
fn ephemeral(folder: &Folder, script: &str) -> (Child, String) {
    let arguments = [
        "local",
        "exec",
        "--ephemeral",
        "-q",
        "--",
        "sh",
        "-c",
        script,
    ];
    let mut command = folder.environment.command(&arguments);
    let mut run = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = io::BufReader::new(run.stdout.take().unwrap());
    io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    (run, line)
}

#[test]
fn a_stack_for_one_command_leaves_nothing_however_cruddur_ends() {
    let folder = Folder::new();
    let script = "echo $$ $PGPORT; exec sleep 100";
    for (number, expected) in [
        (libc::SIGTERM, Some(128 + 15)),
        (libc::SIGHUP, Some(128 + 1)),
        (libc::SIGKILL, None),
    ] {
        let (mut run, line) = ephemeral(&folder, script);
        let (child, port) = line.trim().split_once(' ').unwrap();
        let postgres = format!("127.0.0.1:{port}");
        assert!(TcpStream::connect(&postgres).is_ok());
        signal(run.id(), number);
        assert_eq!(crate::support::status(&mut run).code(), expected);
        assert!(ends(child.parse().unwrap()));
        let since = Instant::now();
        while TcpStream::connect(&postgres).is_ok() {
            assert!(since.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(20));
        }
        // What SIGKILL left behind, the next run deletes.
        assert_eq!(folder.leftovers(), usize::from(expected.is_none()));
    }
    folder
        .run(&["local", "exec", "--ephemeral", "--", "true"])
        .exits(0);
    assert_eq!(folder.leftovers(), 0);
}

#[test]
fn a_command_that_is_stopped_hears_of_the_end() {
    let folder = Folder::new();
    let (mut run, child) = ephemeral(&folder, "echo $$; kill -STOP $$; exec sleep 100");
    let state = format!("/proc/{}/stat", child.trim());
    let stopped = |stat: String| stat.contains(") T ");
    let since = Instant::now();
    while !std::fs::read_to_string(&state).is_ok_and(stopped) {
        assert!(since.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(run.id(), libc::SIGTERM);
    assert_eq!(crate::support::status(&mut run).code(), Some(128 + 15));
    assert_eq!(folder.leftovers(), 0);
}
