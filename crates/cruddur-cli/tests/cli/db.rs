//! The commands of the database.

use std::os::unix::fs::PermissionsExt as _;

use crate::assert_runs;
use crate::support::TestEnvironment;

#[test]
fn from_nothing_to_users_and_back() {
    let environment = TestEnvironment::new();
    assert_runs!(
        "db_lifecycle",
        [
            environment.run(&["db", "users"]),
            environment.run(&["db", "create", "--dry-run"]),
            environment.run(&["db", "create"]),
            environment.run(&["db", "create"]),
            environment.run(&["db", "users"]),
            environment.run(&["db", "seed"]),
            environment.run(&["db", "schema-load", "--dry-run"]),
            environment.run(&["db", "schema-load"]),
            environment.run(&["db", "schema-load", "-o", "jsonl"]),
            environment.run(&["db", "users"]),
            environment.run(&["db", "seed", "--dry-run"]),
            environment.run(&["db", "seed"]),
            environment.run(&["db", "seed"]),
            environment.run(&["db", "users", "bayco"]),
            environment.run(&["db", "users", "o'brien"]),
            environment.run(&["db", "sessions"]),
            environment.run(&["db", "update-cognito-user-ids"]),
            environment.run(&["db", "drop", "--dry-run"]),
            environment.run(&["db", "drop"]),
            environment.run(&["db", "drop"]),
        ]
    );
}

#[test]
fn setup_tells_each_step_and_its_time_and_may_be_run_again() {
    let environment = TestEnvironment::new();
    for dropped in ["was not there", "dropped"] {
        let run = environment.run(&["db", "setup"]).exits(0);
        let steps: Vec<&str> = run
            .stderr
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(
            steps,
            [
                "drop",
                "create",
                "schema-load",
                "seed",
                "update-cognito-user-ids"
            ],
            "{run}"
        );
        assert!(run.stderr.contains(dropped), "{run}");
        assert!(run.stderr.contains("skipped"), "{run}");
    }
    let users = environment.run(&["db", "users", "-o", "json"]).json();
    assert_eq!(users.as_array().map(Vec::len), Some(3));
    assert_eq!(users[0]["cognito_user_id"], "MOCK");
}

#[test]
fn a_file_of_ones_own_is_told_with_its_line() {
    let environment = TestEnvironment::new();
    environment.run(&["db", "create"]).exits(0);
    environment.write("bad.sql", "create table a (b int);\n\nselec 1;\n");
    environment.write("meta.sql", "\\c other\n");
    environment.write("latin.sql", b"select 1;\nselect '\xe9';\n");
    assert_runs!(
        "db_files",
        [
            environment.run(&["db", "schema-load", "--file", "bad.sql"]),
            environment.run(&["db", "seed", "--file", "meta.sql"]),
            environment.run(&["db", "seed", "--file", "latin.sql"]),
            environment.run(&["db", "seed", "--file", "missing.sql"]),
            environment.run_with_input(&["db", "seed", "--file", "-"], b"select 1/0"),
        ]
    );
}

#[test]
fn a_lock_that_another_session_keeps_leads_to_the_sessions() {
    let environment = TestEnvironment::new();
    environment.run(&["db", "create"]).exits(0);
    // As the server answers after `lock_timeout`.
    let locked = b"\ndo $$ begin raise sqlstate '55P03' using message = 'too long'; end $$";
    let run = environment.run_with_input(&["db", "seed", "--file", "-"], locked);
    let run = run.exits(1);
    let lock = "a lock that -:2 needs, so nothing was changed (too long)";
    assert!(run.stderr.contains(lock), "{run}");
    assert!(run.stderr.contains("`cruddur db sessions"), "{run}");
}

#[test]
fn production_asks_for_the_name_of_the_database() {
    let mut environment = TestEnvironment::new();
    let url = environment.variables[0].1.clone();
    environment.set("PROD_CONNECTION_URL", &format!("{url}?sslmode=prefer"));
    environment.run(&["--prod", "db", "create"]).exits(0);
    environment.run(&["--prod", "db", "schema-load"]).exits(0);
    assert_runs!(
        "db_production",
        [
            environment.run(&["db", "drop", "--force"]),
            environment.run(&["db", "setup"]),
            environment.run(&["--prod", "db", "drop"]),
            environment.run(&["--prod", "db", "drop", "--confirm", "cruddur"]),
            environment.run(&["--prod", "db", "setup", "--force"]),
        ]
    );
    let name = environment.database.clone();
    environment
        .run(&["--prod", "db", "drop", "--confirm", &name])
        .exits(0);
}

#[test]
fn what_cannot_be_reached() {
    let mut environment = TestEnvironment::bare();
    let missing = environment.run(&["--prod", "db", "users"]);
    let mut with = |url: &str| {
        environment.set("CONNECTION_URL", url);
        let run = environment.run(&["db", "users"]);
        environment.variables.clear();
        run
    };
    assert_runs!(
        "db_unreachable",
        [
            missing,
            with("postgresql://u:secret@127.0.0.1:1/d"),
            with("postgresql://u:se@cret@127.0.0.1:1/d"),
            with("postgresql://u:secret@127.0.0.1:port/d"),
            with("postgresql://u:secret@db.rds.amazonaws.com/d"),
        ]
    );
}

