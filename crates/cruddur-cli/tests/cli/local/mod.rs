//! The local stack as a person runs it, through the binary.

mod first;
mod folder;
mod foreground;
mod killed;
mod maintenance;
mod stream;
mod users;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Output};
use std::time::Duration;

use folder::{Folder, pid, piped};
use serde_json::Value;

use crate::support;

#[test]
fn from_up_to_down() {
    let mut folder = Folder::new();
    let absent = folder
        .run(&["local", "status", "-o", "json"])
        .exits(4)
        .json();
    assert_eq!(absent["state"], "absent");
    folder.run(&["local", "exec", "--", "true"]).exits(4);
    folder.run(&["local", "down"]).exits(0);
    let plan = ["setup", "--local", "--dry-run", "-o", "json"];
    let would = folder.run(&plan).exits(0).json();
    assert_eq!(would[0]["step"], "local stack");
    assert_eq!(would.as_array().unwrap().len(), 1);

    folder.up();
    let would = folder.run(&plan).exits(0).json();
    let steps = would.as_array().unwrap();
    assert_eq!(steps.len(), 6);
    assert!(steps.iter().all(|step| step["changed"] == true), "{would}");
    let again = folder.run(&["local", "up", "--detach"]).exits(0);
    assert!(again.stderr.contains("already running"), "{again}");
    let again = folder.run(&["local", "up"]).exits(0);
    assert!(again.stderr.contains("already running"), "{again}");
    let status = folder
        .run(&["local", "status", "-o", "json"])
        .exits(0)
        .json();
    assert_eq!(status["state"], "running");
    for service in status["services"].as_array().unwrap() {
        assert_eq!(service["healthy"], true, "{status}");
        assert!(
            std::path::Path::new(service["data"].as_str().unwrap()).exists(),
            "{status}"
        );
    }
    let table = folder.run(&["local", "status"]).exits(0);
    assert!(table.stdout.starts_with("SERVICE"), "{table}");

    let variables = folder.run(&["local", "env", "-o", "json"]).exits(0).json();
    for (shell, first) in [
        ("sh", "export AWS_"),
        ("fish", "set -gx AWS_"),
        ("powershell", "$Env:AWS_"),
    ] {
        let shown = folder.run(&["local", "env", "--shell", shell]).exits(0);
        assert!(shown.stdout.starts_with(first), "{shown}");
    }
    // The web app checks who a token is for.
    let client = &variables["AWS_COGNITO_USER_POOL_CLIENT_ID"];
    assert!(!client.as_str().unwrap().is_empty());
    let seen = folder.run(&["local", "exec", "--", "sh", "-c", "echo $CONNECTION_URL"]);
    assert_eq!(
        seen.exits(0).stdout.trim(),
        variables["CONNECTION_URL"].as_str().unwrap()
    );
    let log = folder.run(&["local", "logs", "postgres"]).exits(0);
    assert!(log.stdout.contains("ready to accept connections"), "{log}");
    let lines = folder.run(&["local", "logs", "-o", "json"]).exits(0).json();
    let lines = lines.as_array().unwrap();
    let ready = |line: &&Value| line["line"].as_str().unwrap().contains("ready to accept");
    assert_eq!(lines.iter().find(ready).unwrap()["log"], "postgres");
    assert!(lines.iter().any(|line| line["log"] == "stack"));
    let endless = folder.run(&["local", "logs", "-f", "-o", "json"]).exits(2);
    assert!(endless.stderr.contains("-o jsonl"), "{endless}");
    // `| head -1` of a log to which nothing is added.
    let mut follower = piped(
        folder
            .environment
            .command(&["local", "logs", "postgres", "-f", "-o", "jsonl"]),
    );
    let mut reader = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&line).unwrap()["log"],
        "postgres"
    );
    drop(reader);
    assert_eq!(support::status(&mut follower).code(), Some(0));
    folder.run(&["db", "create"]).exits(0);

    // What those tell who changed something is what the look at it tells.
    let looked = folder.run(&["local", "status", "-o", "json"]).exits(0);
    let up = ["local", "up", "--detach", "-o", "json"];
    let up = folder.run(&up).exits(0);
    assert!(!up.stderr.contains("warning"), "{up}");
    let up = up.json();
    assert_eq!(
        up["services"][0]["address"],
        looked.json()["services"][0]["address"]
    );
    assert_eq!(up["state"], "running");
    let own = std::mem::replace(&mut folder.environment.table, "other".to_owned());
    let of_other = folder.run(&["local", "up", "--detach"]).exits(0);
    let told = "warning: the local stack moves the conversations of table";
    assert!(of_other.stderr.contains(told), "{of_other}");
    folder.environment.table = own;
    let ready = folder.run(&["wait", "-o", "jsonl"]).exits(0);
    assert_eq!(ready.stdout.lines().count(), 3, "{ready}");
    let down = folder.run(&["local", "down", "-o", "json"]).exits(0).json();
    assert_eq!(down["state"], "stopped");
    let stopped = folder
        .run(&["local", "status", "-o", "json"])
        .exits(4)
        .json();
    assert_eq!(stopped["state"], "stopped");
    // Whatever listens there, it is not what the folder has.
    let message = ["ddb", "patterns", "create-message", "--handle", "x", "-"];
    for (command, goes) in [
        (&["ddb", "drop"][..], "http://localhost:8000\n"),
        (&["db", "drop"], "localhost:5432\n"),
        (
            &["db", "update-cognito-user-ids"],
            "localhost:5432 and https://cognito-idp.",
        ),
        (&["cognito", "list-users"], "https://cognito-idp."),
        (&["wait", "cognito"], "https://cognito-idp."),
        // Its text is not UTF-8, which it finds out first.
        (&message, "http://localhost:8000 and localhost:5432\n"),
    ] {
        let elsewhere = folder.environment.run_with_input(command, b"\xff");
        assert_ne!(elsewhere.status, 0, "{elsewhere}");
        let told = format!("is not running; this goes to {goes}");
        assert!(elsewhere.stderr.contains(&told), "{elsewhere}");
    }
    // Nothing of that is dropped unless it was named.
    for drop in [&["ddb", "drop"][..], &["db", "drop"], &["db", "setup"]] {
        let refused = folder.run(&[drop, &["--dry-run"]].concat()).exits(5);
        assert!(refused.stderr.contains("local up --detach"), "{refused}");
    }
    let named = ["ddb", "drop", "--endpoint-url", "http://127.0.0.1:1"];
    folder.run(&named).exits(4);
    // Its database is there when it starts again, at the same address.
    folder.up();
    let now = folder.run(&["local", "env", "-o", "json"]).exits(0).json();
    assert_eq!(now, variables);
    let created = folder.run(&["db", "create"]).exits(0);
    assert!(created.stdout.contains("already"), "{created}");
}

