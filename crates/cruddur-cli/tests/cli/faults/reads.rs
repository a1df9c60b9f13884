//! The commands that change nothing: what they show with faults is what they
//! show without.

use super::change::with_pool_of_users;
use super::{ending, over_seeds, succeeded};
use crate::support::{Run, TestEnvironment};

/// A command, and what of its output is the same each time.
type Read = (&'static [&'static str], fn(&Run) -> Vec<String>);

const READS: [Read; 9] = [
    (&["ddb", "list-tables"], own_table),
    (&["ddb", "scan", "--raw", "-o", "jsonl"], lines_in_order),
    (
        &["ddb", "patterns", "get-conversation", "--limit", "1000"],
        lines,
    ),
    (&["ddb", "patterns", "list-conversations"], lines),
    (&["db", "users"], lines),
    (&["db", "sessions"], nothing),
    (&["cognito", "list-users"], lines),
    (&["cognito", "list-users", "--map"], lines),
    (&["wait", "--timeout", "5"], nothing),
];

fn lines(run: &Run) -> Vec<String> {
    run.stdout.lines().map(str::to_owned).collect()
}

fn lines_in_order(run: &Run) -> Vec<String> {
    let mut lines = lines(run);
    lines.sort();
    lines
}

/// Other tests have tables, too.
fn own_table(run: &Run) -> Vec<String> {
    let mut lines = lines(run);
    lines.retain(|line| line.contains("[TABLE]"));
    lines
}

fn nothing(_: &Run) -> Vec<String> {
    Vec::new()
}

fn with_everything() -> TestEnvironment {
    let environment = with_pool_of_users();
    environment.run(&["setup"]).exits(0);
    environment
}

#[test]
fn reading() {
    let environment = with_everything();
    // A list that ends too soon must lack one of them.
    let tables = ["-2", "-3"].map(|end| format!("{}{end}", environment.table));
    for table in &tables {
        environment
            .run(&["ddb", "schema-load", "--table", table])
            .exits(0);
    }
    for (command, shown) in READS {
        let expected = shown(&environment.run(command).exits(0));
        over_seeds(&command.join(" "), |faults| {
            let run = faults.run(&environment, command);
            if succeeded(&run) {
                assert_eq!(shown(&run), expected, "{run}");
            }
            ending(&run)
        });
    }
    for table in &tables {
        environment.run(&["ddb", "drop", "--table", table]).exits(0);
    }
}

/// It fails by what it shows, and shows every check however the others went.
#[test]
fn checking() {
    let environment = with_everything();
    let command = ["doctor", "-o", "json"];
    let checks = |run: &Run| {
        let checks = run.json();
        let checks = checks.as_array().unwrap().clone();
        let mut names: Vec<String> = checks.iter().map(|c| c["name"].to_string()).collect();
        names.sort();
        (names, checks)
    };
    let (expected, _) = checks(&environment.run(&command));
    over_seeds("doctor", |faults| {
        let run = faults.run(&environment, &command);
        let (names, checks) = checks(&run);
        assert_eq!(names, expected, "{run}");
        let problem = checks.iter().any(|check| check["verdict"] == "problem");
        assert_eq!(problem, [1, 4].contains(&run.status), "{run}");
        ending(&run)
    });
}
