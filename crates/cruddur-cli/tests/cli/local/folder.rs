//! A stack of its own for a test, and what tells whether it has ended.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{self, TestEnvironment};

/// A folder with a stack of its own, which is ended with the test; then none of
/// its processes may be left.
pub struct Folder {
    pub environment: TestEnvironment,
    pub pids: Vec<u32>,
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

    pub fn run(&self, arguments: &[&str]) -> support::Run {
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

pub fn pid(value: &Value) -> u32 {
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

pub fn piped(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads lines until one holds `part`.
pub fn read_until(from: &mut impl std::io::BufRead, part: &str) -> String {
    let mut read = String::new();
    while !read.contains(part) {
        assert_ne!(from.read_line(&mut read).unwrap(), 0, "{read}");
    }
    read
}
