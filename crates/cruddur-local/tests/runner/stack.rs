//! The stack as its callers use it, with the real engines.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::support::{alive, cognito, dynamodb, options, sql, sql_at, up};
use cruddur_local::{Down, Error, Service, StackDir, Status, Step, down, health, start};
use serde_json::json;

fn table() -> serde_json::Value {
    json!({
        "TableName": "things",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// Every file and folder below, without what PostgreSQL looks after itself.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("postgres") {
            found.extend(modes(&path));
        }
        let mode = path.metadata().unwrap().mode() & 0o777;
        found.push((path.display().to_string(), mode));
    }
    found
}

#[tokio::test]
async fn keeps_data_and_addresses_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    assert!(matches!(dir.status().unwrap(), Status::Absent));

    let mut seen = Vec::new();
    let stack = start(dir.clone(), options(), |p| seen.push((p.service, p.step)))
        .await
        .unwrap();
    for service in Service::ALL {
        let address = stack.state().address(service);
        assert!(
            seen.contains(&(service, Step::Ready { address })),
            "{seen:?}"
        );
    }
    assert!(
        seen.contains(&(Service::Postgres, Step::Creating)),
        "{seen:?}"
    );
    let before = stack.state().clone();
    assert_eq!(dynamodb(&stack, "CreateTable", table()).await.0, 200);
    let item = json!({"pk": {"S": "kept ☕"}});
    let put = json!({"TableName": "things", "Item": item});
    assert_eq!(dynamodb(&stack, "PutItem", put).await.0, 200);
    // Where the C library has such a locale, which musl and old ones may not.
    if sql(&stack, "show lc_ctype").await == ["C.UTF-8"] {
        let small = sql(&stack, "select lower('ÉMILE') || (U&'\\0416' ~ '\\w')").await;
        assert_eq!(small, ["émiletrue"]);
    }
    sql(&stack, "create table kept (word text)").await;
    sql(&stack, "insert into kept values ('kept')").await;
    let pool = &before.cognito.user_pool_id;
    let user = json!({"UserPoolId": pool, "Username": "kept"});
    assert_eq!(cognito(&stack, "AdminCreateUser", user).await.0, 200);
    for (path, mode) in modes(dir.path()) {
        assert_eq!(mode & 0o077, 0, "{path} has mode {mode:o}");
    }
    let Status::Running(state) = dir.status().unwrap() else {
        panic!("it runs")
    };
    assert_eq!(state.connection_url(), before.connection_url());
    stack.stop().await.unwrap();
    assert!(!alive(before.postgres.pid));
    let Status::Stopped(_) = dir.status().unwrap() else {
        panic!("it was stopped")
    };

    let stack = up(folder.path()).await;
    let after = stack.state();
    assert_eq!(after.connection_url(), before.connection_url());
    assert_eq!(after.dynamodb.url, before.dynamodb.url);
    assert_eq!(after.cognito.url, before.cognito.url);
    assert_eq!(&after.cognito.user_pool_id, pool);
    assert_eq!(after.cognito.client_id, before.cognito.client_id);
    let (_, scanned) = dynamodb(&stack, "Scan", json!({"TableName": "things"})).await;
    assert_eq!(scanned["Items"], json!([item]));
    assert_eq!(sql(&stack, "select word from kept").await, ["kept"]);
    let (_, listed) = cognito(&stack, "ListUsers", json!({"UserPoolId": pool})).await;
    assert_eq!(listed["Users"].as_array().unwrap().len(), 3);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_on_several_threads_too_and_takes_no_connection_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let stack = up(folder.path()).await;
    let mut state = stack.state().clone();
    state.postgres.password = "wrong".to_owned();
    let refused = sql_at(&state, "select 1").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "28P01");
    assert_eq!(sql(&stack, "show timezone").await, ["UTC"]);
    assert_eq!(sql(&stack, "show fsync").await, ["on"]);
    assert_eq!(sql(&stack, "show listen_addresses").await, ["127.0.0.1"]);

    let services = health(stack.dir()).await.unwrap();
    assert_eq!(services.len(), 3);
    for service in services {
        assert!(service.healthy, "{service:?}");
        assert!(service.data.exists(), "{service:?}");
        assert!(service.memory_bytes.unwrap_or(1) > 0, "{service:?}");
    }
    stack.stop().await.unwrap();
    let error = health(&StackDir::at(folder.path())).await.unwrap_err();
    assert!(matches!(error, Error::NotRunning { .. }), "{error}");
}