#[test]
fn nothing_is_dropped_beside_a_stack_that_cannot_be_looked_into() {
    let environment = support::TestEnvironment::bare();
    let data = environment.path().join(".cruddur");
    std::fs::create_dir(&data).unwrap();
    environment.write(".cruddur/state.json", "{}");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(environment.path(), 0o777);
    // Root looks into everything, and may give the folder away instead.
    if std::os::unix::fs::chown(&data, Some(65_533), None).is_err() {
        mode(&data, 0);
    }
    for drop in [&["ddb", "drop"][..], &["db", "drop"], &["db", "setup"]] {
        let refused = environment.run(&[drop, &["--dry-run"]].concat()).exits(5);
        assert!(refused.stderr.contains("is passed over"), "{refused}");
    }
    mode(&data, 0o700);
}

#[test]
fn in_the_background_it_holds_no_file_of_whoever_started_it() {
    let mut folder = Folder::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut up = folder
        .environment
        .command(&["local", "up", "--detach", "--free-ports"]);
    // SAFETY: the closure makes a system call only.
    unsafe {
        up.pre_exec(move || match libc::dup2(writer.as_raw_fd(), 77) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
    assert!(up.status().unwrap().success());
    // The command holds the pipe's other end, too.
    drop(up);
    let status = folder
        .run(&["local", "status", "-o", "json"])
        .exits(0)
        .json();
    folder
        .pids
        .extend([pid(&status), pid(&status["services"][2])]);
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = ended.send(reader.read(&mut [0]).unwrap());
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(0));
}

#[test]
fn exec_gives_the_status_of_its_command() {
    let mut folder = Folder::new();
    folder.up();
    folder
        .run(&["local", "exec", "--", "sh", "-c", "exit 7"])
        .exits(7);
    folder.run(&["local", "exec", "--", "no-such"]).exits(127);
    folder.run(&["local", "exec", "--", "/"]).exits(126);
    // What was meant for another server is not for the stack's.
    folder.environment.set("PGCHANNELBINDING", "require");
    folder.environment.set("PGGSSENCMODE", "require");
    let seen = folder.run(&["local", "exec", "--", "env"]).exits(0).stdout;
    let seen: Vec<&str> = seen.lines().filter(|line| !line.contains("://")).collect();
    let names = seen.iter().filter_map(|line| Some(line.split_once('=')?.0));
    let names: Vec<&str> = names.filter(|name| name.starts_with("PG")).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    for region in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        assert!(seen.contains(&&*format!("{region}=us-east-1")), "{seen:?}");
    }
    // The command takes the place of cruddur, so this is the signal itself.
    let mut command =
        folder
            .environment
            .command(&["local", "exec", "--", "sh", "-c", "kill -9 $$"]);
    let status = command.status().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9)
    );
}

