//! `cruddur setup` and what it makes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;

use postgres::NoTls;
use serde_json::json;

use crate::assert_runs;
use crate::support::TestEnvironment;

/// A pool of its own, named in the environment's variables.
pub fn with_pool() -> (TestEnvironment, String) {
    let mut environment = TestEnvironment::new();
    let answer = environment.cognito("CreateUserPool", &json!({"PoolName": "test"}));
    let pool = answer["UserPool"]["Id"].as_str().unwrap().to_owned();
    environment.set("AWS_COGNITO_USER_POOL_ID", &pool);
    (environment, pool)
}

pub fn add_user(environment: &TestEnvironment, pool: &str, name: &str, handle: Option<&str>) {
    let mut attributes = vec![json!({"Name": "email", "Value": format!("{name}@example.com")})];
    if let Some(handle) = handle {
        attributes.push(json!({"Name": "preferred_username", "Value": handle}));
    }
    let body = json!({"UserPoolId": pool, "Username": name, "UserAttributes": attributes});
    environment.cognito("AdminCreateUser", &body);
}

#[test]
fn a_second_setup_changes_nothing() {
    let environment = TestEnvironment::new();
    let first = environment.run(&["setup"]).exits(0);
    let before = environment.items();
    let second = environment.run(&["setup"]).exits(0);
    assert!(before == environment.items());
    // Wherever the program is, it can be told how to go on.
    let mut elsewhere = environment.command(&["setup"]);
    elsewhere.arg0(OsStr::from_bytes(b"/cr\xffddur"));
    let elsewhere = environment.finish(&["setup"], elsewhere, b"").exits(0);
    assert!(elsewhere.stdout.contains("ddur target"), "{elsewhere}");
    let json = environment.run(&["setup", "-o", "json", "-q"]).exits(0);
    let steps = json.json()["steps"].as_array().unwrap().clone();
    assert_eq!(steps.len(), 6);
    assert!(steps.iter().all(|step| step["changed"] == false), "{json}");
    assert_runs!("setup", [first, second]);
}

#[test]
fn a_dry_run_says_what_is_missing_and_creates_nothing() {
    let environment = TestEnvironment::new();
    let dry = || environment.run(&["setup", "--dry-run"]).exits(0);
    let nothing = dry();
    environment.run(&["db", "create"]).exits(0);
    let database = dry();
    environment.run(&["db", "schema-load"]).exits(0);
    let schema = dry();
    environment.run(&["db", "seed"]).exits(0);
    let users = dry();
    environment.run(&["ddb", "schema-load"]).exits(0);
    let table = dry();
    let first = environment.run(&["setup", "-q", "-o", "json"]).exits(0);
    let steps = first.json()["steps"].clone();
    let changed = |step: usize| steps[step]["changed"].as_bool().unwrap();
    // What the dry runs foretold was still to be done.
    assert!(!changed(0) && !changed(1) && !changed(2) && !changed(4) && changed(5));
    let everything = dry();
    assert_runs!(
        "setup_dry_run",
        [nothing, database, schema, users, table, everything]
    );
}

#[test]
fn a_dry_run_takes_no_ids_of_the_pool() {
    let (environment, pool) = with_pool();
    add_user(&environment, &pool, "bayko", Some("bayko"));
    environment.run(&["db", "create"]).exits(0);
    environment.run(&["db", "schema-load"]).exits(0);
    environment.run(&["db", "seed"]).exits(0);
    // A second one finds what the first one found.
    for _ in 0..2 {
        let run = environment.run(&["setup", "--dry-run", "-o", "json"]);
        let steps = run.exits(0).json();
        assert_eq!(steps[3]["step"], "Cognito ids");
        let result = steps[3]["result"].as_str().unwrap();
        assert!(
            result.starts_with("1 would change, 0 unchanged"),
            "{result}"
        );
    }
}

#[test]
fn ten_setups_at_once_make_one_of_everything() {
    let environment = TestEnvironment::new();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| environment.run(&["setup", "-q"])))
            .collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for run in runs {
        run.exits(0);
    }
    let users = environment.run(&["db", "users", "-o", "json"]).exits(0);
    assert_eq!(users.json().as_array().unwrap().len(), 3);
    let messages = environment
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
    let groups = environment
        .run(&["ddb", "patterns", "list-conversations", "-o", "json"])
        .exits(0)
        .json();
    assert_eq!(groups["count"], 1);
    let again = environment
        .run(&["setup", "-q", "-o", "json"])
        .exits(0)
        .json();
    assert!(messages["count"].as_u64().unwrap() >= 40);
    assert!(
        again["steps"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["changed"] == false)
    );
}

#[test]
fn conversations_survive_a_new_database() {
    let environment = TestEnvironment::new();
    environment.run(&["setup"]).exits(0);
    environment.run(&["db", "setup"]).exits(0);
    let run = environment.run(&["ddb", "patterns", "list-conversations", "-o", "json"]);
    assert_eq!(run.exits(0).json()["count"], 1);
}

