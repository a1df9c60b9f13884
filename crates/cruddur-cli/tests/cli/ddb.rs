//! The messages table's commands.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::json;

use crate::assert_runs;
use crate::support::{self, TestEnvironment, engines};

/// With users, a table, and the default conversation at a fixed time.
fn seeded() -> TestEnvironment {
    let environment = TestEnvironment::new();
    for arguments in [
        &["db", "create"][..],
        &["db", "schema-load"],
        &["db", "seed"],
        &["ddb", "schema-load"],
        &["ddb", "seed", "--ending-at", "2023-03-24T09:45:01.561513Z"],
    ] {
        environment.run(arguments).exits(0);
    }
    environment
}

#[test]
fn a_table_from_its_creation_to_its_end() {
    let environment = TestEnvironment::new();
    let runs = [
        environment.run(&["ddb", "scan"]).exits(6),
        environment
            .run(&["ddb", "schema-load", "--dry-run"])
            .exits(0),
        environment.run(&["ddb", "schema-load"]).exits(0),
        environment.run(&["ddb", "schema-load"]).exits(0),
        environment.run(&["ddb", "drop", "--dry-run"]).exits(0),
        environment.run(&["ddb", "drop", "prod"]).exits(2),
        environment.run(&["ddb", "drop"]).exits(0),
        environment.run(&["ddb", "drop"]).exits(6),
        environment.run(&["ddb", "drop", "--if-exists"]).exits(0),
    ];
    assert_runs!("table", runs);
}

#[test]
fn a_hint_names_the_table_and_the_place_of_its_run() {
    let environment = TestEnvironment::new();
    let key = |name: &str| {
        (
            json!({"AttributeName": name, "AttributeType": "S"}),
            name.to_owned(),
        )
    };
    let table = |name: &str, keys: &[&str]| {
        let (attributes, names): (Vec<_>, Vec<_>) = keys.iter().map(|name| key(name)).unzip();
        let keys: Vec<_> = names
            .iter()
            .zip(["HASH", "RANGE"])
            .map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind}))
            .collect();
        json!({
            "TableName": name, "AttributeDefinitions": attributes, "KeySchema": keys,
            "BillingMode": "PAY_PER_REQUEST",
        })
    };
    // Flags stand before the command in these runs, and may hold anything.
    let run = |arguments: &[&str]| {
        let place = [
            "--region",
            "us-east-1",
            "--profile",
            "it's mine",
            "--endpoint-url",
            &engines().dynamodb,
        ];
        environment.run(&[&place, arguments].concat())
    };
    let place =
        r"--region us-east-1 --profile 'it'\''s mine' --endpoint-url [DYNAMODB] --table [TABLE]`";
    environment.dynamodb("CreateTable", &table(&environment.table, &["id"]));
    let differs = run(&["ddb", "schema-load"]).exits(1);
    let drop = format!("drop this one with `cruddur ddb drop {place}");
    assert!(differs.stderr.contains(&drop), "{differs}");
    environment.run(&["ddb", "drop"]).exits(0);
    environment.dynamodb("CreateTable", &table(&environment.table, &["pk", "sk"]));
    let incomplete = run(&["ddb", "schema-load"]).exits(1);
    let update = format!("`cruddur ddb schema-load --update {place}");
    assert!(incomplete.stderr.contains(&update), "{incomplete}");
    let doctor = run(&["doctor", "-o", "json"]);
    let mends = doctor.json().to_string();
    assert!(
        mends.contains("`cruddur ddb schema-load --update --region"),
        "{doctor}"
    );
}

#[test]
fn one_is_not_many() {
    let environment = TestEnvironment::new();
    environment.run(&["db", "create"]).exits(0);
    environment.run(&["ddb", "schema-load"]).exits(0);
    let items = ["a", "b"].map(|key| format!(r#"{{"pk":{{"S":"{key}"}},"sk":{{"S":"1"}}}}"#));
    let (schema, import) = (["db", "schema-load", "--file", "-"], ["ddb", "import", "-"]);
    let run = environment
        .run_with_input(&schema, b"create table one (one int)")
        .exits(0);
    assert!(run.stdout.contains(": 1 statement run\n"), "{run}");
    for item in &items {
        let run = environment
            .run_with_input(&import, item.as_bytes())
            .exits(0);
        assert!(run.stdout.starts_with("wrote 1 item to "), "{run}");
    }
    let run = environment.run(&["ddb", "scan", "--limit", "1"]).exits(0);
    assert!(run.stderr.contains("after 1 item: there are more"), "{run}");
}

#[test]
fn conversations_for_people() {
    let mut environment = seeded();
    let get = ["ddb", "patterns", "get-conversation"];
    let with = |more: &[&'static str]| [&get[..], more].concat();
    let mut runs = vec![
        environment.run(&with(&["--limit", "3"])),
        environment.run(&with(&[
            "--limit",
            "2",
            "--before",
            "2023-03-24T09:43:01.561513+00:00",
        ])),
        environment.run(&with(&["--year", "2022"])),
        environment.run(&with(&["--limit", "1", "-o", "json"])),
        environment.run(&with(&["--limit", "1", "-o", "jsonl", "-q"])),
        environment.run(&["ddb", "patterns", "list-conversations"]),
        environment.run(&[
            "ddb",
            "patterns",
            "list-conversations",
            "--handle",
            "bayko",
            "-o",
            "json",
        ]),
        environment.run(&["ddb", "patterns", "list-conversations", "--handle", "londo"]),
        environment.run(&["ddb", "patterns", "list-conversations", "--handle", "baiko"]),
        environment.run(&[
            "ddb",
            "patterns",
            "list-conversations",
            "--handle",
            "o'hara%_🎉\"",
        ]),
    ];
    environment.set("COLUMNS", "40");
    runs.push(environment.run(&with(&["--limit", "3"])));
    environment.set("TZ", "America/New_York");
    runs.push(environment.run(&with(&["--limit", "1"])));
    runs.push(environment.run(&with(&["--limit", "1", "--utc"])));
    assert_runs!("conversations", runs);
}

#[test]
fn pages_of_a_conversation_meet_without_gap_or_overlap() {
    let environment = seeded();
    let all = environment
        .run(&[
            "ddb",
            "patterns",
            "get-conversation",
            "--limit",
            "1000",
            "-o",
            "json",
        ])
        .exits(0)
        .json();
    let all = all["items"].as_array().unwrap();
    let mut paged = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut arguments = vec![
            "ddb",
            "patterns",
            "get-conversation",
            "--limit",
            "7",
            "-o",
            "json",
        ];
        if let Some(before) = &next {
            arguments.extend(["--before", before, "--year", "2023"]);
        }
        let page = environment.run(&arguments).exits(0).json();
        paged.splice(0..0, page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(before) => next = Some(before.to_owned()),
            None => break,
        }
    }
    assert_eq!(&paged, all);
}

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

#[test]
fn another_service_is_told_apart() {
    let mut environment = TestEnvironment::new();
    let cognito = crate::support::engines().cognito.clone();
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", &cognito);
    let run = environment.run(&["ddb", "list-tables"]);
    // moto stands in for DynamoDB as well.
    if std::env::var_os("CRUDDUR_TEST_COGNITO_URL").is_none() {
        run.exits(4);
    }
    environment
        .variables
        .retain(|(name, _)| name == "CONNECTION_URL");
}
