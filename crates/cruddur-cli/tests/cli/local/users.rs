//! `local users add`.

use super::Folder;
use super::folder::piped;
use crate::support;

#[test]
fn a_user_is_added_where_it_is_missing() {
    let mut folder = Folder::new();
    folder.up();
    let add = ["local", "users", "add", "ann", "--email", "ann@example.com"];
    // Whatever the environment names, it is about the stack.
    let mut command = folder.environment.command(&add);
    command.env("CONNECTION_URL", "postgresql://127.0.0.1:1/other");
    let none = folder.environment.finish(&add, command, b"").exits(6);
    let mend = "`cruddur local exec -- cruddur setup`";
    assert!(none.stderr.contains(mend), "{none}");
    folder.run(&["setup"]).exits(0);
    for (handle, email) in [(" ", "a@b"), ("@@x", "a@b"), ("a\nb", "a@b"), ("ann", "a@")] {
        let wrong = ["local", "users", "add", handle, "--email", email];
        folder.run(&wrong).exits(2);
    }
    let dry = [&add[..], &["--dry-run"]].concat();
    for _ in 0..2 {
        let would = folder.run(&dry).exits(0);
        assert!(would.stdout.contains("would add ann to"), "{would}");
    }
    let added = folder.run(&add).exits(0);
    assert!(added.stdout.contains("Cognito and PostgreSQL"), "{added}");
    for again in [&add[..], &dry] {
        let again = folder.run(again).exits(0);
        assert!(again.stdout.contains("ann is there already"), "{again}");
    }
    // It sees to one user's id, and leaves the others to those who changed them.
    let changed =
        "update public.users set cognito_user_id = 'mine' where handle in ('ann', 'bayko')";
    folder.environment.write("ids.sql", changed);
    folder.run(&["db", "seed", "--file", "ids.sql"]).exits(0);
    let would = folder.run(&dry).exits(0);
    assert!(
        would.stdout.contains("would give ann the pool's id"),
        "{would}"
    );
    let given = folder.run(&add).exits(0);
    assert!(given.stdout.contains("ann has the pool's id"), "{given}");
    for (handle, own) in [("ann", false), ("bayko", true)] {
        let user = folder.run(&["db", "users", handle, "-o", "json"]).exits(0);
        assert_eq!(user.stdout.contains("\"mine\""), own, "{user}");
    }
}

#[test]
fn a_user_who_cannot_be_added_to_both_is_told_of() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["setup"]).exits(0);
    let add = ["local", "users", "add", "ann", "--email", "ann@example.com"];
    folder.run(&add).exits(0);
    let other = ["local", "users", "add", "ann", "--email", "a@example.com"];
    folder.run(&other).exits(1);
    let taken = [
        "local",
        "users",
        "add",
        "bob",
        "--email",
        "ann@example.com",
        "--dry-run",
    ];
    for taken in [&taken[..6], &taken] {
        let taken = folder.run(taken).exits(1);
        assert!(
            taken.stderr.contains("is the address of the user ann"),
            "{taken}"
        );
    }
    // What is written to one of the two only is said.
    let alter = |what: &str| {
        let alter = format!("alter table public.users {what}");
        folder.environment.write("alter.sql", alter);
        folder.run(&["db", "seed", "--file", "alter.sql"]).exits(0);
    };
    let bob = ["local", "users", "add", "bob", "--email", "bob@example.com"];
    alter("add constraint no_bob check (handle <> 'bob')");
    let half = folder.run(&bob).exits(3);
    assert!(
        half.stderr.contains("was added to Cognito, and not"),
        "{half}"
    );
    alter("drop constraint no_bob");
    let rest = folder.run(&bob).exits(0);
    assert!(rest.stdout.contains("Cognito had it already"), "{rest}");
}

#[test]
fn ten_who_add_the_same_user_at_once_add_one() {
    let mut folder = Folder::new();
    folder.up();
    folder.run(&["setup"]).exits(0);
    let add = ["local", "users", "add", "ten", "--email", "ten@example.com"];
    let adding: Vec<_> = (0..10)
        .map(|_| piped(folder.environment.command(&add)))
        .collect();
    for child in adding {
        let output = support::output(child);
        assert!(output.status.success(), "{output:?}");
    }
    let users = folder.run(&["db", "users", "ten", "-o", "json"]).exits(0);
    let id = users.json()[0]["cognito_user_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let there = folder.run(&["cognito", "list-users"]).exits(0);
    assert!(there.stdout.contains(&id), "{there}");
}
