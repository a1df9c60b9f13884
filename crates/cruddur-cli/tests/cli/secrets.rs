//! Nothing that is planted as a secret comes out of any command.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{self, BINARY, TestEnvironment, engines};

const PASSWORD: &str = "pLaNtEdPaSsWoRd";
const KEY: &str = "pLaNtEdSeCrEtKeY";
const TOKEN: &str = "pLaNtEdToKeN";

/// Every command but those of the local stack, which has secrets of its own
/// making; the order is one in which most of it goes well.
const COMMANDS: &[&[&str]] = &[
    &["target"],
    &["wait", "--timeout", "1"],
    &["completions", "bash"],
    &["db", "create"],
    &["db", "schema-load"],
    &["db", "seed"],
    &["db", "sessions"],
    &["db", "users"],
    &["db", "connect", "--", "-c", "select 1"],
    &["db", "update-cognito-user-ids"],
    &["cognito", "list-users"],
    &["ddb", "schema-load"],
    &["ddb", "list-tables"],
    &["ddb", "seed"],
    &["ddb", "scan"],
    &["ddb", "import", "nothing.jsonl"],
    &["ddb", "patterns", "get-conversation"],
    &["ddb", "patterns", "list-conversations"],
    &[
        "ddb",
        "patterns",
        "create-message",
        "--handle",
        "bayko",
        "Hello",
    ],
    &[
        "ddb",
        "patterns",
        "create-message-group",
        "--handle",
        "bayko",
        "--with",
        "londo",
        "Hello",
    ],
    &["ddb", "stream", "drain"],
    &["ddb", "stream", "tail"],
    &["ddb", "stream", "apply"],
    &["ddb", "stream", "replay", "event.json"],
    &["setup"],
    &["doctor"],
    &["ddb", "drop"],
    &["db", "setup"],
    &["db", "drop"],
];

const LOCAL: &[&[&str]] = &[
    &["local", "up", "--detach", "--free-ports"],
    &["local", "reset", "--yes", "--seed"],
    &["local", "status"],
    &["local", "env"],
    &["local", "logs"],
    &["local", "exec", "--", "true"],
    &[
        "local",
        "users",
        "add",
        "lennier",
        "--email",
        "l@example.com",
    ],
    &["local", "snapshot", "save", "known"],
    &["local", "snapshot", "list"],
    &["local", "snapshot", "restore", "known", "-y"],
    &["local", "snapshot", "delete", "known", "--yes"],
    &["local", "down"],
];

fn planted() -> TestEnvironment {
    let mut environment = TestEnvironment::bare();
    environment.set("AWS_REGION", "nowhere-1");
    environment.set("AWS_ACCESS_KEY_ID", "AKIAPLANTED");
    environment.set("AWS_SECRET_ACCESS_KEY", KEY);
    environment.set("AWS_SESSION_TOKEN", TOKEN);
    environment.set("AWS_EC2_METADATA_DISABLED", "true");
    environment.write("nothing.jsonl", "");
    environment.write("event.json", "{\"Records\":[]}");
    environment
}

/// Ends the command, if it does not end by itself, as Ctrl-C would.
fn told(mut command: Command, patience: Duration) -> (Option<i32>, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let id = i32::try_from(child.id()).unwrap();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > patience {
            // SAFETY: the child has not been waited for, so the number is its own.
            unsafe { libc::kill(id, libc::SIGINT) };
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = support::output(child);
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn holds_a_secret(text: &str) -> bool {
    // Hosts are shown in small letters.
    let text = text.to_ascii_lowercase();
    [PASSWORD, KEY, TOKEN]
        .iter()
        .any(|secret| text.contains(&secret.to_ascii_lowercase()))
}

/// How many of the commands ended well; none may have said a secret.
fn assert_silent(environment: &TestEnvironment, flags: &[&str], commands: &[&[&str]]) -> usize {
    let ended_well = |command: &&&[&str]| says_nothing(environment, flags, command);
    let well = commands.iter().filter(ended_well).count();
    assert_files(environment.path());
    well
}

/// The same of commands that do not depend on each other, all at once.
fn assert_all_silent(environment: &TestEnvironment, flags: &[&str], commands: &[&[&str]]) {
    std::thread::scope(|scope| {
        for command in commands {
            scope.spawn(move || says_nothing(environment, flags, command));
        }
    });
    assert_files(environment.path());
}

fn says_nothing(environment: &TestEnvironment, flags: &[&str], command: &[&str]) -> bool {
    let all = [&["-v"], flags, command].concat();
    let serves = command.contains(&"tail") || command.contains(&"apply");
    let patience = Duration::from_secs(if serves { 1 } else { 5 });
    let (status, text) = told(environment.command(&all), patience);
    assert!(!holds_a_secret(&text), "{all:?}: {text}");
    // A command that clap refuses has nothing to tell.
    assert!(!text.contains("try '--help'"), "{all:?}: {text}");
    status == Some(0)
}

/// A secret may only be in a file that its owner alone can read.
fn assert_files(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            assert_files(&path);
        } else if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !holds_a_secret(&String::from_utf8_lossy(&bytes)),
                "{path:?}"
            );
        }
    }
}

#[test]
fn of_servers_that_cannot_be_reached() {
    let mut environment = planted();
    let nowhere = "http://127.0.0.1:1";
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", nowhere);
    environment.set("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", nowhere);
    let url = format!("postgresql://u:{PASSWORD}@127.0.0.1:1/d");
    environment.set("CONNECTION_URL", &url);
    environment.set("PROD_CONNECTION_URL", &url);
    assert_all_silent(&environment, &[], COMMANDS);
    let flags = ["--prod", "--endpoint-url", nowhere];
    assert_all_silent(&environment, &flags, COMMANDS);
    environment.variables.clear();
}

