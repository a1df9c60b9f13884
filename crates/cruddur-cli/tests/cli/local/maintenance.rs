//! What is done to the data as a whole, when it fails or is asked to stop.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::folder::{Folder, ends, piped, read_until, signal};
use crate::support;

fn state(folder: &Folder) -> String {
    let status = folder.run(&["local", "status", "-o", "json"]).json();
    status["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_copy_that_fails_is_removed_told_and_followed_by_a_start() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "snapshot", "save", "one"]).exits(0);
    let data = folder.environment.path().join(".cruddur");
    // Nobody can copy a socket, root neither: it stands for a disk that is full.
    let _inside = UnixListener::bind(data.join("snapshots/one/postgres/socket")).unwrap();
    let restore = ["local", "snapshot", "restore", "one", "--yes"];
    let failed = folder.run(&restore).exits(1);
    assert!(
        failed.stderr.contains("restore.new/postgres/socket"),
        "{failed}"
    );
    assert!(!data.join("restore.new").exists());
    folder.run(&["local", "status"]).exits(0);

    let _inside = UnixListener::bind(data.join("postgres/socket")).unwrap();
    let save = ["local", "snapshot", "save", "two"];
    folder.run(&save).exits(1);
    assert!(!data.join("snapshots/.new").exists());
    folder.run(&["local", "status"]).exits(0);

    // A start that fails as well does not hide the first reason.
    std::fs::write(data.join("postgres.password"), "another").unwrap();
    let failed = folder.run(&save).exits(1);
    assert!(failed.stderr.contains("error: cannot write"), "{failed}");
    assert!(
        failed.stderr.contains("warning: the local stack is down"),
        "{failed}"
    );
}

#[test]
fn a_shell_with_the_stacks_variables_is_told_when_they_are_old() {
    let mut folder = Folder::new();
    folder.up();
    let eval = |folder: &mut Folder| {
        let variables = folder.run(&["local", "env", "-o", "json"]).exits(0).json();
        for (name, value) in variables.as_object().unwrap() {
            folder.environment.set(name, value.as_str().unwrap());
        }
    };
    let told = |run: &support::Run| run.stderr.contains("eval \"$(cruddur local env)\" again");
    eval(&mut folder);
    let same = folder.run(&["setup", "--local"]).exits(0);
    assert!(!same.stderr.contains("warning"), "{same}");
    let production = folder.run(&["target", "--prod", "-o", "json"]).exits(0);
    for ignored in [
        "AWS_ACCESS_KEY_ID",
        "AWS_COGNITO_USER_POOL_ID",
        "AWS_REGION",
        "PGPASSWORD",
    ] {
        assert!(production.stderr.contains(ignored), "{production}");
    }
    let pool = folder
        .environment
        .variable("AWS_COGNITO_USER_POOL_ID")
        .unwrap();
    assert!(!production.stdout.contains(&pool), "{production}");
    let save = folder.run(&["local", "snapshot", "save", "old"]).exits(0);
    assert!(!told(&save), "{save}");
    let reset = folder.run(&["local", "reset", "--yes"]).exits(0);
    assert!(told(&reset), "{reset}");
    eval(&mut folder);
    folder.run(&["db", "create"]).exits(0);
    let restore = folder
        .run(&["local", "snapshot", "restore", "old", "-y"])
        .exits(0);
    assert!(told(&restore), "{restore}");
    eval(&mut folder);
    folder
        .environment
        .set("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1");
    let other = folder.run(&["setup", "--local", "--timeout", "0"]).exits(4);
    let warning = "DynamoDB is not the local stack's: AWS_ENDPOINT_URL_DYNAMODB names another";
    assert!(other.stderr.contains(warning), "{other}");
    // Nothing of it is to be looked for by name when the test ends.
    folder
        .environment
        .variables
        .retain(|(name, _)| name == "TMPDIR");
}

#[test]
fn what_is_left_of_a_stack_whose_folder_was_deleted_leaves_the_next_alone() {
    let mut folder = Folder::new();
    let [old, _] = folder.up();
    std::fs::remove_dir_all(folder.environment.path().join(".cruddur")).unwrap();
    folder.up();
    // By itself, once it sees that.
    assert!(ends(old));
    assert_eq!(state(&folder), "running");
    folder.run(&["db", "create"]).exits(0);
}

#[test]
fn a_stack_whose_folder_was_deleted_ends() {
    let mut folder = Folder::new();
    let pids = folder.up();
    std::fs::remove_dir_all(folder.environment.path().join(".cruddur")).unwrap();
    assert!(pids.iter().all(|pid| ends(*pid)));
}

/// Its services answer no more, though its process is still there.
#[test]
fn a_stack_that_is_ending_does_not_pass_for_one_that_runs() {
    let mut folder = Folder::new();
    let written_down = folder.environment.path().join(".cruddur/state.json");
    let mut seen = false;
    for _ in 0..4 {
        let [stack, _] = folder.up();
        signal(stack, libc::SIGTERM);
        loop {
            let text = std::fs::read_to_string(&written_down).unwrap();
            let state: serde_json::Value = serde_json::from_str(&text).unwrap();
            let ending = state["ending"] == true;
            seen |= ending;
            if ending || !state["stopped_at"].is_null() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let up = folder
            .run(&["local", "up", "--detach", "--free-ports"])
            .exits(0);
        assert!(!up.stderr.contains("already running"), "{up}");
        folder.run(&["local", "status"]).exits(0);
        folder.run(&["ddb", "list-tables"]).exits(0);
    }
    assert!(seen);
}

#[test]
fn a_reset_leaves_nothing_of_a_stack_that_was_killed() {
    let mut folder = Folder::new();
    let [stack, _] = folder.up();
    signal(stack, libc::SIGKILL);
    assert!(ends(stack));
    assert_eq!(state(&folder), "died");
    folder.run(&["local", "reset", "--yes"]).exits(0);
    assert_eq!(state(&folder), "stopped");
    let nothing = folder.run(&["local", "snapshot", "save", "none"]).exits(6);
    assert!(nothing.stderr.contains("has no data"), "{nothing}");
}

/// The states between the steps of a restore, in each of which a process may end.
#[test]
fn a_start_finishes_a_restore_that_was_cut_off() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "reset", "-y", "--seed"]).exits(0);
    folder.run(&["local", "snapshot", "save", "known"]).exits(0);
    let add = ["local", "users", "add", "ann", "--email", "ann@example.com"];
    folder.run(&add).exits(0);
    folder.run(&["local", "down"]).exits(0);
    let data = folder.environment.path().join(".cruddur");
    let cut_off: [&dyn Fn(); 3] = [
        // Whole, and the old data half deleted.
        &|| {
            let mut copy = std::process::Command::new("cp");
            copy.arg("-a")
                .arg(data.join("snapshots/known"))
                .arg(data.join("restore.whole"));
            assert!(copy.status().unwrap().success());
            std::fs::remove_file(data.join("cognito.json")).unwrap();
            std::fs::rename(data.join("postgres"), data.join("data.deleted")).unwrap();
        },
        // The old data gone, and some of the new not in its place yet.
        &|| {
            let moving = data.join("restore.moving");
            std::fs::create_dir(&moving).unwrap();
            for name in ["postgres", "postgres.password", "cognito.json"] {
                std::fs::rename(data.join(name), moving.join(name)).unwrap();
            }
        },
        &|| std::fs::create_dir(data.join("restore.moving")).unwrap(),
    ];
    for cut_off in cut_off {
        cut_off();
        folder.up();
        let users = folder.run(&["db", "users", "-o", "json"]).exits(0).json();
        assert_eq!(users.as_array().unwrap().len(), 3, "{users}");
        folder.run(&["cognito", "list-users"]).exits(0);
        for name in ["restore.whole", "restore.moving", "data.deleted"] {
            assert!(!data.join(name).exists(), "{name}");
        }
        folder.run(&["local", "down"]).exits(0);
    }
}

