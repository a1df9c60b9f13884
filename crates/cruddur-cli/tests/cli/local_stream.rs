//! The stream handler inside the stack.

use std::time::{Duration, Instant};

use crate::local::Folder;
use crate::support::TestEnvironment;

fn last_message(environment: &TestEnvironment) -> String {
    let found = environment
        .run(&["ddb", "patterns", "list-conversations", "-o", "json", "-q"])
        .exits(0)
        .json();
    found["items"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_stack_moves_conversations_by_itself_unless_told_not_to() {
    let mut folder = Folder::new();
    // The stack follows the messages table under its own name.
    folder.environment.table = "cruddur-messages".to_owned();
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
    let deadline = Instant::now() + Duration::from_secs(30);
    while last_message(environment) != "seen by the stack" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }

    environment.run(&["local", "down"]).exits(0);
    environment
        .run(&[&up[..], &["--no-stream"]].concat())
        .exits(0);
    write("seen by nobody");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(last_message(environment), "seen by the stack");
    environment.run(&["ddb", "stream", "drain"]).exits(0);
    assert_eq!(last_message(environment), "seen by nobody");
}
