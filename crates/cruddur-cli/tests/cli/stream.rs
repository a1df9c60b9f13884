//! Messages and the stream, through the binary.

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Stdio};

use chrono::{DateTime, Utc};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::Person;
use cruddur_core::ddb::messages::NewGroup;
use cruddur_core::ddb::patterns::Window;
use cruddur_core::ddb::schema::SchemaOptions;
use cruddur_core::target::{Inputs, Target};
use cruddur_core::time::{parse_instant, to_key};
use serde_json::json;
use uuid::Uuid;

use crate::assert_runs;
use crate::support::{self, TestEnvironment, engines};

pub async fn connect(environment: &TestEnvironment) -> Table {
    let target = Target::resolve(Inputs {
        endpoint_url: Some(engines().dynamodb.clone()),
        table: Some(environment.table.clone()),
        ..Inputs::default()
    });
    Table::connect(&target).await.unwrap()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn person(handle: &str) -> Person {
    Person {
        uuid: Uuid::new_v4().to_string(),
        display_name: handle.to_uppercase(),
        handle: handle.to_owned(),
    }
}

/// An environment with its table, and the table.
pub async fn with_table() -> (TestEnvironment, Table) {
    let environment = TestEnvironment::new();
    let table = connect(&environment).await;
    table.load_schema(&SchemaOptions::default()).await.unwrap();
    (environment, table)
}

pub async fn begin(table: &Table, names: [&str; 2], text: &str) -> NewGroup {
    let (one, other) = (person(names[0]), person(names[1]));
    let new = table.create_message_group(&one, &other, text, Utc::now());
    new.await.unwrap()
}

/// Time and text of each item that both participants have of a group.
pub async fn items(table: &Table, group: &NewGroup) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for item in &group.groups {
        let window = Window {
            year: None,
            before: None,
            limit: 100,
        };
        let list = table.conversations(&item.owner_uuid, window).await.unwrap();
        for row in list.items {
            found.push((row.last_message_at, row.message.unwrap()));
        }
    }
    found
}

#[test]
fn draining_replaying_and_tailing() {
    let (environment, table) = runtime().block_on(with_table());
    let group = runtime().block_on(begin(&table, ["andrewbrown", "bayko"], "first"));
    let uuid = &group.message.message_group_uuid;
    let write = |text: &str| {
        let sender = &group.message.sender;
        let message = table.create_message(uuid, sender, text, Utc::now());
        runtime().block_on(message).unwrap()
    };
    write("second");
    let third = write("third");
    let kept = environment
        .path()
        .join(format!(".cruddur/stream-{}.json", environment.table));
    let before = environment.items();
    let dry = environment.run(&["ddb", "stream", "drain", "--dry-run", "-o", "json"]);
    let totals = dry.exits(0).json();
    assert_eq!(
        (&totals["records"], &totals["moved"], &totals["dry_run"]),
        (&json!(5), &json!(1), &json!(true))
    );
    let (follower, mut lines) = watched(&environment, &["apply", "--dry-run"]);
    let expected = format!("would move {uuid} to {}", to_key(third.created_at));
    assert_eq!(lines.next().unwrap().unwrap(), expected);
    assert_eq!(interrupt(follower), Some(130));
    assert_eq!(environment.items(), before);
    assert!(!kept.exists());

    // Three items and two messages were there; a move writes four records.
    let drained = environment.run(&["ddb", "stream", "drain", "-o", "json"]);
    let totals = drained.exits(0).json();
    assert_eq!(
        (totals["records"].as_u64(), totals["moved"].as_u64()),
        (Some(9), Some(1))
    );
    let expected = (to_key(third.created_at), "third".to_owned());
    let both = [expected.clone(), expected];
    assert_eq!(runtime().block_on(items(&table, &group)), both);
    let ignored = std::fs::read_to_string(environment.path().join(".cruddur/.gitignore"));
    assert_eq!(ignored.unwrap(), "*\n");
    let mode = kept.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = environment.run(&["ddb", "stream", "drain", "-o", "json"]);
    assert_eq!(again.exits(0).json()["records"], 0);
    let from_start = environment.run(&["ddb", "stream", "drain", "--from-start", "-o", "json"]);
    let totals = from_start.exits(0).json();
    assert_eq!(
        (totals["records"].as_u64(), totals["moved"].as_u64()),
        (Some(9), Some(0))
    );

    // Open until it is interrupted, since it ends with its reader.
    let (tail, mut lines) = watched(&environment, &["tail", "--from-start", "-o", "jsonl"]);
    let records: Vec<serde_json::Value> = lines
        .by_ref()
        .take(9)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(interrupt(tail), Some(130));
    assert_eq!(records[3]["new_image"]["message"], "second");
    assert_eq!(records.iter().filter(|r| r["event"] == "REMOVE").count(), 2);
}