#[test]
fn a_password_from_libpqs_file() {
    let environment = TestEnvironment::new();
    let url = environment.variables[0].1.clone();
    environment.run(&["db", "create"]).exits(0);
    let (_, rest) = url.split_once('@').unwrap();
    let role = format!("file_{}", &environment.database[5..]);
    let create = format!("create role {role} login password 'file:d'");
    let sql = |sql: &str| {
        environment
            .run_with_input(&["db", "seed", "--file", "-"], sql.as_bytes())
            .exits(0);
    };
    sql(&create);
    let file = environment.write(
        ".pgpass",
        format!(
            "# ours\nelsewhere:*:*:*:no\n*:*:{}:{role}:file\\:d\n",
            environment.database
        ),
    );
    let mode = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = environment.command(arguments);
        command
            .env("CONNECTION_URL", format!("postgresql://{role}@{rest}"))
            .env("PGPASSFILE", &file)
            .envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    mode(0o600);
    let (status, text) = run(&["db", "sessions"], &[]);
    assert_eq!(status, Some(0), "{text}");
    let (_, text) = run(&["target"], &[]);
    assert!(text.contains(".pgpass:3"), "{text}");
    let (status, text) = run(&["target"], &[("PGPASSWORD", "other")]);
    assert!(status == Some(0) && !text.contains(".pgpass"), "{text}");
    mode(0o640);
    let (_, text) = run(&["db", "sessions"], &[]);
    assert!(
        text.contains("is ignored") && text.contains("chmod 600"),
        "{text}"
    );
    // In the home folder, where no variable names another.
    mode(0o600);
    std::fs::rename(&file, environment.path().join("home/.pgpass")).unwrap();
    let (_, text) = run(&["target"], &[("PGPASSFILE", "")]);
    assert!(text.contains("home/.pgpass:3"), "{text}");
    sql(&format!("drop role {role}"));
}

#[test]
fn a_name_that_is_confirmed_has_to_be_the_right_one_everywhere() {
    let environment = TestEnvironment::new();
    environment.run(&["db", "create"]).exits(0);
    let wrong = ["db", "drop", "--confirm", "another"];
    let run = environment.run(&wrong).exits(5);
    assert!(run.stderr.contains("nothing was changed"), "{run}");
    environment.run(&["db", "seed"]).exits(6);
    environment.run(&["db", "drop"]).exits(0);
}

#[test]
fn connect_keeps_the_password_out_of_the_arguments() {
    let mut environment = TestEnvironment::bare();
    environment.set("CONNECTION_URL", "postgresql://u:se%20cret@127.0.0.1:1/d");
    let psql = environment.write(
        "psql",
        "#!/bin/sh\nfor a; do echo \"<$a>\"; done\necho \"$PGPASSWORD\"\n\
         if [ \"$PGSSLROOTCERT\" ]; then cat \"$PGSSLROOTCERT\"; fi\n",
    );
    std::fs::set_permissions(&psql, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |environment: &TestEnvironment, path: &str, arguments: &[&str]| {
        let mut command = environment.command(arguments);
        command.env("PATH", path).output().unwrap()
    };
    let path = format!("{}:/bin", environment.path().display());
    let found = run(
        &environment,
        &path,
        &["db", "connect", "--", "-c", "select 1"],
    );
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "<--dbname=host='127.0.0.1' port='1' sslmode='prefer' user='u' dbname='d'>\n\
         <-c>\n<select 1>\nse cret\n"
    );
    // psql knows nothing of Amazon's authorities, so it is handed them in a file.
    let rds = run(
        &environment,
        &path,
        &["db", "connect", "--sslrootcert", "rds"],
    );
    let told = String::from_utf8_lossy(&rds.stdout);
    let (arguments, handed) = told.split_once("se cret\n").expect(&told);
    assert!(arguments.contains("sslmode='verify-full'"), "{arguments}");
    assert!(!arguments.contains("sslrootcert"), "{arguments}");
    assert_eq!(handed, cruddur_core::db::RDS_CERTIFICATES);
    // Only the URL says which server that is, and how it is to be spoken to.
    environment.write("psql", "#!/bin/sh\necho \"$*\"\nenv | grep ^PG | sort\n");
    for (name, value) in [
        ("PGHOSTADDR", "127.0.0.2"),
        ("PGSERVICE", "elsewhere"),
        ("PGGSSENCMODE", "require"),
        ("PGTARGETSESSIONATTRS", "standby"),
        ("PGSSLMODE", "require"),
        ("PGCHANNELBINDING", "disable"),
        ("PGTZ", "UTC"),
    ] {
        environment.set(name, value);
    }
    let elsewhere = run(
        &environment,
        &format!("{path}:/usr/bin"),
        &["db", "connect"],
    );
    assert_eq!(
        String::from_utf8_lossy(&elsewhere.stdout),
        "--dbname=host='127.0.0.1' port='1' sslmode='require' user='u' dbname='d' \
         channel_binding='disable'\nPGDATABASE=d\nPGHOST=127.0.0.1\nPGPASSWORD=se cret\n\
         PGPORT=1\nPGSSLMODE=require\nPGTZ=UTC\nPGUSER=u\n"
    );
    let missing = run(&environment, "/none", &["db", "connect"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("apt install postgresql-client"));
    environment.variables.clear();
}

#[test]
fn a_wrong_password_is_looked_for_where_it_comes_from() {
    let environment = TestEnvironment::new();
    let url = environment.connection_url();
    let (_, server) = url.rsplit_once('@').unwrap();
    let mut stranger = environment.beside();
    stranger.set(
        "DATABASE_URL",
        &format!("postgresql://nobody:wrong@{server}"),
    );
    let refused = stranger.run(&["db", "users"]).exits(4);
    let hint = "`cruddur target --table [TABLE]` shows where they come from";
    assert!(refused.stderr.contains(hint), "{refused}");
    stranger.variables.clear();
}