#[test]
fn a_restore_or_a_reset_that_is_killed_leaves_what_a_start_can_use() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "reset", "-y", "--seed"]).exits(0);
    folder.run(&["local", "snapshot", "save", "known"]).exits(0);
    for (round, command) in [
        &["local", "snapshot", "restore", "known", "--yes"][..],
        &["local", "reset", "--yes"],
    ]
    .into_iter()
    .cycle()
    .take(8)
    .enumerate()
    {
        folder.run(&["local", "down"]).exits(0);
        let mut child = piped(folder.environment.command(command));
        std::thread::sleep(Duration::from_millis(15 * round as u64));
        signal(child.id(), libc::SIGKILL);
        child.wait().unwrap();
        folder.up();
        folder.run(&["cognito", "list-users"]).exits(0);
        let again = ["local", "snapshot", "restore", "known", "--yes"];
        folder.run(&again).exits(0);
        let users = folder.run(&["db", "users", "-o", "json"]).exits(0).json();
        assert_eq!(users.as_array().unwrap().len(), 3, "{users}");
    }
}

#[test]
fn resets_at_once_wait_for_each_other_and_start_nothing() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "down"]).exits(0);
    for _ in 0..3 {
        let reset = || piped(folder.environment.command(&["local", "reset", "--yes"]));
        let resets: Vec<_> = (0..4).map(|_| reset()).collect();
        for reset in resets {
            let output = support::output(reset);
            assert!(output.status.success(), "{output:?}");
        }
        assert_eq!(state(&folder), "stopped");
    }
}