#[test]
fn cognito_ids_of_every_page() {
    let (environment, pool) = with_pool();
    for number in 0..62 {
        let name = format!("user-{number}");
        // The old script crashed on the first one without a handle.
        let handle = format!("handle-{number}");
        add_user(&environment, &pool, &name, (number > 0).then_some(&handle));
    }
    for handle in ["bayko", "andrewbrown"] {
        add_user(&environment, &pool, handle, Some(handle));
    }
    let listed = environment
        .run(&["cognito", "list-users", "-o", "json"])
        .exits(0);
    assert_eq!(listed.json().as_array().unwrap().len(), 64);
    let map = environment
        .run(&["cognito", "list-users", "--map", "-o", "json"])
        .exits(0)
        .json();
    assert_eq!(map.as_object().unwrap().len(), 63);

    environment.run(&["setup"]).exits(0);
    let users = environment
        .run(&["db", "users", "-o", "json"])
        .exits(0)
        .json();
    for user in users.as_array().unwrap() {
        let handle = user["handle"].as_str().unwrap();
        let expected = map
            .get(handle)
            .and_then(|sub| sub.as_str())
            .unwrap_or("MOCK");
        assert_eq!(user["cognito_user_id"], expected, "{handle}");
    }
    let matched = environment
        .run(&["db", "update-cognito-user-ids", "-o", "json"])
        .exits(0)
        .json();
    let count = |outcome: &str| {
        let matched = matched.as_array().unwrap();
        matched
            .iter()
            .filter(|user| user["outcome"] == outcome)
            .count()
    };
    assert_eq!(count("unchanged"), 2);
    assert_eq!(count("no_such_handle_here"), 61);
    assert_eq!(count("no_such_handle_there"), 1);
    assert_eq!(count("no_handle_there"), 1);
}

#[test]
fn setup_goes_on_without_users_who_have_another_handle() {
    let environment = TestEnvironment::new();
    environment.run(&["setup"]).exits(0);
    let before = environment.items();
    for handle in ["bayko", "andrewbrown"] {
        let rename =
            format!("update public.users set handle = '{handle}2' where handle = '{handle}'");
        environment.write("rename.sql", rename);
        let rename = ["db", "seed", "--file", "rename.sql"];
        environment.run(&rename).exits(0);
        for more in [&[][..], &["--dry-run"]] {
            let setup = environment.run(&[&["setup"], more].concat()).exits(0);
            let told = format!("skipped: no user has the handle {handle}");
            let told = setup.stderr.contains(&told) || setup.stdout.contains(&told);
            assert!(told, "{setup}");
        }
    }
    assert!(before == environment.items());
}

#[test]
fn setup_tells_of_an_item_that_it_deletes() {
    let environment = TestEnvironment::new();
    environment.run(&["setup"]).exits(0);
    let before = environment.items();
    let group = before.iter().find(|item| item.contains("GRP#")).unwrap();
    let mut twice: serde_json::Value = serde_json::from_str(group).unwrap();
    twice["sk"] = json!({"S": "2023-03-24T09:45:01.561513+00:00"});
    environment.write("twice.jsonl", twice.to_string());
    environment.run(&["ddb", "import", "twice.jsonl"]).exits(0);
    let dry = environment.run(&["setup", "--dry-run"]).exits(0);
    let told = "would write 0 items, would delete 1 old item";
    assert!(dry.stdout.contains(told), "{dry}");
    let setup = environment.run(&["setup"]).exits(0);
    let told = "wrote 0 items, deleted 1 old item";
    assert!(setup.stderr.contains(told), "{setup}");
    assert!(before == environment.items());
}

#[test]
fn setup_writes_over_no_id_and_brings_no_handle_back() {
    let (mut environment, pool) = with_pool();
    add_user(&environment, &pool, "bayko", Some("bayko"));
    environment.run(&["setup"]).exits(0);
    // A user who has been renamed is nobody to seed again.
    let rename = "update public.users set handle = 'mollari' where handle = 'londo'";
    environment.write("rename.sql", rename);
    let rename = ["db", "seed", "--file", "rename.sql"];
    environment.run(&rename).exits(0);
    let users = |environment: &TestEnvironment| environment.run(&["db", "users", "-o", "json"]);
    let before = users(&environment).exits(0).stdout;

    let answer = environment.cognito("CreateUserPool", &json!({"PoolName": "another"}));
    let other = answer["UserPool"]["Id"].as_str().unwrap();
    environment.set("AWS_COGNITO_USER_POOL_ID", other);
    add_user(&environment, other, "bayko", Some("bayko"));
    let setup = environment.run(&["setup"]).exits(0);
    let told = "0 changed, 0 unchanged, 1 with another id here, 2 without a match";
    assert!(setup.stderr.contains(told), "{setup}");
    assert_eq!(users(&environment).exits(0).stdout, before);
    environment.run(&["db", "update-cognito-user-ids"]).exits(0);
    assert_ne!(users(&environment).exits(0).stdout, before);
}

