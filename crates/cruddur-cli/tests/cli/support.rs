//! What the tests of the binary stand on: real engines, and an environment of
//! its own for every test.

mod child;
mod engines;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use uuid::Uuid;

pub use child::{output, status, with_terminal};
pub use engines::engines;
use engines::engines_if_started;

pub const BINARY: &str = env!("CARGO_BIN_EXE_cruddur");

/// A folder, a home, a table, a database and a pool that only one test uses.
pub struct TestEnvironment {
    pub folder: TempDir,
    pub table: String,
    pub database: String,
    pub variables: Vec<(String, String)>,
}

impl TestEnvironment {
    /// Nothing but a folder: no server is named, and none listens where the
    /// defaults look.
    pub fn bare() -> TestEnvironment {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        let id = Uuid::new_v4().simple().to_string();
        TestEnvironment {
            folder,
            table: format!("test-{id}"),
            database: format!("test_{id}"),
            variables: Vec::new(),
        }
    }

    /// With the engines' addresses in its variables.
    pub fn new() -> TestEnvironment {
        let mut environment = TestEnvironment::bare();
        let engines = engines();
        let (server, _) = engines.postgres.rsplit_once('/').unwrap();
        let url = format!("{server}/{}", environment.database);
        environment.set("CONNECTION_URL", &url);
        environment.set("AWS_ENDPOINT_URL_DYNAMODB", &engines.dynamodb);
        environment.set(
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
            &engines.cognito,
        );
        environment
    }

    /// With a folder and a table of its own, and all else of this one.
    pub fn beside(&self) -> TestEnvironment {
        let mut environment = TestEnvironment::bare();
        environment.database = self.database.clone();
        environment.variables = self.variables.clone();
        // The name of the variable says who drops the database in the end.
        let url = self.connection_url();
        environment.unset("CONNECTION_URL");
        environment.set("DATABASE_URL", &url);
        environment
    }

    /// The database's address.
    pub fn connection_url(&self) -> String {
        let url = self.variable("CONNECTION_URL");
        url.or_else(|| self.variable("DATABASE_URL")).unwrap()
    }

    /// The value of a variable that was set.
    pub fn variable(&self, name: &str) -> Option<String> {
        let mut variables = self.variables.iter();
        let found = variables.find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    }

    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(other, _)| other != name);
    }

    /// Sets a variable for the runs that follow.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a request to Cognito as an administrator would.
    pub fn cognito(&self, operation: &str, body: &serde_json::Value) -> serde_json::Value {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        request(&engines().cognito, "cognito-idp", &target, body)
    }

    /// Sends a request to DynamoDB as another program would.
    pub fn dynamodb(&self, operation: &str, body: &serde_json::Value) -> serde_json::Value {
        let target = format!("DynamoDB_20120810.{operation}");
        request(&engines().dynamodb, "dynamodb", &target, body)
    }

    /// Every item of the table in DynamoDB's own JSON. A scan has no order.
    pub fn items(&self) -> BTreeSet<String> {
        let scan = self.run(&["ddb", "scan", "--raw", "-o", "jsonl"]).exits(0);
        scan.stdout.lines().map(str::to_owned).collect()
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A run of the binary, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .env("TZ", "UTC")
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .args(["--table", &self.table])
            .args(arguments)
            .stdin(Stdio::null());
        // Under `nohup`, or as a script's background job, the tests would hand
        // that on.
        // SAFETY: makes system calls only, as is allowed after a fork.
        unsafe {
            command.pre_exec(|| {
                for ignored in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
                    libc::signal(ignored, libc::SIG_DFL);
                }
                Ok(())
            })
        };
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.finish(arguments, self.command(arguments), b"")
    }

    /// Runs the binary with this on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        self.finish(arguments, command, input)
    }

    /// Runs a command of this environment to its end, with `input` if its
    /// standard input is a pipe.
    pub fn finish(&self, arguments: &[&str], mut command: Command, input: &[u8]) -> Run {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            // The binary may refuse before it has read everything.
            let _ = stdin.write_all(input);
        }
        let output = output(child);
        Run {
            command: self.redacted(arguments.join(" ").as_bytes()),
            stdout: self.redacted(&output.stdout),
            raw_stdout: output.stdout,
            stderr: self.redacted(&output.stderr),
            status: output.status.code().unwrap_or(-1),
        }
    }

    /// What differs from run to run, replaced by its name.
    fn redacted(&self, text: &[u8]) -> String {
        let engines = engines_if_started();
        let mut text = String::from_utf8_lossy(text).into_owned();
        let mut replace = |from: &str, to: &str| {
            if !from.is_empty() {
                text = text.replace(from, to);
            }
        };
        replace(BINARY, "cruddur");
        replace(&self.table, "[TABLE]");
        replace(&self.database, "[DATABASE]");
        replace(&self.path().display().to_string(), "[FOLDER]");
        if let Some(engines) = engines {
            replace(&engines.dynamodb, "[DYNAMODB]");
            replace(&engines.cognito, "[COGNITO]");
            let server = engines.postgres.rsplit_once('/').map_or("", |(s, _)| s);
            let host = server.rsplit_once('@').map_or("", |(_, host)| host);
            replace(host, "[POSTGRESQL]");
        }
        text
    }
}

