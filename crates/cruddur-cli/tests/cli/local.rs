//! The local stack as a person runs it, through the binary.

use std::io::{BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{self, TestEnvironment, with_terminal};

/// A folder with a stack of its own, which is ended with the test; then none of
/// its processes may be left.
pub struct Folder {
    pub environment: TestEnvironment,
    pids: Vec<u32>,
}

impl Folder {
    pub fn new() -> Folder {
        let mut environment = TestEnvironment::bare();
        let temporary = environment.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        environment.set("TMPDIR", &temporary.display().to_string());
        Folder {
            environment,
            pids: Vec::new(),
        }
    }

    pub fn run(&self, arguments: &[&str]) -> crate::support::Run {
        self.environment.run(arguments)
    }

    /// Starts the stack in the background; its pid and PostgreSQL's.
    pub fn up(&mut self) -> [u32; 2] {
        self.run(&["local", "up", "--detach", "--free-ports"])
            .exits(0);
        let status = self.run(&["local", "status", "-o", "json"]).exits(0).json();
        let pids = [pid(&status), pid(&status["services"][2])];
        self.pids.extend(pids);
        pids
    }

    /// What is left in the folder for temporary files.
    pub fn leftovers(&self) -> usize {
        let folder = self.environment.path().join("tmp");
        std::fs::read_dir(folder).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.run(&["local", "down"]);
        if !std::thread::panicking() {
            for pid in &self.pids {
                assert!(ends(*pid), "process {pid} is left");
            }
        }
    }
}

fn pid(value: &Value) -> u32 {
    u32::try_from(value["pid"].as_u64().unwrap()).unwrap()
}

pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Whether a process ends within a moment.
pub fn ends(pid: u32) -> bool {
    (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !alive(pid)
    })
}

pub fn signal(pid: u32, number: i32) {
    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(
        unsafe { libc::kill(i32::try_from(pid).unwrap(), number) },
        0
    );
}

fn piped(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads lines until one holds `part`.
fn read_until(from: &mut impl std::io::BufRead, part: &str) -> String {
    let mut read = String::new();
    while !read.contains(part) {
        assert_ne!(from.read_line(&mut read).unwrap(), 0, "{read}");
    }
    read
}

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

    folder.up();
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
    let seen = folder.run(&["local", "exec", "--", "sh", "-c", "echo $CONNECTION_URL"]);
    assert_eq!(
        seen.exits(0).stdout.trim(),
        variables["CONNECTION_URL"].as_str().unwrap()
    );
    let log = folder.run(&["local", "logs", "postgres"]).exits(0);
    assert!(log.stdout.contains("ready to accept connections"), "{log}");
    folder.run(&["db", "create"]).exits(0);

    folder.run(&["local", "down"]).exits(0);
    let stopped = folder
        .run(&["local", "status", "-o", "json"])
        .exits(4)
        .json();
    assert_eq!(stopped["state"], "stopped");
    // Its database is there when it starts again, at the same address.
    folder.up();
    let now = folder.run(&["local", "env", "-o", "json"]).exits(0).json();
    assert_eq!(now, variables);
    let created = folder.run(&["db", "create"]).exits(0);
    assert!(created.stdout.contains("already"), "{created}");
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
fn ctrl_c_ends_it_within_a_second_and_leaves_nothing() {
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
        let before = Instant::now();
        for _ in 0..times {
            signal(up.id(), libc::SIGINT);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(support::status(&mut up).code(), Some(130));
        let took = before.elapsed();
        assert!(!alive(postgres));
        // A second where nothing else runs; tests share their machine.
        assert!(took < Duration::from_millis(2_500), "{took:?}");
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("PostgreSQL: ended"), "{rest}");
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
        // Before anyone listens, the signal itself ends it.
        assert!(
            code.is_none() || code == Some(130),
            "{delay} ms: {output:?}"
        );
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

#[test]
fn a_newer_folder_is_refused_and_a_bad_one_told_in_a_sentence() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["local", "down"]).exits(0);
    let version = folder.environment.path().join(".cruddur/version");
    std::fs::write(&version, "999\n").unwrap();
    for command in [["local", "up"], ["local", "status"], ["local", "down"]] {
        let run = folder.run(&command);
        if command[1] != "down" {
            let run = run.exits(5);
            assert!(run.stderr.contains("data format 999"), "{run}");
        }
    }
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "999\n");
    std::fs::write(&version, "1\n").unwrap();

    // Nobody can make a folder here, root neither.
    let mut command = folder.environment.command(&["local", "up", "--detach"]);
    let output = command.current_dir("/sys").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot create /sys/.cruddur: "), "{told}");

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
    folder.run(&["local", "reset", "--yes", "--seed"]).exits(0);
    let add = ["local", "users", "add", "ann", "--email", "ann@example.com"];
    let dry = [&add[..], &["--dry-run"]].concat();
    for _ in 0..2 {
        let would = folder.run(&dry).exits(0);
        assert!(would.stderr.contains("would add ann to"), "{would}");
    }
    let added = folder.run(&add).exits(0);
    assert!(added.stderr.contains("Cognito and PostgreSQL"), "{added}");
    for again in [&add[..], &dry] {
        let again = folder.run(again).exits(0);
        assert!(again.stderr.contains("ann is there already"), "{again}");
    }
    let other = ["local", "users", "add", "ann", "--email", "a@example.com"];
    folder.run(&other).exits(1);

    folder.run(&["local", "snapshot", "save", "known"]).exits(0);
    folder.run(&["local", "snapshot", "save", "known"]).exits(1);
    folder.run(&["local", "snapshot", "save", "../x"]).exits(2);
    folder.run(&["local", "snapshot", "restore", "no"]).exits(6);
    for dry in [
        &["local", "snapshot", "save", "other", "--dry-run"][..],
        &["local", "snapshot", "restore", "known", "--dry-run"],
        &["local", "reset", "--seed", "--dry-run"],
    ] {
        let would = folder.run(dry).exits(0);
        assert!(would.stderr.starts_with("would "), "{would}");
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
        .run(&["local", "snapshot", "restore", "known"])
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
    assert!(deleted.stderr.contains("deleted the snapshot known"));
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
