//! What `cruddur ddb` reads from files and pipes, and writes to them.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use serde_json::json;

use crate::assert_runs;
use crate::ddb::seeded;
use crate::support::{self, TestEnvironment};

#[test]
fn seeding_again_changes_nothing_and_refreshing_leaves_nothing_behind() {
    let environment = seeded();
    let before = environment.items();
    let again = environment.run(&["ddb", "seed"]).exits(0);
    assert!(environment.items() == before);
    let dry = environment
        .run(&["ddb", "seed", "--refresh", "--dry-run"])
        .exits(0);
    assert!(environment.items() == before);
    environment.run(&["ddb", "seed", "--refresh"]).exits(0);
    let after = environment.items();
    assert_eq!(after.len(), before.len());
    assert!(after.is_disjoint(&before));
    assert!(again.stdout.starts_with("already there"), "{again}");
    assert!(!dry.stdout.is_empty());
}

#[test]
fn an_import_into_no_table_is_no_better_dry() {
    let environment = TestEnvironment::new();
    environment.write("one.jsonl", r#"{"pk":{"S":"a"},"sk":{"S":"b"}}"#);
    for more in [&[][..], &["--dry-run"]] {
        environment
            .run(&[&["ddb", "import", "one.jsonl"], more].concat())
            .exits(6);
    }
}

#[test]
fn an_import_of_nothing_says_so_and_knows_its_table() {
    let mut environment = TestEnvironment::new();
    let nothing = ["ddb", "import", "-"];
    environment.run_with_input(&nothing, b"").exits(6);
    environment.run(&["ddb", "schema-load"]).exits(0);
    for input in [&b""[..], b"\n\n", b"[]"] {
        let run = environment.run_with_input(&nothing, input).exits(0);
        assert!(run.stderr.contains("warning: - holds no items"), "{run}");
    }
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1");
    environment.run_with_input(&nothing, b"").exits(4);
}

#[test]
fn what_a_name_holds_does_not_steer_the_terminal() {
    let environment = TestEnvironment::bare();
    let run = environment.run(&["ddb", "import", "\u{1b}[2Jx"]).exits(6);
    assert!(run.stderr.contains("no file \u{fffd}[2Jx"), "{run}");
    assert!(!run.stderr.contains('\u{1b}'), "{run}");
}

#[test]
fn conversations_that_were_seeded_before_one_that_fails_are_told() {
    let environment = seeded();
    let conversation = |number: u32, messages: usize| {
        let line = json!({"handle": "bayko", "message": "hi"});
        json!({
            "message_group_uuid": format!("00000000-0000-4000-8000-00000000000{number}"),
            "users": ["bayko", "londo"],
            "messages": vec![line; messages],
        })
        .to_string()
    };
    environment.write("b.json", conversation(2, 1));
    let ending = ["--ending-at", "2023-03-24T09:45:01Z"];
    let seed = |files: &[&str], more: &[&str]| {
        environment.run(&[&["ddb", "seed", "-o", "json"], files, more].concat())
    };
    seed(&["b.json"], &[]).exits(0);
    // What has grown since would reach into the future.
    environment.write("a.json", conversation(1, 1));
    environment.write("b.json", conversation(2, 3));
    environment.write("c.json", conversation(3, 1));
    let files = ["a.json", "b.json", "c.json"];
    let dry = seed(&files, &["--dry-run"]).exits(1);
    assert_eq!(dry.json()[0]["state"], "created");
    let run = seed(&files, &ending).exits(3);
    assert_eq!(run.json().as_array().unwrap().len(), 1, "{run}");
    assert_eq!(run.json()[0]["written"], 3, "{run}");
    let told = "error: 1 conversation seeded, then: conversation 00000000";
    assert!(run.stderr.contains(told), "{run}");
    for file in ["b.json", "c.json"] {
        assert!(run.stderr.contains(&format!("not done: {file}\n")), "{run}");
    }
    // Nothing was done in a second run.
    seed(&files, &ending).exits(1);
}

#[test]
fn a_scan_is_read_back_without_loss() {
    let environment = TestEnvironment::new();
    environment.run(&["ddb", "schema-load"]).exits(0);
    let lines = concat!(
        r#"{"pk":{"S":"MSG#5ae290ed-55d1-47a0-bc6d-fe2bc2700399"},"sk":{"S":"2023"},"message":{"N":"12345678901234567890123456789012345678"}}"#,
        "\n",
        r#"{"pk":{"S":"a 'quote' \"and\" an emoji 🎉"},"sk":{"S":"1"},"b":{"B":"AAEC/w=="},"l":{"L":[{"NULL":true},{"BOOL":false}]},"m":{"M":{"n":{"N":"0.1"}}},"ns":{"NS":["1","2.5"]},"ss":{"SS":["x","y"]}}"#,
        "\n",
    );
    environment
        .run_with_input(&["ddb", "import", "-"], lines.as_bytes())
        .exits(0);
    let raw = environment
        .run(&["ddb", "scan", "--raw", "-o", "jsonl"])
        .exits(0);
    let sorted = |text: &str| {
        let mut values: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        values.sort_by_key(|value| value["pk"].to_string());
        values
    };
    let mut expected = sorted(lines);
    let mut found = sorted(&raw.stdout);
    // A set has no order.
    for value in expected.iter_mut().chain(&mut found) {
        for (_, attribute) in value.as_object_mut().unwrap() {
            for kind in ["NS", "SS"] {
                if let Some(set) = attribute.get_mut(kind).and_then(|set| set.as_array_mut()) {
                    set.sort_by_key(ToString::to_string);
                }
            }
        }
    }
    assert_eq!(found, expected);
    // An attribute that is missing, or of another type, is no crash.
    assert_runs!(
        "odd_items",
        [
            environment.run(&["ddb", "patterns", "get-conversation"]),
            environment.run(&["ddb", "patterns", "get-conversation", "-o", "json"]),
        ]
    );
}

#[test]
fn bad_lines_are_reported_by_number() {
    let environment = TestEnvironment::new();
    environment.run(&["ddb", "schema-load"]).exits(0);
    let good = |n: u32| format!(r#"{{"pk":{{"S":"{n}"}},"sk":{{"S":"1"}}}}"#);
    let lines = format!(
        "{}\nnonsense\n{}\n{{\"pk\":{{\"S\":\"x\"}}}}\n{}\n",
        good(1),
        good(2),
        good(3)
    );
    environment.write("items.jsonl", &lines);
    let count = || {
        environment
            .run(&["ddb", "scan", "-q", "-o", "jsonl"])
            .stdout
            .lines()
            .count()
    };
    let stopped = environment.run(&["ddb", "import", "items.jsonl"]);
    assert_eq!(count(), 1);
    let went_on = environment.run(&["ddb", "import", "items.jsonl", "--on-error", "continue"]);
    assert_eq!(count(), 3);
    let missing = environment.run(&["ddb", "import", "nowhere.jsonl"]);
    assert_runs!("bad_lines", [stopped, went_on, missing]);
}

#[test]
fn conversation_files_with_a_fault_each() {
    let environment = seeded();
    let group = "11111111-2222-4333-8444-555555555555";
    let file = |users: &str, messages: &str| {
        format!(
            r#"{{"message_group_uuid": "{group}", "users": {users}, "messages": [{messages}]}}"#
        )
    };
    let users = r#"["andrewbrown", "bayko"]"#;
    let huge = "x".repeat(400 * 1024);
    let files = [
        ("not_json", "hello\n".to_owned()),
        ("truncated", file(users, "")[..60].to_owned()),
        ("no_messages", file(users, "")),
        (
            "third",
            file(users, r#"{"handle": "londo", "message": "hi"}"#),
        ),
        (
            "unknown",
            file(
                r#"["andrewbrown", "nobody"]"#,
                r#"{"handle": "nobody", "message": "hi"}"#,
            ),
        ),
        (
            "empty",
            file(users, r#"{"handle": "bayko", "message": ""}"#),
        ),
        (
            "huge",
            file(
                users,
                &format!(r#"{{"handle": "bayko", "message": "{huge}"}}"#),
            ),
        ),
        (
            "uuid",
            file(users, r#"{"handle": "bayko", "message": "hi"}"#).replace(group, "xyz"),
        ),
    ];
    let mut runs: Vec<_> = files
        .iter()
        .map(|(name, text)| {
            let name = format!("{name}.json");
            environment.write(&name, text);
            environment.run(&["ddb", "seed", &name])
        })
        .collect();
    environment.write("latin.json", b"{\"users\":\n[\"andr\xe9\"]}");
    runs.push(environment.run(&["ddb", "seed", "latin.json"]));
    assert!(runs.iter().all(|run| run.status != 0));
    assert_runs!("conversation_files", runs);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let environment = seeded();
    let mut child = environment
        .command(&["ddb", "scan", "-q", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = support::status(&mut child);
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

/// What was not done is no less undone where the result cannot be printed.
#[test]
fn a_closed_pipe_or_a_full_disk_hides_no_failure() {
    let environment = seeded();
    let bad = json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "Keys": {
        "pk": {"S": "MSG#nobody"}, "sk": {"S": "never"},
    }}});
    let other = json!({"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "2", "Keys": {
        "pk": {"S": "other"}, "sk": {"S": "other"},
    }}});
    environment.write("event.json", json!({"Records": [bad, other]}).to_string());
    for (arguments, status, why) in [
        (
            &["ddb", "stream", "replay", "event.json"][..],
            3,
            "not done",
        ),
        (
            &["doctor", "--endpoint-url", "http://127.0.0.1:1"],
            4,
            "problem",
        ),
    ] {
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for stdout in [Stdio::from(closed), Stdio::from(full)] {
            let mut command = environment.command(arguments);
            let output = command.stdout(stdout).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(status), "{told}");
            assert!(told.contains(why), "{told}");
        }
    }
}