/// It would fail at every run, and nobody can mend a record.
#[test]
fn a_record_that_cannot_be_applied_is_told_once() {
    let (environment, table) = runtime().block_on(with_table());
    runtime().block_on(begin(&table, ["andrewbrown", "bayko"], "first"));
    let without_text = r#"{"pk":{"S":"MSG#odd"},"sk":{"S":"2023-03-24T09:45:01.561513+00:00"}}"#;
    let import = ["ddb", "import", "-"];
    environment
        .run_with_input(&import, without_text.as_bytes())
        .exits(0);
    let drain = ["ddb", "stream", "drain", "-o", "json"];
    let first = environment.run(&drain).exits(3);
    assert_eq!(first.json()["failed"], 1);
    assert!(first.stderr.contains("--from-start"), "{first}");
    let again = environment.run(&drain).exits(0).json();
    assert_eq!(
        (&again["records"], &again["failed"]),
        (&json!(0), &json!(0))
    );
    environment
        .run(&[&drain[..], &["--from-start"]].concat())
        .exits(3);

    let apply = ["ddb", "stream", "apply", "--from-start", "-o", "json"];
    let mut command = environment.command(&apply);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("no text")));
    let totals = child.stdout.take().unwrap();
    assert_eq!(interrupt(child), Some(130));
    let totals: serde_json::Value = serde_json::from_reader(totals).unwrap();
    assert_eq!(totals["failed"], 1);
}

/// `tail | head -1`, where nothing more comes.
#[test]
fn tailing_ends_with_its_reader() {
    let (environment, table) = runtime().block_on(with_table());
    runtime().block_on(begin(&table, ["andrewbrown", "bayko"], "first"));
    let (mut tail, mut lines) = watched(&environment, &["tail", "--from-start"]);
    lines.next().unwrap().unwrap();
    drop(lines);
    assert_eq!(support::status(&mut tail).code(), Some(0));
}

#[test]
fn events_from_files() {
    let (environment, table) = runtime().block_on(with_table());
    // The group of the example events, which is older than they are.
    let group = begin_seeded(&table);
    let event = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../seeds/events");
        std::fs::read(format!("{folder}/{name}.json")).unwrap()
    };
    environment.write("cut.json", &event("one-message")[..300]);
    let replay =
        |name: &str| environment.run_with_input(&["ddb", "stream", "replay", "-"], &event(name));
    let before = environment.items();
    environment.write("event.json", event("several-groups"));
    let dry_run = environment.run(&["ddb", "stream", "replay", "event.json", "--dry-run"]);
    assert_eq!(environment.items(), before);
    assert_runs!(
        "stream_replay",
        [
            dry_run,
            replay("one-message"),
            replay("one-message"),
            replay("remove"),
            replay("several-groups"),
            replay("malformed-record"),
            environment.run(&["ddb", "stream", "replay", "cut.json"]),
            environment.run(&["ddb", "stream", "replay", "none.json"]),
            environment.run_with_input(&["ddb", "stream", "replay", "-"], b"[]"),
            environment.run_with_input(&["ddb", "stream", "replay", "-"], b"{\n\n\xe9"),
            environment.run(&["ddb", "stream", "tail", "-o", "json"]),
        ]
    );
    let found = runtime().block_on(items(&table, &group));
    assert!(found.iter().all(|(_, text)| text == "After"), "{found:?}");
}

