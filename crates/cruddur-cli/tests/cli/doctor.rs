//! Everything that a run needs, looked at.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use crate::support::{Run, TestEnvironment};

/// One user whom the pool does not know, and one by another name there.
const MORE_USERS: &str = "
    insert into public.users (display_name, handle, email, cognito_user_id)
    values ('Zoe', 'zoe', 'zoe@example.com', 'MOCK');
    update public.users set cognito_user_id = 'MOCK' where handle = 'bayko';
";

/// Compares a run with its snapshot, whatever the versions and ports.
macro_rules! assert_doctor {
    ($name:literal, $run:expr) => {
        insta::with_settings!({filters => vec![
            (r"PostgreSQL \d+(\.\d+)*", "PostgreSQL [VERSION]"),
            (r"127\.0\.0\.1:\d{4,}", "[HOST]"),
            (r"us-east-1_\w+", "[POOL]"),
            (r"Etc/UTC", "UTC"),
            (r"\(os error \d+\)", "(os error)"),
        ], omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!($name, $run.to_string());
        });
    };
}

/// With a `psql` on the PATH, whether the machine has one or not.
fn with_psql(mut environment: TestEnvironment) -> TestEnvironment {
    let folder = environment.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    environment.write("bin/psql", "#!/bin/sh\n");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.join("psql"), executable).unwrap();
    let path = std::env::var("PATH").unwrap();
    environment.set("PATH", &format!("{}:{path}", folder.display()));
    environment
}

/// The entry of one check, as JSON.
#[track_caller]
fn check(run: &Run, name: &str) -> Value {
    let checks = run.json();
    let found = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {run}")).clone()
}

#[track_caller]
fn assert_check(run: &Run, name: &str, verdict: &str, detail: &str, mend: &str) {
    let check = check(run, name);
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(check["verdict"], verdict, "{check}");
    assert!(text("detail").contains(detail), "{check}");
    assert!(text("mend").contains(mend), "{check}");
}

#[test]
fn a_local_stack_that_was_set_up_is_well() {
    let mut environment = with_psql(TestEnvironment::bare());
    environment
        .run(&["local", "up", "--detach", "--free-ports"])
        .exits(0);
    let before = environment.run(&["doctor", "-o", "json"]);
    let setup = environment.run(&["setup"]);
    let after = environment.run(&["doctor"]);
    let lines = environment.run(&["doctor", "-o", "jsonl", "-q"]);
    environment.write("more.sql", MORE_USERS);
    let seeded = environment.run(&["db", "seed", "--file", "more.sql"]);
    let more = environment.run(&["doctor", "-o", "json"]);
    environment.set("AWS_COGNITO_USER_POOL_ID", "us-east-1_other");
    let other = environment.run(&["doctor", "-o", "json"]);
    environment.run(&["local", "down"]).exits(0);
    let before = before.exits(1);
    assert_check(&before, "table", "problem", "does not exist", "schema-load");
    assert_check(
        &before,
        "database",
        "problem",
        "does not exist",
        "db create",
    );
    assert_check(&before, "pool users", "unchecked", "no database", "");
    setup.exits(0);
    assert_doctor!("doctor_well", after.exits(0));
    assert_eq!(lines.stderr, "");
    let lines = lines.exits(0);
    assert!(lines.stdout.lines().count() > 20, "{lines}");
    for line in lines.stdout.lines() {
        let check: Value = serde_json::from_str(line).unwrap();
        assert_eq!(check["verdict"], "ok", "{line}");
    }
    seeded.exits(0);
    let more = more.exits(0);
    let detail = "2 of 4 match; with another id here: bayko; without a match: zoe";
    assert_check(
        &more,
        "pool users",
        "warning",
        detail,
        "update-cognito-user-ids",
    );
    let other = other.exits(1);
    assert_check(&other, "cognito", "ok", "", "");
    let detail = "us-east-1_other does not exist";
    assert_check(
        &other,
        "pool users",
        "problem",
        detail,
        "AWS_COGNITO_USER_POOL_ID",
    );
}

#[test]
fn nothing_can_be_reached() {
    let mut environment = with_psql(TestEnvironment::bare());
    environment.set("CONNECTION_URL", "postgresql://u:secret@127.0.0.1:1/d");
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1");
    let cognito = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER";
    environment.set(cognito, "http://127.0.0.1:1");
    environment.set("AWS_COGNITO_USER_POOL_ID", "us-east-1_none");
    assert_doctor!("doctor_unreachable", environment.run(&["doctor"]).exits(4));
    // What cannot be resolved is no less told, and is not the network's fault.
    environment.set("CONNECTION_URL", "nonsense");
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", "nonsense");
    environment.set(cognito, "https://cognito-idp.us-east-1.amazonaws.com");
    let run = environment.run(&["doctor", "-o", "json"]).exits(1);
    assert_check(&run, "dynamodb", "problem", "is not a URL", "");
    assert_check(&run, "postgresql", "problem", "is no PostgreSQL URL", "");
    assert_check(
        &run,
        "cognito",
        "problem",
        "--prod was not given",
        "cruddur target",
    );
}

#[test]
fn half_set_up() {
    let environment = with_psql(TestEnvironment::new());
    let run = environment.run(&["doctor", "-o", "json"]).exits(1);
    assert_check(
        &run,
        "database",
        "problem",
        "does not exist",
        "cruddur db create",
    );
    assert_check(&run, "postgresql version", "ok", "PostgreSQL", "");
    assert_check(
        &run,
        "database schema",
        "unchecked",
        "there is no database",
        "",
    );
    environment.run(&["db", "create"]).exits(0);
    let run = environment.run(&["doctor"]).exits(1);
    assert_doctor!("doctor_half", run);
    environment.run(&["setup"]).exits(0);
    environment.run(&["doctor"]).exits(0);
}