/// Asks one of AWS's services, and gives its answer back.
fn request(url: &str, service: &str, target: &str, body: &serde_json::Value) -> serde_json::Value {
    let host = url.trim_start_matches("http://");
    let version = if service == "dynamodb" { "1.0" } else { "1.1" };
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-{version}\r\n\
         X-Amz-Date: 20230101T000000Z\r\nX-Amz-Target: {target}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=a/20230101/us-east-1/{service}/\
         aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap_or_default()
}

impl Drop for TestEnvironment {
    fn drop(&mut self) {
        let drops = [
            ("AWS_ENDPOINT_URL_DYNAMODB", ["ddb", "drop", "--if-exists"]),
            ("CONNECTION_URL", ["db", "drop", "--force"]),
        ];
        for (variable, drop) in drops {
            if self.variable(variable).is_some() {
                let dropped = self.run(&drop);
                // A guard that refuses would leave it on a server that others use.
                assert!(dropped.status != 5 || std::thread::panicking(), "{dropped}");
            }
        }
    }
}

/// How a run of the binary ended.
pub struct Run {
    command: String,
    pub stdout: String,
    pub raw_stdout: Vec<u8>,
    pub stderr: String,
    pub status: i32,
}

impl Run {
    /// Asserts the exit status and gives the run back.
    #[track_caller]
    pub fn exits(self, status: i32) -> Run {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.raw_stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ cruddur {}", self.command)?;
        writeln!(f, "exit {}", self.status)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
                if !text.ends_with('\n') {
                    writeln!(f, "[no line break]")?;
                }
            }
        }
        Ok(())
    }
}

/// Compares runs with their snapshot.
#[macro_export]
macro_rules! assert_runs {
    ($name:literal, $runs:expr) => {
        let shown: Vec<String> = $runs.iter().map(ToString::to_string).collect();
        let shown = shown.join("\n");
        insta::with_settings!({filters => vec![
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", "[TIME]"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[LOCAL TIME]"),
            (r"\(os error \d+\)", "(os error)"),
            (r"\(arn:[^)]*\)", "([ARN])"),
            // Engines count the index's share, and sizes, differently.
            (r"(items?), [0-9]+ bytes", "$1, [SIZE] bytes"),
            (r"consumed [0-9.]+ (read|write)", "consumed [UNITS] $1"),
            (r#""consumed_capacity": ?[0-9.]+"#, r#""consumed_capacity": [UNITS]"#),
        ], omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!($name, shown);
        });
    };
}