pub fn begin_seeded(table: &Table) -> NewGroup {
    let uuid = Uuid::parse_str("5ae290ed-55d1-47a0-bc6d-fe2bc2700399").unwrap();
    let at: DateTime<Utc> = parse_instant("2023-03-24T09:00:00Z").unwrap();
    let mut draft = runtime()
        .block_on(table.draft_message_group(&person("andrewbrown"), &person("bayko"), "old", at))
        .unwrap();
    draft.message.message_group_uuid = uuid.to_string();
    for group in &mut draft.groups {
        group.message_group_uuid = uuid;
    }
    runtime().block_on(table.put_message_group(draft)).unwrap()
}

#[test]
fn messages_of_people_in_the_database() {
    let environment = TestEnvironment::new();
    environment.run(&["db", "setup"]).exits(0);
    let table = runtime().block_on(connect(&environment));
    let options = SchemaOptions::default();
    runtime().block_on(table.load_schema(&options)).unwrap();
    let patterns =
        |arguments: &[&str]| environment.run(&[&["ddb", "patterns"], arguments].concat());
    let begin = [
        "create-message-group",
        "--handle",
        "andrewbrown",
        "--with",
        "bayko",
    ];
    let group = |more: &[&str]| patterns(&[&begin, more].concat());
    assert_eq!(group(&["--dry-run", "Hi"]).exits(0).status, 0);
    let items = group(&["Hi", "-o", "json"]).exits(0).json();
    let uuid = items[0]["message_group_uuid"].as_str().unwrap().to_owned();
    assert_eq!(items[2]["message"], "Hi");
    let twice = group(&["Hi"]).exits(1);
    assert!(twice.stderr.contains(&uuid), "{twice}");
    assert!(twice.stderr.contains("patterns create-message"), "{twice}");
    let oneself = patterns(&[
        "create-message-group",
        "--handle",
        "bayko",
        "--with",
        "bayko",
        "Hi",
    ]);
    oneself.exits(2);

    let write = [
        "ddb",
        "patterns",
        "create-message",
        "--message-group-uuid",
        &uuid,
        "--handle",
    ];
    let text = "two\nlines — \"quoted\" 🖖\n";
    let written = environment
        .run_with_input(
            &[&write[..], &["bayko", "-", "-o", "json"]].concat(),
            text.as_bytes(),
        )
        .exits(0)
        .json();
    assert_eq!(written["message"], text);
    assert_eq!(written["pk"], format!("MSG#{uuid}"));
    let write = |more: &[&str]| environment.run(&[&write[..], more].concat());
    assert!(write(&["bayko", ""]).exits(2).stderr.contains("empty"));
    write(&["nobody", "Hi"]).exits(6);
    let not_utf8 = [
        "ddb",
        "patterns",
        "create-message",
        "--handle",
        "bayko",
        "-",
    ];
    environment.run_with_input(&not_utf8, b"\xff").exits(1);
    // The seeded group is not there.
    environment
        .run(&[
            "ddb",
            "patterns",
            "create-message",
            "--handle",
            "bayko",
            "Hi",
        ])
        .exits(6);
}

#[test]
fn a_table_that_cannot_be_followed() {
    let environment = TestEnvironment::new();
    for command in ["apply", "drain", "tail"] {
        let run = environment.run(&["ddb", "stream", command]).exits(6);
        assert!(run.stderr.contains("schema-load"), "{run}");
    }
}

/// A `ddb stream` command that runs on, and the lines that it prints.
fn watched(
    environment: &TestEnvironment,
    words: &[&str],
) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = environment
        .command(&[&["ddb", "stream"], words].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Ctrl-C, and the status it ends with.
pub fn interrupt(mut child: Child) -> Option<i32> {
    // SAFETY: the child has not been waited for, so the id is still its own.
    unsafe { libc::kill(i32::try_from(child.id()).unwrap(), libc::SIGINT) };
    support::status(&mut child).code()
}