/// As root, which is who has to drop it; a plain run for anyone else.
#[tokio::test]
async fn runs_in_a_folder_only_its_owner_can_enter_with_an_odd_name() {
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let folder = outer.path().join("it's a \"folder\" 🦀");
    fs::create_dir(&folder).unwrap();
    let stack = up(&folder).await;
    let cluster = stack.dir().data_path(Service::Postgres);
    assert_ne!(cluster.metadata().unwrap().uid(), 0);
    let pid = stack.state().postgres.pid;
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    if let Ok(status) = status {
        let uids = status
            .lines()
            .find(|line| line.starts_with("Uid:"))
            .unwrap();
        assert!(!uids.split_whitespace().any(|uid| uid == "0"), "{uids}");
        // No group of root's is left either.
        let groups = status
            .lines()
            .find(|line| line.starts_with("Groups:"))
            .unwrap();
        assert!(
            !groups.split_whitespace().any(|group| group == "0"),
            "{groups}"
        );
    }
    // Every backend works, and may write, there.
    sql(&stack, "create database cruddur").await;
    sql(&stack, "checkpoint").await;
    stack.stop().await.unwrap();
    let stack = up(&folder).await;
    let names = sql(&stack, "select datname from pg_database").await;
    assert!(names.contains(&"cruddur".to_owned()), "{names:?}");
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let taken: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let ports: Vec<u16> = taken
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    let mut options = options();
    options.dynamodb_port = ports[0];
    options.postgres_port = ports[1];
    options.cognito_port = ports[2];
    let stack = start(StackDir::at(folder.path()), options, |_| {})
        .await
        .unwrap();
    let state = stack.state();
    for port in [state.dynamodb.port, state.postgres.port, state.cognito.port] {
        assert!(!ports.contains(&port));
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn of_many_starts_one_wins_and_the_others_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let starts = (0..10).map(|_| {
        let dir = StackDir::at(folder.path());
        tokio::spawn(async move { start(dir, options(), |_| {}).await })
    });
    let mut stacks = Vec::new();
    for started in starts.collect::<Vec<_>>() {
        match started.await.unwrap() {
            Ok(stack) => stacks.push(stack),
            Err(Error::AlreadyRunning { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(stacks.len(), 1);
    stacks.pop().unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn two_folders_have_two_stacks() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = tokio::join!(up(one.path()), up(two.path()));
    assert_ne!(one.state().connection_url(), two.state().connection_url());
    sql(&one, "create table only_here ()").await;
    let there = sql(&two, "select to_regclass('only_here') is null").await;
    assert_eq!(there, ["t"]);
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test]
async fn a_stack_that_died_is_told_from_one_that_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    let stack = up(folder.path()).await;
    let state_path = dir.path().join("state.json");
    let running = fs::read(&state_path).unwrap();
    stack.stop().await.unwrap();
    assert!(matches!(dir.status().unwrap(), Status::Stopped(_)));
    // What a killed process leaves: the state of a running one, and no lock.
    fs::write(&state_path, running).unwrap();
    assert!(matches!(dir.status().unwrap(), Status::Died(_)));
    assert_eq!(
        down(&dir, Duration::from_secs(1)).unwrap(),
        Down::NotRunning
    );
    fs::write(&state_path, "{").unwrap();
    // It only tells the addresses, so everybody does without.
    assert!(matches!(dir.status().unwrap(), Status::Absent));
    up(folder.path()).await.stop().await.unwrap();
    assert!(matches!(dir.status().unwrap(), Status::Stopped(_)));
}

#[tokio::test]
async fn a_damaged_pool_and_a_missing_password_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    up(folder.path()).await.stop().await.unwrap();
    for (path, content) in [
        ("cognito.json", "{\"user_pools\": 1}"),
        ("dynamodb.sqlite", "text"),
    ] {
        let path = dir.path().join(path);
        let good = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let error = start(dir.clone(), options(), |_| {}).await.unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        fs::write(&path, good).unwrap();
    }
    // It stands in what the stack writes down of itself, too.
    let password = dir.path().join("postgres.password");
    let good = fs::read(&password).unwrap();
    fs::remove_file(&password).unwrap();
    up(folder.path()).await.stop().await.unwrap();
    assert_eq!(fs::read(&password).unwrap(), good);
    fs::write(&password, "another").unwrap();
    let error = start(dir.clone(), options(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("is not the password"), "{error}");
    fs::remove_file(&password).unwrap();
    fs::remove_file(dir.path().join("state.json")).unwrap();
    // Nor is a copy of it of any use.
    let error = cruddur_local::snapshot_save(&dir, "none").unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    let error = start(dir, options(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
}

#[tokio::test]
async fn a_newer_folder_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    fs::create_dir(dir.path()).unwrap();
    fs::write(dir.path().join("version"), "2\n").unwrap();
    let error = start(dir.clone(), options(), |_| {}).await.unwrap_err();
    assert!(
        matches!(error, Error::NewerVersion { found: 2, .. }),
        "{error}"
    );
    assert!(matches!(dir.status(), Err(Error::NewerVersion { .. })));
    assert!(cruddur_local::reset(&dir).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let dir = StackDir::at(&folder.path().join("file"));
    let error = start(dir, options(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("is not a folder"), "{error}");
    // Nothing can be created in /proc, by root either.
    let dir = StackDir::at(Path::new("/proc"));
    let error = start(dir, options(), |_| {}).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot create /proc/.cruddur"),
        "{error}"
    );
}

#[tokio::test]
async fn is_found_from_any_folder_below() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    assert!(StackDir::find(&below).is_none());
    let stack = up(folder.path()).await;
    let found = StackDir::find(&below).unwrap();
    assert_eq!(found.path(), stack.dir().path());
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_snapshot_brings_all_three_back() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    let stack = up(folder.path()).await;
    sql(&stack, "create table kept as select 'before' as word").await;
    dynamodb(&stack, "CreateTable", table()).await;
    let error = cruddur_local::snapshot_save(&dir, "good").unwrap_err();
    assert!(matches!(error, Error::AlreadyRunning { .. }), "{error}");
    stack.stop().await.unwrap();
    for bad in ["", "..", "a/b", ".new", "a b"] {
        let error = cruddur_local::snapshot_save(&dir, bad).unwrap_err();
        assert!(matches!(error, Error::SnapshotName { .. }), "{error}");
    }
    cruddur_local::snapshot_save(&dir, "good").unwrap();
    let error = cruddur_local::snapshot_save(&dir, "good").unwrap_err();
    assert!(matches!(error, Error::SnapshotExists { .. }), "{error}");
    let listed = cruddur_local::snapshot_list(&dir).unwrap();
    assert_eq!(
        listed.iter().map(|s| &*s.name).collect::<Vec<_>>(),
        ["good"]
    );

    let stack = up(folder.path()).await;
    sql(&stack, "update kept set word = 'after'").await;
    dynamodb(&stack, "DeleteTable", json!({"TableName": "things"})).await;
    let pool = stack.state().cognito.user_pool_id.clone();
    let user = json!({"UserPoolId": pool, "Username": "new"});
    cognito(&stack, "AdminCreateUser", user).await;
    let before = stack.state().connection_url();
    stack.stop().await.unwrap();
    cruddur_local::snapshot_restore(&dir, "good").unwrap();
    assert!(cruddur_local::snapshot_restore(&dir, "bad").is_err());

    let stack = up(folder.path()).await;
    assert_eq!(stack.state().connection_url(), before);
    assert_eq!(sql(&stack, "select word from kept").await, ["before"]);
    let (_, tables) = dynamodb(&stack, "ListTables", json!({})).await;
    assert_eq!(tables["TableNames"], json!(["things"]));
    let (_, listed) = cognito(&stack, "ListUsers", json!({"UserPoolId": pool})).await;
    assert_eq!(listed["Users"].as_array().unwrap().len(), 2);
    stack.stop().await.unwrap();

    cruddur_local::reset(&dir).unwrap();
    let stack = up(folder.path()).await;
    assert_ne!(stack.state().connection_url(), before);
    let (_, tables) = dynamodb(&stack, "ListTables", json!({})).await;
    assert_eq!(tables["TableNames"], json!([]));
    stack.stop().await.unwrap();
}
