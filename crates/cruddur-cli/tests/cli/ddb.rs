//! The messages table's commands.

use serde_json::json;

use crate::assert_runs;
use crate::support::{TestEnvironment, engines};

/// With users, a table, and the default conversation at a fixed time.
pub fn seeded() -> TestEnvironment {
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
    let doctor = run(&["doctor", "-o", "json"]);
    let parts = doctor.json().to_string();
    assert!(parts.contains("it is another table"), "{doctor}");
    assert!(!parts.contains("--update"), "{doctor}");
    environment.run(&["ddb", "drop"]).exits(0);
    // What a table can be given anew is no reason to drop its items.
    let mut streamed = table(&environment.table, &["pk", "sk"]);
    streamed["StreamSpecification"] = json!({
        "StreamEnabled": true, "StreamViewType": "KEYS_ONLY",
    });
    environment.dynamodb("CreateTable", &streamed);
    for command in ["schema-load", "stream drain"] {
        let words: Vec<&str> = command.split(' ').collect();
        let differs = run(&[&["ddb"], &words[..]].concat()).exits(1);
        assert!(differs.stderr.contains("its items can stay"), "{differs}");
        assert!(!differs.stderr.contains("ddb drop"), "{differs}");
    }
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

/// DynamoDB compares keys as texts, and other programs may write a uuid otherwise.
#[test]
fn a_group_is_named_as_its_items_have_it() {
    let environment = seeded();
    let users = environment.run(&["db", "users", "-o", "json"]).json();
    let uuid = |handle: &str| {
        let mut users = users.as_array().unwrap().iter();
        let user = users.find(|user| user["handle"] == handle).unwrap();
        user["uuid"].as_str().unwrap().to_owned()
    };
    let group = "AAAAAAAA-0000-4000-8000-000000000001";
    let at = "2023-03-24T09:45:01.561513+00:00";
    let s = |text: &str| json!({"S": text});
    let mut items = vec![json!({
        "pk": s(&format!("MSG#{group}")), "sk": s(at), "message": s("in capitals"),
        "message_uuid": s(group), "user_uuid": s(&uuid("andrewbrown")),
        "user_display_name": s("Andrew"), "user_handle": s("andrewbrown"),
    })];
    for [owner, other] in [["andrewbrown", "londo"], ["londo", "andrewbrown"]] {
        items.push(json!({
            "pk": s(&format!("GRP#{}", uuid(owner))), "sk": s(at), "message": s("in capitals"),
            "message_group_uuid": s(group), "user_uuid": s(&uuid(other)),
            "user_display_name": s(other), "user_handle": s(other),
        }));
    }
    let lines: Vec<String> = items.iter().map(ToString::to_string).collect();
    environment
        .run_with_input(&["ddb", "import", "-"], lines.join("\n").as_bytes())
        .exits(0);
    let begin = ["ddb", "patterns", "create-message-group"];
    let begin = [
        &begin[..],
        &["--handle", "andrewbrown", "--with", "londo", "x"],
    ]
    .concat();
    let there = environment.run(&begin).exits(1);
    assert!(
        there
            .stderr
            .contains(&format!("--message-group-uuid {group}"))
    );
    let write = ["ddb", "patterns", "create-message", "--handle", "londo"];
    let write = [&write[..], &["--message-group-uuid", group, "answered"]].concat();
    environment.run(&write).exits(0);
    let read = [
        "ddb",
        "patterns",
        "get-conversation",
        "--message-group-uuid",
        group,
    ];
    let read = environment.run(&read).exits(0);
    for text in ["in capitals", "answered"] {
        assert!(read.stdout.contains(text), "{read}");
    }
    // One that was seeded has the usual form, however it is given.
    for given in [
        "5AE290ED-55D1-47A0-BC6D-FE2BC2700399",
        "{5ae290ed-55d1-47a0-bc6d-fe2bc2700399}",
    ] {
        let read = [
            "ddb",
            "patterns",
            "get-conversation",
            "--message-group-uuid",
            given,
        ];
        let read = environment.run(&read).exits(0);
        assert!(read.stdout.contains("andrewbrown"), "{read}");
        let write = ["ddb", "patterns", "create-message", "--handle", "bayko"];
        let write = [&write[..], &["--message-group-uuid", given, "x"]].concat();
        environment.run(&write).exits(0);
    }
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
