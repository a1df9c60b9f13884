//! A first start, which makes the data, when that fails or is given up.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::folder::{Folder, ends, piped, signal};
use crate::support;

/// For root, too, who runs it under another account.
fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
}

/// A run with another initdb, which is this script.
fn with_initdb(folder: &Folder, script: &str, arguments: &[&str]) -> Command {
    let bin = folder.environment.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, script) in [
        ("initdb", script),
        ("postgres", "echo 'postgres (PostgreSQL) 15.0'"),
    ] {
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        open_to_all(&path);
    }
    open_to_all(folder.environment.path());
    let mut command = folder.environment.command(arguments);
    command.env("PATH", bin);
    command
}

#[test]
fn a_first_start_that_fails_leaves_a_log_and_can_be_reset() {
    let folder = Folder::new();
    let none = folder.run(&["local", "logs"]).exits(4);
    assert!(none.stderr.contains("no local stack is running"), "{none}");
    let script = "echo 'initdb: error: no more' >&2; exit 1";
    let up = ["local", "up", "--detach", "--free-ports", "-q"];
    let failed = with_initdb(&folder, script, &up).output().unwrap();
    let told = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{told}");
    // Even where nothing but errors is wanted, and as its hint says.
    assert!(told.contains("initdb failed: no more"), "{told}");
    assert!(told.contains("cruddur local logs"), "{told}");
    let logs = folder.run(&["local", "logs"]).exits(0);
    assert!(logs.stdout.contains("initdb failed: no more"), "{logs}");

    let data = folder.environment.path().join(".cruddur");
    assert!(data.join("dynamodb.sqlite").exists());
    let reset = folder.run(&["local", "reset", "--yes"]).exits(0);
    assert!(reset.stdout.contains("deleted the data"), "{reset}");
    assert!(!data.join("dynamodb.sqlite").exists());
    assert!(!data.join("postgres.password").exists());
}

#[test]
fn one_that_is_given_up_leaves_no_process_and_no_folder() {
    let folder = Folder::new();
    let pids = folder.environment.path().join("pids");
    // It would take a minute, and does not obey.
    let name = pids.display();
    let script = format!(
        "trap '' TERM INT; /bin/sleep 60 & echo $$ $! > {name}.new; /bin/mv {name}.new {name}; wait"
    );
    let arguments = ["local", "exec", "--ephemeral", "--", "true"];
    let run = piped(with_initdb(&folder, &script, &arguments));
    let begun = (0..10_000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        pids.exists()
    });
    assert!(begun);
    signal(run.id(), libc::SIGTERM);
    let output = support::output(run);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    for pid in std::fs::read_to_string(pids).unwrap().split_whitespace() {
        assert!(ends(pid.parse().unwrap()), "process {pid} is left");
    }
    assert_eq!(folder.leftovers(), 0);
}
