//! What people get wrong before anything is asked of a server.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;

use crate::assert_runs;
use crate::support::TestEnvironment;

#[test]
fn wrong_arguments() {
    let environment = TestEnvironment::bare();
    assert_runs!(
        "wrong_arguments",
        [
            environment.run(&["ddb", "list-tables", "prod"]),
            environment.run(&["ddb", "list-table"]),
            environment.run(&["--prods", "target"]),
            environment.run(&["ddb", "patterns", "get-conversation", "--year", "20x3"]),
            environment.run(&["ddb", "patterns", "get-conversation", "--limit", "0"]),
            environment.run(&["ddb", "patterns", "get-conversation", "--before", "noon"]),
            environment.run(&[
                "ddb",
                "patterns",
                "get-conversation",
                "--message-group-uuid",
                "5ae290ed",
            ]),
            environment.run(&["target", "-o", "yaml"]),
            environment.run(&["ddb", "scan", "--table", "b"]),
            environment.run(&["ddb", "scan", "--segments", "257"]),
            environment.run(&["ddb", "scan", "--max-capacity", "1e10"]),
            environment.run(&["ddb", "drop", "a table"]),
            environment.run(&["ddb", "seed", "prod"]),
            environment.run(&["wait", "--timeout", "18446744073709551615"]),
            // clap knows only what stands on the same side of the command.
            environment.run(&["setup", "--prod", "--local"]),
            environment.run(&["--prod", "setup", "--local"]),
            environment.run(&["--prod", "local", "reset", "--yes"]),
            // Each of these runs is given a --table.
            environment.run(&["ddb", "drop", "other"]),
            environment.run(&["-q", "target", "-v"]),
        ]
    );
}

#[test]
fn what_is_not_utf8() {
    let environment = TestEnvironment::bare();
    let caf = OsStr::from_bytes(b"caf\xe9");
    let write = ["ddb", "patterns", "create-message", "--handle", "bayko"];
    let mut command = environment.command(&write);
    command.arg(caf);
    let run = environment.finish(&write, command, b"").exits(2);
    assert!(run.stderr.contains("invalid UTF-8"), "{run}");

    // To pass it over would be to go elsewhere.
    let mut command = environment.command(&["target"]);
    command.env(
        "CONNECTION_URL",
        OsStr::from_bytes(b"postgresql://u:p\xe4@h/d"),
    );
    let run = environment.finish(&["target"], command, b"").exits(2);
    assert!(run.stderr.contains("CONNECTION_URL is not UTF-8"), "{run}");

    let status = ["local", "status", "-o", "json"];
    let folder = environment.path().join(caf);
    std::fs::create_dir(&folder).unwrap();
    let mut command = environment.command(&status);
    command.current_dir(folder);
    let run = environment.finish(&status, command, b"").exits(4);
    assert_eq!(run.json()["state"], "absent");
}

#[test]
fn an_empty_profile_is_the_default_one() {
    let mut environment = TestEnvironment::bare();
    std::fs::create_dir(environment.path().join("home/.aws")).unwrap();
    environment.write("home/.aws/config", "[default]\nregion = eu-west-1\n");
    environment.set("AWS_PROFILE", "");
    let run = environment.run(&["target"]).exits(0);
    assert!(run.stdout.contains("eu-west-1"), "{run}");
    assert!(run.stdout.contains("profile default"), "{run}");
}

#[test]
fn targets() {
    let mut environment = TestEnvironment::bare();
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1");
    environment.set(
        "CONNECTION_URL",
        "postgresql://u:secret@127.0.0.1:1/cruddur",
    );
    let development = environment.run(&["target"]);
    let production = environment.run(&["--prod", "--region", "eu-west-1", "target"]);
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", "nonsense");
    environment.set("CONNECTION_URL", "mysql://u:secret@127.0.0.1:1/cruddur");
    let malformed = environment.run(&["target", "-o", "jsonl"]);
    let refused = environment.run(&["ddb", "list-tables"]);
    environment.set(
        "AWS_ENDPOINT_URL_DYNAMODB",
        "https://dynamodb.us-east-1.amazonaws.com",
    );
    let guarded = environment.run(&["ddb", "list-tables"]);
    environment.variables.clear();
    assert_runs!(
        "targets",
        [development, production, malformed, refused, guarded]
    );
}

/// Asked for alone, it is answered by a shorter way.
#[test]
fn the_version_is_the_same_however_it_is_asked_for() {
    let environment = TestEnvironment::bare();
    let version = format!("cruddur {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [
        &["--version"][..],
        &["-V"],
        &["--quiet", "--version"],
        &["-V", "target"],
    ] {
        let run = environment.run(arguments);
        assert_eq!(run.stdout, version, "{arguments:?}");
        assert_eq!(run.stderr, "", "{arguments:?}");
        assert_eq!(run.status, 0, "{arguments:?}");
    }
}

#[test]
fn what_the_system_refuses_is_told_with_what_it_was_about() {
    let environment = TestEnvironment::bare();
    let told = |mut command: std::process::Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for arguments in [
        &["target"][..],
        &["--version"],
        &["--help"],
        &["completions", "bash"],
    ] {
        let mut full = environment.command(arguments);
        full.stdout(File::options().write(true).open("/dev/full").unwrap());
        assert!(told(full).starts_with("error: the result cannot be written: "));
    }

    let mut few = environment.command(&["db", "users"]);
    // SAFETY: a system call, as is allowed after a fork.
    unsafe {
        few.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: 7,
                rlim_max: 7,
            };
            match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let why = "the system refuses what is needed: Too many open files\n";
    assert_eq!(told(few), format!("error: cruddur cannot go on: {why}"));

    let folder = environment.path().join("gone");
    std::fs::create_dir(&folder).unwrap();
    let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
    let mut gone = environment.command(&["target"]);
    gone.current_dir(folder);
    // SAFETY: a system call, as is allowed after a fork.
    unsafe {
        gone.pre_exec(move || match libc::rmdir(path.as_ptr()) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    assert!(told(gone).starts_with("error: the current folder cannot be read: "));
}
