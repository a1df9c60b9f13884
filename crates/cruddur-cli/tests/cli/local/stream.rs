//! The stream handler inside the stack.

use std::time::{Duration, Instant};

use super::folder::Folder;
use crate::support::TestEnvironment;

#[test]
fn a_stack_for_one_command_moves_conversations_too() {
    let mut folder = Folder::new();
    // The script's commands take the table by default.
    folder.environment.table = "cruddur-messages".to_owned();
    let binary = crate::support::BINARY;
    // As a test suite would: it writes, and looks until it sees it, or gives up.
    let script = format!(
        "{binary} ddb patterns create-message --handle bayko seen -q >/dev/null || exit 9
         for i in $(seq $TRIES); do
             {binary} ddb patterns list-conversations -o json -q | grep -q '\"message\": \"seen\"' \
                 && exit 0
             sleep 0.1
         done
         exit 1"
    );
    for (options, tries, status) in [(&[][..], "300", 0), (&["--no-stream"], "20", 1)] {
        let arguments = [
            &["local", "exec", "--ephemeral"],
            options,
            &["--", "sh", "-c", &script],
        ]
        .concat();
        let mut command = folder.environment.command(&arguments);
        command.env("TRIES", tries);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        assert!(!stderr.contains("stream"), "{stderr}");
    }
    assert_eq!(folder.leftovers(), 0);
    assert!(!folder.environment.path().join(".cruddur").exists());
    folder
        .run(&["local", "exec", "--no-stream", "--", "true"])
        .exits(2);
}

fn last_message(environment: &TestEnvironment) -> String {
    let found = environment
        .run(&["ddb", "patterns", "list-conversations", "-o", "json", "-q"])
        .exits(0)
        .json();
    found["items"][0]["message"].as_str().unwrap().to_owned()
}

fn wait_until_last_is(environment: &TestEnvironment, message: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while last_message(environment) != message {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_stack_moves_conversations_by_itself_unless_told_not_to() {
    let folder = Folder::new();
    let environment = &folder.environment;
    let up = ["local", "up", "--detach", "--free-ports"];
    let write = |text| {
        let command = [
            "ddb",
            "patterns",
            "create-message",
            "--handle",
            "bayko",
            text,
        ];
        environment.run(&command).exits(0);
    };
    environment.run(&up).exits(0);
    environment.run(&["setup", "-q"]).exits(0);
    write("seen by the stack");
    wait_until_last_is(environment, "seen by the stack");
    // The stack ends for it, and follows the same table when it starts again.
    let mut save = environment.command(&["local", "snapshot", "save", "one"]);
    save.args(["--table", "other"]);
    assert!(save.output().unwrap().status.success());
    write("seen again");
    wait_until_last_is(environment, "seen again");

    environment.run(&["local", "down"]).exits(0);
    environment
        .run(&[&up[..], &["--no-stream"]].concat())
        .exits(0);
    // The stack ends for it, and starts again as it was.
    environment
        .run(&["local", "snapshot", "save", "quiet"])
        .exits(0);
    write("seen by nobody");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(last_message(environment), "seen again");
    environment.run(&["ddb", "stream", "drain"]).exits(0);
    assert_eq!(last_message(environment), "seen by nobody");
}

#[test]
fn a_snapshot_that_is_put_back_is_followed_from_its_beginning() {
    let folder = Folder::new();
    let environment = &folder.environment;
    let run = |arguments: &[&str]| environment.run(arguments).exits(0);
    run(&["local", "up", "--detach", "--free-ports", "--no-stream"]);
    run(&["setup", "-q"]);
    let write = ["ddb", "patterns", "create-message", "--handle", "bayko"];
    run(&[&write[..], &["moved later"]].concat());
    run(&["local", "snapshot", "save", "one"]);
    for _ in 0..2 {
        run(&["ddb", "stream", "drain"]);
        assert_eq!(last_message(environment), "moved later");
        run(&["local", "snapshot", "restore", "one", "-y"]);
        assert_ne!(last_message(environment), "moved later");
    }
}