#[test]
fn what_ends_a_running_stack_for_a_while_waits_for_whatever_else_does() {
    let mut folder = Folder::new();
    folder.up();
    let commands = [
        &["local", "reset", "--yes"][..],
        &["local", "reset", "--yes", "--seed"],
        &["local", "snapshot", "save", "one"],
        &["local", "reset", "--yes", "--seed"],
    ];
    let running = commands.map(|command| piped(folder.environment.command(command)));
    for child in running {
        let output = support::output(child);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(state(&folder), "running");
    folder
        .run(&["local", "snapshot", "restore", "one", "-y"])
        .exits(0);
}

#[test]
fn whoever_waits_for_another_reset_can_be_asked_to_stop() {
    let mut folder = Folder::new();
    folder.up();
    let turn = File::create(folder.environment.path().join(".cruddur/turn")).unwrap();
    turn.lock().unwrap();
    let mut reset = piped(folder.environment.command(&["local", "reset", "--yes"]));
    let mut stderr = BufReader::new(reset.stderr.take().unwrap());
    read_until(&mut stderr, "waiting for another command");
    signal(reset.id(), libc::SIGINT);
    assert_eq!(support::status(&mut reset).code(), Some(130));
    assert_eq!(state(&folder), "running");
}

#[test]
fn a_reset_that_seeds_can_be_asked_to_stop_at_any_moment() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "down"]).exits(0);
    let arguments = ["local", "reset", "--yes", "--seed"];
    for moment in ["starting the local", "database: "] {
        for number in [libc::SIGINT, libc::SIGTERM] {
            let mut reset = piped(folder.environment.command(&arguments));
            let mut stderr = BufReader::new(reset.stderr.take().unwrap());
            read_until(&mut stderr, moment);
            signal(reset.id(), number);
            let mut rest = String::new();
            stderr.read_to_string(&mut rest).unwrap();
            assert_eq!(support::status(&mut reset).code(), Some(130), "{rest}");
            // As it was before.
            assert_eq!(state(&folder), "stopped");
        }
    }
}

#[test]
fn a_damaged_file_is_mended_by_the_command_that_its_error_names() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "down"]).exits(0);
    let data = folder.environment.path().join(".cruddur");
    // The state tells addresses only, so every command does without.
    for mend in [
        &["local", "reset", "--yes"][..],
        &["local", "up", "--detach", "--free-ports"],
    ] {
        std::fs::write(data.join("state.json"), "").unwrap();
        folder.run(&["local", "status"]).exits(4);
        folder.run(mend).exits(0);
    }
    assert_eq!(state(&folder), "running");
    std::fs::write(data.join("version"), "x\n").unwrap();
    let damaged = folder.run(&["local", "status"]).exits(1);
    assert!(
        damaged.stderr.contains("`cruddur local reset`"),
        "{damaged}"
    );
    folder.run(&["local", "reset", "--yes"]).exits(0);
    assert_eq!(state(&folder), "running");
}
