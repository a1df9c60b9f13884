//! PostgreSQL's server process: killed, outlived, or taken for another one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::support::{alive, kill, options, sql, up};
use cruddur_local::{StackDir, start};

#[tokio::test]
async fn a_killed_server_is_noticed_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = up(folder.path()).await;
    sql(&stack, "create table kept as select 'kept' as word").await;
    kill(stack.state().postgres.pid);
    let exit = tokio::time::timeout(Duration::from_secs(10), stack.stopped())
        .await
        .unwrap();
    assert!(
        exit.reason.starts_with("PostgreSQL ended"),
        "{}",
        exit.reason
    );
    assert!(exit.reason.contains("signal: 9"), "{}", exit.reason);
    stack.stop().await.unwrap();
    let stack = up(folder.path()).await;
    assert_eq!(sql(&stack, "select word from kept").await, ["kept"]);
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_process_with_the_id_of_a_server_that_is_gone_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let stack = up(folder.path()).await;
    let pid_file = stack.dir().path().join("postgres/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    stack.stop().await.unwrap();
    // PostgreSQL takes any living process of its own account for a server.
    let account = fs::metadata(pid_file.parent().unwrap()).unwrap();
    let mut other = Command::new("sleep")
        .arg("60")
        .current_dir("/")
        .uid(account.uid())
        .gid(account.gid())
        .spawn()
        .unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", other.id())).unwrap();
    let started = start(StackDir::at(folder.path()), options(), |_| {}).await;
    let lives = other.try_wait().unwrap().is_none();
    other.kill().unwrap();
    other.wait().unwrap();
    started.unwrap().stop().await.unwrap();
    assert!(lives);
}

#[tokio::test]
async fn a_dropped_stack_leaves_no_server_and_can_be_started_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let stack = up(folder.path()).await;
    let pid = stack.state().postgres.pid;
    drop(stack);
    let stack = up(folder.path()).await;
    assert!(!alive(pid));
    stack.stop().await.unwrap();
}