#[test]
fn production_and_development_are_not_mixed_up() {
    let mut environment = TestEnvironment::new();
    let url = environment.variables[0].1.clone();
    environment.set("PROD_CONNECTION_URL", &format!("{url}?sslmode=prefer"));
    environment.set("AWS_EC2_METADATA_DISABLED", "true");
    environment.run(&["db", "create"]).exits(0);
    environment.run(&["db", "schema-load"]).exits(0);
    let prod = ["--prod", "doctor", "-o", "json"];
    let run = environment.run(&prod).exits(1);
    assert_check(&run, "region", "problem", "not set", "--region");
    assert_check(&run, "dynamodb", "unchecked", "", "");
    assert_check(
        &run,
        "database marker",
        "problem",
        "marked as development",
        "PROD_CONNECTION_URL",
    );
    assert_check(&run, "postgresql tls", "problem", "no TLS", "verify-full");

    environment.run(&["db", "drop"]).exits(0);
    environment.run(&["--prod", "db", "create"]).exits(0);
    environment.run(&["--prod", "db", "schema-load"]).exits(0);
    let run = environment.run(&prod).exits(1);
    assert_check(&run, "database marker", "ok", "production", "");
    let run = environment.run(&["doctor", "-o", "json"]).exits(1);
    let marked = "marked as production";
    assert_check(&run, "database marker", "problem", marked, "--prod");

    // Of credentials that nobody has, and of those that end soon.
    let endpoint = environment.variables[1].1.clone();
    let mut prod = prod.to_vec();
    prod.extend(["--region", "us-east-1", "--endpoint-url", &endpoint]);
    let run = environment.run(&prod).exits(4);
    assert_check(&run, "dynamodb credentials", "problem", "", "aws sso login");
    assert_check(&run, "dynamodb", "unchecked", "signed", "");
    std::fs::create_dir(environment.path().join("home/.aws")).unwrap();
    for (minutes, verdict, status) in [(5, "warning", 1), (60, "ok", 1), (-5, "problem", 4)] {
        let end = Utc::now() + TimeDelta::minutes(minutes);
        let end = end.to_rfc3339_opts(SecondsFormat::Secs, true);
        let keys = serde_json::json!({
            "Version": 1,
            "AccessKeyId": "AKIDPLANTED",
            "SecretAccessKey": "planted",
            "SessionToken": "planted",
            "Expiration": end,
        });
        let file = environment.write("keys.json", keys.to_string());
        let config = format!("[default]\ncredential_process = cat {}\n", file.display());
        environment.write("home/.aws/config", config);
        let run = environment.run(&prod).exits(status);
        assert_check(&run, "dynamodb credentials", verdict, "", "");
        assert!(!run.to_string().to_lowercase().contains("planted"), "{run}");
    }
    let name = environment.database.clone();
    environment
        .run(&["--prod", "db", "drop", "--confirm", &name])
        .exits(0);
}

#[test]
fn clocks_that_differ() {
    for (seconds, verdict, detail) in [
        (0, "ok", "within 5 s"),
        (60, "warning", "s behind the server's"),
        (-60, "warning", "s ahead of the server's"),
        (900, "problem", "AWS refuses requests"),
    ] {
        let mut environment = TestEnvironment::bare();
        environment.set("CONNECTION_URL", "postgresql://u@127.0.0.1:1/d");
        environment.set("AWS_ENDPOINT_URL_DYNAMODB", &server_ahead_by(seconds));
        let run = environment.run(&["doctor", "-o", "json"]).exits(4);
        assert_check(&run, "dynamodb clock", verdict, detail, "");
    }
}

#[test]
fn what_is_other_than_it_should_be() {
    let mut environment = TestEnvironment::new();
    environment.set("PATH", "/nowhere");
    let url = environment.variables[0].1.clone();
    environment.run(&["db", "create"]).exits(0);
    let sql = "create table public.users (uuid uuid, handle text);";
    environment.write("old.sql", sql);
    environment
        .run(&["db", "schema-load", "--file", "old.sql"])
        .exits(0);
    environment.set(
        "CONNECTION_URL",
        &format!("{url}?options=-ctimezone%3DEurope/Vienna"),
    );
    let run = environment.run(&["doctor", "-o", "json"]).exits(1);
    let lacking = "table public.activities";
    assert_check(&run, "database schema", "problem", lacking, "schema-load");
    let lacking = "column public.users.email";
    assert_check(&run, "database schema", "problem", lacking, "schema-load");
    let zone = "Europe/Vienna";
    assert_check(&run, "database time zone", "warning", zone, "set timezone");
    assert_check(&run, "psql", "warning", "PATH", "postgresql-client");
}

/// Says to each question that there is no such table, and what time it is there.
fn server_ahead_by(seconds: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = 0;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            stream.read_exact(&mut vec![0; length]).unwrap();
            let date = (Utc::now() + TimeDelta::seconds(seconds)).format("%a, %d %b %Y %T GMT");
            let body = r#"{"__type":"x#ResourceNotFoundException","message":"none"}"#;
            let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n";
            let length = body.len();
            let answer = format!("{head}Date: {date}\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    url
}