#[test]
fn ten_at_once_give_one_stack_and_two_folders_two() {
    let mut folder = Folder::new();
    let ups: Vec<Child> = (0..10)
        .map(|_| {
            let arguments = ["local", "up", "--detach", "--free-ports"];
            piped(folder.environment.command(&arguments))
        })
        .collect();
    let mut said: Vec<String> = ups
        .into_iter()
        .map(|up| {
            let Output { status, stderr, .. } = support::output(up);
            let stderr = String::from_utf8(stderr).unwrap();
            assert!(status.success(), "{stderr}");
            let from = stderr.find("DynamoDB: ").unwrap();
            stderr[from..].to_owned()
        })
        .collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    let first = folder.up();
    let mut other = Folder::new();
    assert_ne!(other.up(), first);
    other.run(&["local", "down"]).exits(0);
    folder.run(&["local", "status"]).exits(0);
}

#[test]
fn a_newer_folder_is_refused_and_a_bad_one_told_in_a_sentence() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "down"]).exits(0);
    let version = folder.environment.path().join(".cruddur/version");
    std::fs::write(&version, "999\n").unwrap();
    for command in ["up", "status", "reset"] {
        let run = folder.run(&["local", command]).exits(5);
        assert!(run.stderr.contains("data format 999"), "{run}");
    }
    // Nothing of the folder's is read or written for it.
    folder.run(&["local", "down"]).exits(0);
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "999\n");
    std::fs::write(&version, "1\n").unwrap();

    // Nobody can make a folder here, root neither.
    let mut command = folder.environment.command(&["local", "up", "--detach"]);
    let output = command.current_dir("/sys").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot create /sys/.cruddur: "), "{told}");
    assert!(!told.contains("os error"), "told twice: {told}");

    // Nothing is looked for in a home.
    let mut command = folder
        .environment
        .command(&["local", "up", "--detach", "--free-ports"]);
    assert!(command.env_remove("HOME").status().unwrap().success());
}

#[test]
fn reset_asks_and_a_snapshot_brings_everything_back() {
    let mut folder = Folder::new();
    folder.up();
    let refused = folder.run(&["local", "reset"]).exits(5);
    assert!(refused.stderr.contains("--yes"), "{refused}");
    // It is seeded though nobody reads that it was.
    let mut reset = folder
        .environment
        .command(&["local", "reset", "--yes", "--seed"]);
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let reset = reset.stdout(closed).output().unwrap();
    assert_eq!(reset.status.code(), Some(0), "{reset:?}");
    let add = ["local", "users", "add", "ann", "--email", "ann@example.com"];
    folder.run(&add).exits(0);

    let saved = folder.run(&["local", "snapshot", "save", "known"]).exits(0);
    assert!(saved.stderr.contains("again, in the background"), "{saved}");
    folder.run(&["local", "snapshot", "save", "known"]).exits(1);
    folder.run(&["local", "snapshot", "save", "../x"]).exits(2);
    folder.run(&["local", "snapshot", "restore", "no"]).exits(6);
    folder
        .run(&["local", "snapshot", "restore", "known"])
        .exits(5);
    for dry in [
        &["local", "snapshot", "save", "other", "--dry-run"][..],
        &["local", "snapshot", "restore", "known", "--dry-run"],
        &["local", "reset", "--seed", "--dry-run"],
    ] {
        let would = folder.run(dry).exits(0);
        assert!(would.stdout.starts_with("would "), "{would}");
    }
    let users = folder.run(&["db", "users", "-o", "json"]).exits(0).json();
    assert_eq!(users.as_array().unwrap().len(), 4, "{users}");
    let list = folder
        .run(&["local", "snapshot", "list", "-o", "json"])
        .json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["name"], "known");
    folder.run(&["local", "reset", "-y"]).exits(0);
    folder.run(&["db", "users"]).exits(6);
    folder
        .run(&["local", "snapshot", "restore", "known", "--yes"])
        .exits(0);
    // As it was: running, and with all three services' data.
    let users = folder.run(&["db", "users", "-o", "json"]).exits(0).json();
    assert_eq!(users.as_array().unwrap().len(), 4, "{users}");

    let delete = ["local", "snapshot", "delete", "known"];
    let refused = folder.run(&delete).exits(5);
    assert!(refused.stderr.contains("--yes"), "{refused}");
    folder.run(&[&delete[..], &["--dry-run"]].concat()).exits(0);
    let list = folder.run(&["local", "snapshot", "list", "-o", "json"]);
    assert_eq!(list.json()[0]["name"], "known");
    let yes = [&delete[..], &["-y"]].concat();
    let deleted = folder.run(&yes).exits(0);
    assert!(deleted.stdout.contains("deleted the snapshot known"));
    folder.run(&yes).exits(6);
    let list = folder.run(&["local", "snapshot", "list", "-o", "json"]);
    assert_eq!(list.json(), serde_json::json!([]));
    let kept = folder.environment.path().join(".cruddur/snapshots");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 0);
    let pool = folder
        .run(&["cognito", "list-users", "-o", "json"])
        .exits(0);
    assert!(pool.stdout.contains("ann@example.com"), "{pool}");
    let status = folder.run(&["local", "status", "-o", "json"]).exits(0);
    let services = status.json();
    folder
        .pids
        .extend([pid(&services), pid(&services["services"][2])]);
}
