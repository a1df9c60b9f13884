//! A stack in a process of its own: in the background, killed, many at once.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cruddur_local::{
    Detached, Down, Error, StackDir, State, Status, down, spawn_detached, start, wait_until_ready,
};
use serde_json::json;
use tokio::sync::Barrier;

use crate::support::{alive, aws, kill, options, sql_at};

const SOON: Duration = Duration::from_secs(30);

/// The process: this test binary again, running only [`stack_process`].
fn detach(folder: &Path) -> Detached {
    let script = "CRUDDUR_TEST_FOLDER=\"$1\" exec \"$0\" --ignored --exact process::stack_process";
    let binary = std::env::current_exe().unwrap();
    let args = [
        OsString::from("-c"),
        script.into(),
        binary.into(),
        folder.into(),
    ];
    spawn_detached(Path::new("/bin/sh"), &args, &StackDir::at(folder)).unwrap()
}

fn up(folder: &Path) -> State {
    wait_until_ready(&StackDir::at(folder), detach(folder), SOON).unwrap()
}

/// Not a test: what [`detach`] runs.
#[tokio::test]
#[ignore = "run by the tests of this file"]
async fn stack_process() {
    let Some(folder) = std::env::var_os("CRUDDUR_TEST_FOLDER") else {
        return;
    };
    let terminate = tokio::signal::unix::SignalKind::terminate();
    let mut terminated = tokio::signal::unix::signal(terminate).unwrap();
    let started = start(StackDir::at(folder.as_ref()), options(), |_| {}).await;
    let mut stack = started.unwrap();
    tokio::select! {
        _ = terminated.recv() => {}
        exit = stack.stopped() => panic!("{exit:?}"),
    }
    stack.stop().await.unwrap();
}

#[test]
fn runs_in_the_background_until_it_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    assert_eq!(down(&dir, SOON).unwrap(), Down::NotRunning);
    let state = up(folder.path());
    assert!(matches!(dir.status().unwrap(), Status::Running(_)));
    assert_eq!(down(&dir, SOON).unwrap(), Down::Stopped);
    assert!(!alive(state.postgres.pid));
    assert!(matches!(dir.status().unwrap(), Status::Stopped(_)));
    assert_eq!(down(&dir, SOON).unwrap(), Down::NotRunning);
}

#[test]
fn a_process_that_does_not_hold_the_lock_is_not_ended() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    assert_eq!(down(&dir, SOON).unwrap(), Down::NotRunning);
    fs::create_dir(dir.path()).unwrap();
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    // As a stack in a container has it, whose number is another's out here.
    let lock = dir.path().join("lock");
    fs::write(&lock, other.id().to_string()).unwrap();
    let held = fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    let error = down(&dir, SOON).unwrap_err();
    assert!(matches!(error, Error::Elsewhere { .. }), "{error}");
    assert!(alive(other.id()));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn many_at_once_give_one_stack_to_all() {
    let folder = tempfile::tempdir().unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let folder = folder.path().to_owned();
            std::thread::spawn(move || up(&folder).pid)
        })
        .collect();
    let mut pids: Vec<u32> = waiting.into_iter().map(|up| up.join().unwrap()).collect();
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
    let dir = StackDir::at(folder.path());
    assert_eq!(down(&dir, SOON).unwrap(), Down::Stopped);
    // None of the others has taken its place.
    std::thread::sleep(Duration::from_millis(300));
    assert!(matches!(dir.status().unwrap(), Status::Stopped(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let state = tokio::task::spawn_blocking(move || up(&path))
        .await
        .unwrap();
    let table = json!({
        "TableName": "things",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let created = aws(&state.dynamodb.url, "DynamoDB_20120810.CreateTable", table).await;
    assert_eq!(created.unwrap().0, 200);
    sql_at(&state, "create table things (pk text)")
        .await
        .unwrap();

    let begun = Arc::new(Barrier::new(4));
    let writers: Vec<_> = (0..3)
        .map(|kind| tokio::spawn(write(state.clone(), kind, begun.clone())))
        .collect();
    tokio::time::timeout(SOON, begun.wait()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    kill(state.pid);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.unwrap());
    }
    let dir = StackDir::at(folder.path());
    // Its sockets close before its lock does.
    let deadline = Instant::now() + SOON;
    while !matches!(dir.status().unwrap(), Status::Died(_)) {
        assert!(Instant::now() < deadline, "{:?}", dir.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let path = folder.path().to_owned();
    let state = tokio::task::spawn_blocking(move || up(&path))
        .await
        .unwrap();
    let scan = json!({"TableName": "things", "Select": "COUNT"});
    let (_, scanned) = aws(&state.dynamodb.url, "DynamoDB_20120810.Scan", scan)
        .await
        .unwrap();
    let rows = sql_at(&state, "select count(*) from things").await.unwrap();
    let file = fs::read_to_string(dir.path().join("cognito.json")).unwrap();
    let found = [
        scanned["Count"].as_u64().unwrap(),
        rows[0].parse().unwrap(),
        file.matches("\"username\":\"thing-").count() as u64,
    ];
    // One more may have been written and not acknowledged.
    for (found, acknowledged) in found.into_iter().zip(acknowledged) {
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{found} {acknowledged}"
        );
    }
    tokio::task::spawn_blocking(move || down(&dir, SOON))
        .await
        .unwrap()
        .unwrap();
}

/// Writes to one of the three until that fails, and says when the first was
/// acknowledged, and how often it was in the end.
async fn write(state: State, kind: usize, begun: Arc<Barrier>) -> u64 {
    for n in 0.. {
        let name = format!("thing-{n}");
        let acknowledged = match kind {
            0 => {
                let item = json!({"TableName": "things", "Item": {"pk": {"S": name}}});
                let put = aws(&state.dynamodb.url, "DynamoDB_20120810.PutItem", item).await;
                put.is_ok_and(|(status, _)| status == 200)
            }
            1 => {
                let insert = format!("insert into things values ('{name}')");
                sql_at(&state, &insert).await.is_ok()
            }
            _ => {
                let pool = &state.cognito.user_pool_id;
                let user = json!({"UserPoolId": pool, "Username": name});
                let target = "AWSCognitoIdentityProviderService.AdminCreateUser";
                let made = aws(&state.cognito.url, target, user).await;
                made.is_ok_and(|(status, _)| status == 200)
            }
        };
        match acknowledged {
            true if n == 0 => _ = begun.wait().await,
            true => {}
            false => return n,
        }
    }
    0
}

#[test]
fn one_that_ends_before_it_is_ready_shows_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let dir = StackDir::at(folder.path());
    let args = ["-c", "echo first; echo last >&2; exit 3"].map(OsString::from);
    let before = Instant::now();
    let detached = spawn_detached(Path::new("/bin/sh"), &args, &dir).unwrap();
    let error = wait_until_ready(&dir, detached, SOON).unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(10));
    assert_eq!(error.log(), ["first", "last"]);
    assert!(error.to_string().contains("exit status: 3"), "{error}");

    let detached = spawn_detached(Path::new("/bin/sleep"), &["60".into()], &dir).unwrap();
    let pid = detached.pid();
    let error = wait_until_ready(&dir, detached, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    assert!(!alive(pid));
}
