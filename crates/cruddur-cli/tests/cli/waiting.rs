//! Commands that wait for a person or a pipe, and are asked to stop meanwhile.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::support::{self, TestEnvironment, with_terminal};

const READING: &[&[&str]] = &[
    &["db", "schema-load", "--file", "-"],
    &["db", "seed", "--file", "-"],
    &["ddb", "import", "-"],
    &["ddb", "seed", "-"],
    &[
        "ddb",
        "patterns",
        "create-message",
        "--handle",
        "bayko",
        "-",
    ],
    &["ddb", "stream", "replay", "-"],
];

/// More than a pipe holds, so that who has written it knows that it is read.
const MUCH: usize = 1024 * 1024;

#[test]
fn a_silent_pipe_keeps_nobody_from_stopping() {
    let environment = TestEnvironment::bare();
    std::thread::scope(|scope| {
        for command in READING {
            for signal in [libc::SIGINT, libc::SIGTERM] {
                let environment = &environment;
                scope.spawn(move || {
                    let mut child = environment
                        .command(command)
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .stderr(Stdio::piped())
                        .spawn()
                        .unwrap();
                    let mut stdin = child.stdin.take().unwrap();
                    stdin.write_all(&vec![b' '; MUCH]).unwrap();
                    let pid = i32::try_from(child.id()).unwrap();
                    // SAFETY: the child has not been waited for.
                    unsafe { libc::kill(pid, signal) };
                    let output = support::output(child);
                    assert_eq!(output.status.code(), Some(130), "{command:?}: {output:?}");
                    drop(stdin);
                });
            }
        }
    });
}

#[test]
fn a_question_is_answered_by_ctrl_c_too() {
    let mut environment = TestEnvironment::bare();
    let url = "postgresql://u:p@127.0.0.1:1/proddb";
    environment.set("PROD_CONNECTION_URL", url);
    let mut command = environment.command(&["--prod", "setup"]);
    let mut terminal = with_terminal(&mut command);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    // The command's own copies of the terminal go with it.
    drop(command);
    let mut shown = String::new();
    let mut buffer = [0; 1024];
    while !shown.contains("Type proddb to go on:") {
        let read = terminal.read(&mut buffer).unwrap();
        shown.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(support::status(&mut child).code(), Some(130));
    environment.variables.clear();
}