#[test]
fn of_a_stack() {
    let mut environment = planted();
    let url = format!("postgresql://u:{PASSWORD}@127.0.0.1:1/d");
    environment.set("CONNECTION_URL", &url);
    for command in LOCAL {
        let run = environment.run(&[&["-v"], *command].concat()).exits(0);
        let told = run.to_string();
        assert!(!holds_a_secret(&told), "{run}");
        // A reset gives another one.
        let file = environment.path().join(".cruddur/postgres.password");
        let password = std::fs::read_to_string(file).unwrap();
        assert!(password.len() > 16, "{password}");
        // One command is there to hand it on.
        assert_eq!(told.contains(&password), command[1] == "env", "{run}");
        assert!(!arguments_of_all().contains(&password), "{command:?}");
    }
    assert_files(environment.path());
}

/// The arguments of every process, which every user of the machine can read.
fn arguments_of_all() -> String {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|process| std::fs::read(process.ok()?.path().join("cmdline")).ok())
        .map(|arguments| String::from_utf8_lossy(&arguments).into_owned())
        .collect()
}

#[test]
fn of_addresses_that_are_none() {
    let mut environment = planted();
    for address in [
        PASSWORD.to_owned(),
        format!("http://u:{PASSWORD}@127.0.0.1:1"),
        format!("mysql://u:{PASSWORD}@127.0.0.1:1/d"),
        format!("postgresql://u:{PASSWORD}@x@127.0.0.1:1/d"),
        format!("postgresql://u:x@{PASSWORD}@127.0.0.1:1/d"),
        format!("postgresql://u:{PASSWORD}/x@127.0.0.1:1/d"),
        format!("postgresql://u:{PASSWORD}?@127.0.0.1:1/d"),
        format!("postgresql://127.0.0.1:1/d?password={PASSWORD}&sslmode=odd"),
    ] {
        environment.set("CONNECTION_URL", &address);
        environment.set("PROD_CONNECTION_URL", &address);
        if address.contains('@') {
            environment.set("AWS_ENDPOINT_URL_DYNAMODB", &address);
            environment.set("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", &address);
        }
        let commands: &[&[&str]] = &[
            &["target"],
            &["doctor"],
            &["db", "users"],
            &["ddb", "list-tables"],
            &["cognito", "list-users"],
        ];
        assert_silent(&environment, &[], commands);
        let address = if address.contains('@') { &address } else { "x" };
        let flags = ["--prod", "--endpoint-url", address];
        assert_silent(&environment, &flags, &commands[..4]);
    }
    environment.variables.clear();
}

#[test]
fn of_servers_that_answer() {
    let admin = TestEnvironment::new();
    admin.run(&["db", "create"]).exits(0);
    let role = format!("planted_{}", &admin.database[5..]);
    let sql = format!("create role {role} superuser login password '{PASSWORD}'");
    admin
        .run_with_input(&["db", "seed", "--file", "-"], sql.as_bytes())
        .exits(0);

    let mut environment = planted();
    let engines = engines();
    let (_, address) = engines.postgres.rsplit_once('@').unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let database = environment.database.clone();
    let url = format!("postgresql://{role}:{PASSWORD}@{address}/{database}?sslmode=prefer");
    environment.set("AWS_ENDPOINT_URL_DYNAMODB", &engines.dynamodb);
    environment.set(
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        &engines.cognito,
    );
    environment.set("CONNECTION_URL", &url);
    let well = assert_silent(&environment, &[], COMMANDS);
    assert!(well > COMMANDS.len() / 2, "only {well} went well");
    // With --prod, and the password in libpq's variable.
    environment.set(
        "PROD_CONNECTION_URL",
        &url.replace(&format!(":{PASSWORD}"), ""),
    );
    environment.set("PGPASSWORD", PASSWORD);
    let flags = ["--prod", "--endpoint-url", &engines.dynamodb];
    let well = assert_silent(&environment, &flags, COMMANDS);
    assert!(well > COMMANDS.len() / 3, "only {well} went well");
    // A wrong password.
    environment.set("PGPASSWORD", &format!("{PASSWORD}x"));
    assert_silent(
        &environment,
        &["--prod"],
        &[&["db", "users"], &["doctor"], &["target"]],
    );
    for name in ["PROD_CONNECTION_URL", "PGPASSWORD"] {
        environment.variables.retain(|(other, _)| other != name);
    }
    let drop = [
        "--prod",
        "--endpoint-url",
        &engines.dynamodb,
        "ddb",
        "drop",
        "--if-exists",
    ];
    environment.run(&[&drop[..], &["--confirm", &environment.table]].concat());
    environment.set("PROD_CONNECTION_URL", &url);
    environment.run(&["--prod", "db", "drop", "--force", "--confirm", &database]);
    let sql = format!("drop role {role}");
    admin
        .run_with_input(&["db", "seed", "--file", "-"], sql.as_bytes())
        .exits(0);
    environment.variables.clear();
}

/// A new command has to be added above.
#[test]
fn no_command_is_left_out() {
    let mut leaves = Vec::new();
    collect(&[], &mut leaves);
    let above = [COMMANDS, LOCAL].concat();
    for leaf in &leaves {
        let covered = above.iter().any(|command| {
            command.starts_with(&leaf.iter().map(String::as_str).collect::<Vec<_>>())
        });
        assert!(covered, "{leaf:?}");
    }
}

fn collect(path: &[String], leaves: &mut Vec<Vec<String>>) {
    let mut help = Command::new(BINARY);
    let help = help.args(path).arg("-h").env_clear().output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    if commands.is_empty() {
        leaves.push(path.to_vec());
    }
    for command in commands {
        collect(&[path, &[command.to_owned()]].concat(), leaves);
    }
}