/// Those who could be changed are the result all the same.
#[test]
fn a_user_whom_others_change_meanwhile_is_left_and_the_rest_is_told() {
    let (environment, pool) = with_pool();
    for handle in ["bayko", "londo"] {
        add_user(&environment, &pool, handle, Some(handle));
    }
    for command in ["create", "schema-load", "seed"] {
        environment.run(&["db", command]).exits(0);
    }
    let mut other = postgres::Client::connect(&environment.connection_url(), NoTls).unwrap();
    let mut theirs = other.transaction().unwrap();
    let set = "update public.users set cognito_user_id = 'theirs' where handle = 'bayko'";
    theirs.batch_execute(set).unwrap();
    let update = ["db", "update-cognito-user-ids", "-o", "json"];
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| environment.run(&update));
        // Until it waits for the row.
        let waits = "select count(*) from pg_stat_activity where datname = current_database() \
                     and wait_event_type = 'Lock'";
        let mut watch = postgres::Client::connect(&environment.connection_url(), NoTls).unwrap();
        let mut waits = || watch.query_one(waits, &[]).unwrap().get::<_, i64>(0) > 0;
        while !waits() && !run.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        theirs.commit().unwrap();
        run.join().unwrap().exits(3)
    });
    assert!(run.stderr.contains("not done: bayko"), "{run}");
    assert!(run.stderr.contains("1 changed"), "{run}");
    let told = run.json();
    let told = |handle: &str| {
        let all = told.as_array().unwrap().iter();
        all.filter(|one| one["handle"] == handle).count()
    };
    assert_eq!((told("londo"), told("bayko")), (1, 0));
}

#[test]
fn a_pool_that_does_not_exist() {
    let mut environment = TestEnvironment::new();
    environment.set("AWS_COGNITO_USER_POOL_ID", "us-east-1_nothere0");
    assert_runs!(
        "no_pool",
        [environment.run(&["cognito", "list-users"]).exits(6)]
    );
}

#[test]
fn nothing_listens() {
    let mut environment = TestEnvironment::bare();
    environment.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    environment.set(
        "CONNECTION_URL",
        "postgresql://postgres:secret@127.0.0.1:1/cruddur",
    );
    environment.set(
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        "http://127.0.0.1:1",
    );
    environment.set("AWS_COGNITO_USER_POOL_ID", "us-east-1_x");
    let runs = [
        environment.run(&["ddb", "list-tables"]).exits(4),
        environment.run(&["ddb", "scan"]).exits(4),
        environment.run(&["db", "users"]).exits(4),
        environment.run(&["cognito", "list-users"]).exits(4),
        environment.run(&["wait", "--timeout", "1", "ddb"]).exits(4),
        environment.run(&["setup", "--timeout", "0"]).exits(4),
        environment.run(&["local", "status"]).exits(4),
    ];
    environment.variables.clear();
    assert_runs!("nothing_listens", runs);
}

#[test]
fn nobody_answers_who_listens() {
    // The system takes connections before anyone accepts them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut environment = TestEnvironment::bare();
    let url = format!("http://{address}");
    environment.set("AWS_ENDPOINT_URL", &url);
    environment.set("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", &url);
    environment.set("AWS_COGNITO_USER_POOL_ID", "us-east-1_x");
    environment.set(
        "CONNECTION_URL",
        &format!("postgresql://u:p@{address}/cruddur"),
    );
    std::thread::scope(|scope| {
        for service in ["ddb", "db", "cognito"] {
            let environment = &environment;
            scope.spawn(move || {
                let begun = std::time::Instant::now();
                let run = environment.run(&["wait", "--timeout", "1", service]);
                assert!(run.exits(4).stderr.contains("no answer in time"));
                assert!(begun.elapsed() < std::time::Duration::from_secs(20));
            });
        }
        scope.spawn(|| environment.run(&["doctor"]).exits(4));
    });
    environment.variables.clear();
}

#[test]
fn somebody_waits_for_ever() {
    let environment = TestEnvironment::new();
    let longest = u32::MAX.to_string();
    environment
        .run(&["wait", "--timeout", &longest, "ddb", "db"])
        .exits(0);
}

#[test]
fn what_waiting_does_not_mend_is_not_waited_for() {
    let mut environment = TestEnvironment::new();
    let url = format!("{}?sslmode=require", environment.variables[0].1);
    environment.set("CONNECTION_URL", &url);
    let run = environment.run(&["wait", "--timeout", "60", "db"]).exits(4);
    assert!(run.stderr.contains("offers no TLS"), "{run}");
    assert!(run.stderr.contains("hint: sslrootcert"), "{run}");
    assert!(!run.stderr.contains("waiting for"), "{run}");
}
