//! The guards of the messages table with `--prod`, against an engine of this
//! machine that stands in for production.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::assert_runs;
use crate::support::{self, TestEnvironment, engines, with_terminal};

const AT: [&str; 2] = ["--ending-at", "2023-03-24T09:45:01.561513Z"];

/// With users and an empty table.
fn production() -> TestEnvironment {
    let mut environment = TestEnvironment::new();
    let url = environment.variables[0].1.clone();
    environment.set("PROD_CONNECTION_URL", &format!("{url}?sslmode=prefer"));
    environment.set("AWS_REGION", "us-east-1");
    environment.set("AWS_ACCESS_KEY_ID", "local");
    environment.set("AWS_SECRET_ACCESS_KEY", "local");
    environment.run(&["db", "setup"]).exits(0);
    environment.run(&["ddb", "schema-load"]).exits(0);
    // From here on only the flag leads to the engine.
    environment
}

fn with(arguments: &[&str]) -> Vec<String> {
    let flags = ["--prod", "--endpoint-url", &engines().dynamodb];
    let all = flags.iter().chain(arguments);
    all.map(|argument| (*argument).to_owned()).collect()
}

fn run(environment: &TestEnvironment, arguments: &[&str]) -> crate::support::Run {
    let all = with(arguments);
    environment.run(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Runs the command at a terminal, where `typed` is typed.
fn at_a_terminal(environment: &TestEnvironment, arguments: &[&str], typed: &str) -> (i32, String) {
    let all = with(arguments);
    let mut command = environment.command(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut ours = with_terminal(&mut command);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    // The command's own copies of the terminal go with it.
    drop(command);
    writeln!(ours, "{typed}").unwrap();
    let mut shown = Vec::new();
    let mut buffer = [0; 1024];
    // Reading fails once nobody holds the other end.
    while let Ok(read @ 1..) = ours.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    let status = support::status(&mut child).code().unwrap_or(-1);
    (status, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_table_is_dropped_only_by_its_name() {
    let environment = production();
    run(&environment, &[&["ddb", "seed"][..], &AT].concat()).exits(0);
    let before = environment.items();
    let refused = [
        run(&environment, &["ddb", "drop"]).exits(5),
        run(&environment, &["ddb", "drop", "--if-exists"]).exits(5),
        run(
            &environment,
            &["ddb", "drop", "--confirm", "cruddur-messages"],
        )
        .exits(5),
        run(&environment, &["ddb", "drop", "--confirm", ""]).exits(5),
        run(&environment, &["ddb", "drop", "--dry-run"]).exits(0),
    ];
    // Whoever is asked has to know about what.
    let quiet = run(&environment, &["-q", "ddb", "drop"]).exits(5);
    assert!(quiet.stderr.contains("holds 48 items"), "{quiet}");
    for typed in ["", "yes", "y", "cruddur-messages"] {
        let (status, shown) = at_a_terminal(&environment, &["ddb", "drop"], typed);
        assert_eq!(status, 5, "{typed:?}: {shown}");
        assert!(shown.contains("nothing was changed"), "{shown}");
    }
    assert_eq!(environment.items(), before);
    let (status, shown) = at_a_terminal(&environment, &["ddb", "drop"], &environment.table);
    assert_eq!(status, 0, "{shown}");
    assert!(
        shown.contains(&format!("Type {} to go on", environment.table)),
        "{shown}"
    );
    let gone = [
        run(&environment, &["ddb", "drop"]).exits(6),
        run(&environment, &["ddb", "drop", "--if-exists"]).exits(0),
        environment.run(&["ddb", "schema-load"]).exits(0),
        run(
            &environment,
            &["ddb", "drop", "--confirm", &environment.table],
        )
        .exits(0),
    ];
    let runs: Vec<_> = refused.into_iter().chain(gone).collect();
    assert_runs!("ddb_production_drop", runs);
}

#[test]
fn items_are_imported_over_others_only_by_the_name() {
    let environment = production();
    let file = environment.write(
        "items.jsonl",
        r#"{"pk":{"S":"MSG#1"},"sk":{"S":"1"},"message":{"S":"before"}}"#,
    );
    let import = |more: &[&str]| {
        let all = [&["ddb", "import", "items.jsonl"][..], more].concat();
        run(&environment, &all)
    };
    // An empty table is nothing to ask about. What production costs is told.
    let units = "write capacity unit";
    let first = import(&[]).exits(0);
    assert!(first.stderr.contains(units), "{first}");
    let development = environment.run(&["ddb", "import", "items.jsonl"]).exits(0);
    assert!(!development.stderr.contains(units), "{development}");
    let before = environment.items();
    std::fs::write(file, r#"{"pk":{"S":"MSG#1"},"sk":{"S":"1"}}"#).unwrap();
    let refused = [
        import(&[]).exits(5),
        import(&["--confirm", "cruddur-messages"]).exits(5),
        import(&["--dry-run"]).exits(0),
    ];
    let (status, shown) = at_a_terminal(&environment, &["ddb", "import", "items.jsonl"], "yes");
    assert_eq!(status, 5, "{shown}");
    assert_eq!(environment.items(), before);
    import(&["--confirm", &environment.table]).exits(0);
    assert_ne!(environment.items(), before);
    assert_runs!("ddb_production_import", refused);
}

#[test]
fn a_table_of_others_is_seeded_only_by_its_name() {
    let environment = production();
    let seed = |more: &[&str]| run(&environment, &[&["ddb", "seed"][..], &AT, more].concat());
    // Its own conversation is nothing to ask about.
    seed(&[]).exits(0);
    seed(&[]).exits(0);
    environment.write(
        "other.jsonl",
        r#"{"pk":{"S":"MSG#11111111-2222-4333-8444-555555555555"},"sk":{"S":"2023-01-01T00:00:00.000000+00:00"},"message":{"S":"mine"}}"#,
    );
    environment.run(&["ddb", "import", "other.jsonl"]).exits(0);
    let before = environment.items();
    let refused = [
        seed(&[]).exits(5),
        seed(&["--confirm", "cruddur-messages"]).exits(5),
        seed(&["--refresh"]).exits(5),
        seed(&["--dry-run"]).exits(0),
    ];
    let (status, shown) = at_a_terminal(&environment, &["ddb", "seed"], "yes");
    assert_eq!(status, 5, "{shown}");
    assert_eq!(environment.items(), before);
    assert_runs!("ddb_production_seed", refused);
    let table = environment.table.as_str();
    seed(&["--confirm", table]).exits(0);
    assert_eq!(environment.items(), before);
    let refresh = ["ddb", "seed", "--refresh"];
    let (status, shown) = at_a_terminal(&environment, &refresh, table);
    assert_eq!(status, 0, "{shown}");
    let after = environment.items();
    assert_eq!(
        after.intersection(&before).count(),
        1,
        "only the other's stays"
    );
    assert_eq!(after.len(), before.len());
}

#[test]
fn setup_leaves_a_table_in_which_people_talk_as_it_is() {
    let environment = production();
    environment.write(
        "other.jsonl",
        r#"{"pk":{"S":"MSG#11111111-2222-4333-8444-555555555555"},"sk":{"S":"2023-01-01T00:00:00.000000+00:00"},"message":{"S":"mine"}}"#,
    );
    environment.run(&["ddb", "import", "other.jsonl"]).exits(0);
    let before = environment.items();
    let setup = ["setup", "--confirm", &environment.database];
    for arguments in [&["setup", "--dry-run"][..], &setup] {
        let setup = run(&environment, arguments).exits(0);
        let told = format!("{}{}", setup.stdout, setup.stderr);
        assert!(told.contains("conversation: skipped"), "{setup}");
    }
    assert_eq!(environment.items(), before);
}

#[test]
fn an_event_of_another_table_is_replayed_only_by_the_name() {
    let environment = production();
    run(&environment, &[&["ddb", "seed"][..], &AT].concat()).exits(0);
    let before = environment.items();
    let event = |arn: &str| {
        let image = r#"{"pk":{"S":"MSG#5ae290ed-55d1-47a0-bc6d-fe2bc2700399"},"sk":{"S":"2023-05-01T00:00:00.000000+00:00"},"message":{"S":"of elsewhere"}}"#;
        format!(
            r#"{{"Records":[{{"eventName":"INSERT","eventSource":"aws:dynamodb","eventSourceARN":"{arn}","dynamodb":{{"SequenceNumber":"1","Keys":{{}},"NewImage":{image}}}}}]}}"#
        )
    };
    let arn = |table: &str| {
        format!(
            "arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/2023-01-01T00:00:00.000"
        )
    };
    environment.write("other.json", event(&arn("cruddur-messages-dev")));
    environment.write("own.json", event(&arn(&environment.table)));
    let replay = |more: &[&str]| {
        run(
            &environment,
            &[&["ddb", "stream", "replay"][..], more].concat(),
        )
    };
    for refused in [&["other.json"][..], &["-q", "other.json", "--confirm", "x"]] {
        let refused = replay(refused).exits(5);
        let told = "the event is of the table cruddur-messages-dev";
        assert!(refused.stderr.contains(told), "{refused}");
    }
    replay(&["other.json", "--dry-run"]).exits(0);
    assert_eq!(environment.items(), before);
    replay(&["own.json"]).exits(0);
    assert_ne!(environment.items(), before);
    replay(&["other.json", "--confirm", &environment.table]).exits(0);
}

#[test]
fn the_place_in_productions_stream_is_kept_apart() {
    let environment = production();
    run(&environment, &[&["ddb", "seed"][..], &AT].concat()).exits(0);
    let places = || {
        let kept = std::fs::read_dir(environment.path().join(".cruddur")).unwrap();
        let names = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut places: Vec<_> = names.filter(|name| name.ends_with(".json")).collect();
        places.sort();
        places
    };
    let table = &environment.table;
    let of_production = format!("production-stream-{table}.json");
    run(&environment, &["ddb", "stream", "drain"]).exits(0);
    assert_eq!(places(), std::slice::from_ref(&of_production));
    environment.run(&["ddb", "stream", "drain"]).exits(0);
    assert_eq!(places(), [of_production, format!("stream-{table}.json")]);
}

#[test]
fn a_schema_in_a_database_that_is_marked_otherwise_is_warned_of() {
    let environment = production();
    let load = run(&environment, &["db", "schema-load"]).exits(0);
    let told = "is marked as development, and --prod was given";
    assert!(load.stderr.contains(told), "{load}");
    environment.write(
        "own.sql",
        "update cruddur.marker set environment = 'production'",
    );
    environment
        .run(&["db", "seed", "--file", "own.sql"])
        .exits(0);
    let load = run(&environment, &["db", "schema-load"]).exits(0);
    assert!(!load.stderr.contains("marked"), "{load}");
    environment.run(&["db", "drop"]).exits(5);
    environment.write(
        "own.sql",
        "update cruddur.marker set environment = 'development'",
    );
    let back = [
        "db",
        "seed",
        "--file",
        "own.sql",
        "--confirm",
        &environment.database,
    ];
    run(&environment, &back).exits(0);
}
