//! A stack that runs in a terminal, and the ways to end it there.

use std::io::{BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use super::folder::{Folder, alive, pid, piped, read_until, signal};
use crate::support::{self, with_terminal};

#[test]
fn ctrl_c_ends_it_and_leaves_nothing() {
    let mut folder = Folder::new();
    let arguments = ["local", "up", "--free-ports"];
    for times in [1, 2] {
        let mut up = piped(folder.environment.command(&arguments));
        let mut stderr = BufReader::new(up.stderr.take().unwrap());
        let told = read_until(&mut stderr, "Ctrl-C ends it\n");
        for service in ["DynamoDB", "Cognito", "PostgreSQL"] {
            assert!(told.contains(&format!("{service}: ready at")), "{told}");
        }
        let status = folder.run(&["local", "status", "-o", "json"]).json();
        let postgres = pid(&status["services"][2]);
        folder.pids.extend([up.id(), postgres]);
        for _ in 0..times {
            signal(up.id(), libc::SIGINT);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(support::status(&mut up).code(), Some(130));
        assert!(!alive(postgres));
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("PostgreSQL: ended"), "{rest}");
        assert!(rest.ends_with("\ninterrupted\n"), "{rest}");
        assert!(!rest.contains("error"), "{rest}");
        let status = folder.run(&["local", "status", "-o", "json"]).exits(4);
        assert_eq!(status.json()["state"], "stopped");
    }
    folder.up();
}

#[test]
fn in_the_foreground_it_shows_what_each_service_does() {
    let folder = Folder::new();
    let mut up = piped(folder.environment.command(&["local", "up", "--free-ports"]));
    let mut stderr = BufReader::new(up.stderr.take().unwrap());
    read_until(&mut stderr, "Ctrl-C ends it\n");
    folder.run(&["cognito", "list-users"]).exits(0);
    read_until(&mut stderr, "Cognito | ListUsers 200\n");
    folder.run(&["setup"]).exits(0);
    read_until(&mut stderr, " items written\n");
    folder.run(&["db", "drop", "--force"]).exits(0);
    folder.run(&["db", "users"]).exits(6);
    read_until(&mut stderr, "does not exist\n");
    signal(up.id(), libc::SIGINT);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(support::status(&mut up).code(), Some(130), "{rest}");
}

#[test]
fn ctrl_c_at_any_moment_of_a_start_is_heard() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "down"]).exits(0);
    // A start takes a tenth of a second here, and half of one under load.
    for delay in (0..40).map(|step| step * 8) {
        let up = piped(folder.environment.command(&["local", "up", "--free-ports"]));
        std::thread::sleep(Duration::from_millis(delay));
        signal(up.id(), libc::SIGINT);
        let output = support::output(up);
        let code = output.status.code();
        // Before anyone listens, and says a word, the signal itself ends it.
        let unheard = code.is_none() && output.stderr.is_empty();
        assert!(unheard || code == Some(130), "{delay} ms: {output:?}");
        let status = folder.run(&["local", "status", "-o", "json"]).exits(4);
        assert_ne!(status.json()["state"], "running", "{delay} ms");
    }
    folder.up();
}

#[test]
fn closing_the_terminal_ends_it_unless_nohup_says_otherwise() {
    let mut folder = Folder::new();
    let arguments = ["local", "up", "--free-ports"];
    let mut command = folder.environment.command(&arguments);
    let terminal = with_terminal(&mut command);
    let mut up = command.spawn().unwrap();
    // The command holds the other end of the terminal, too.
    drop(command);
    let mut shown = BufReader::new(terminal);
    read_until(&mut shown, "Ctrl-C ends it");
    let status = folder.run(&["local", "status", "-o", "json"]).json();
    let postgres = pid(&status["services"][2]);
    folder.pids.extend([up.id(), postgres]);
    drop(shown);
    assert_eq!(support::status(&mut up).code(), Some(130));
    assert!(!alive(postgres));
    let status = folder.run(&["local", "status", "-o", "json"]).exits(4);
    assert_eq!(status.json()["state"], "stopped");

    let mut command = folder.environment.command(&arguments);
    // SAFETY: the closure makes a system call only.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        })
    };
    let mut up = piped(command);
    let mut stderr = BufReader::new(up.stderr.take().unwrap());
    read_until(&mut stderr, "Ctrl-C ends it\n");
    folder.pids.push(up.id());
    signal(up.id(), libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    folder.run(&["local", "status"]).exits(0);
    signal(up.id(), libc::SIGTERM);
    assert_eq!(support::status(&mut up).code(), Some(130));
}
