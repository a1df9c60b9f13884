//! The commands that change something, and what tells whether it is whole.

use std::collections::BTreeSet;

use cruddur_core::ddb::schema::SchemaOptions;

use super::state::{self, Group};
use super::{AT_ONCE, ending, over_seeds_at_once, succeeded};
use crate::setup::{add_user, with_pool};
use crate::stream::{self, begin, runtime, with_table};
use crate::support::TestEnvironment;

type Check<'a> = Box<dyn Fn(&TestEnvironment) + Sync + 'a>;

/// A command and what it changes.
pub struct Change<'a> {
    pub command: &'a [&'a str],
    /// What completes it.
    pub again: &'a [&'a str],
    /// Surroundings in which there is something to do.
    pub prepare: Box<dyn Fn() -> TestEnvironment + Sync + 'a>,
    /// Holds however it ended.
    pub is_whole: Check<'a>,
    /// Holds when it succeeded.
    pub is_done: Check<'a>,
    /// How many runs do not get in each other's way.
    pub at_once: usize,
}

impl Change<'_> {
    pub fn survives_faults(&self) {
        over_seeds_at_once(self.at_once, &self.command.join(" "), |faults| {
            let environment = (self.prepare)();
            let run = faults.run(&environment, self.command);
            self.ended(&environment, succeeded(&run));
            ending(&run)
        });
    }

    /// Checks what is there after a run, and again after another one.
    pub fn ended(&self, environment: &TestEnvironment, well: bool) {
        (self.is_whole)(environment);
        if well {
            (self.is_done)(environment);
        }
        environment.run(self.again).exits(0);
        (self.is_done)(environment);
    }
}

/// The seed users, in a database that several tables can stand beside.
pub fn with_users() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.run(&["db", "setup"]).exits(0);
    environment
}

pub fn beside_with_table(users: &TestEnvironment) -> TestEnvironment {
    let environment = users.beside();
    runtime().block_on(async {
        let table = stream::connect(&environment).await;
        table.load_schema(&SchemaOptions::default()).await.unwrap();
    });
    environment
}

/// Conversations whose items know nothing of their newest messages yet.
fn with_news() -> TestEnvironment {
    runtime().block_on(async {
        let (environment, table) = with_table().await;
        for other in ["bayko", "londo", "worf"] {
            let group = begin(&table, ["andrewbrown", other], "first").await;
            for text in ["second", "third"] {
                let (uuid, sender) = (&group.message.message_group_uuid, &group.message.sender);
                let now = chrono::Utc::now();
                table.create_message(uuid, sender, text, now).await.unwrap();
            }
        }
        environment
    })
}

fn each_of_three(environment: &TestEnvironment, check: impl FnMut(&Group)) {
    let groups = Group::each(environment);
    assert_eq!(groups.len(), 3);
    groups.iter().for_each(check);
}

/// Moves conversations to their newest messages.
pub fn apply<'a>(command: &'a [&'a str]) -> Change<'a> {
    Change {
        command,
        again: &["ddb", "stream", "drain"],
        prepare: Box::new(with_news),
        is_whole: Box::new(|environment| {
            each_of_three(environment, |group| {
                group.is_whole();
                assert_eq!((group.items.len(), group.messages.len()), (2, 3));
            });
        }),
        is_done: Box::new(|environment| {
            each_of_three(environment, |group| group.is_complete(3));
        }),
        at_once: AT_ONCE,
    }
}

pub fn seed(users: &TestEnvironment) -> Change<'_> {
    Change {
        command: &["ddb", "seed"],
        again: &["ddb", "seed"],
        prepare: Box::new(|| beside_with_table(users)),
        is_whole: Box::new(|environment| Group::read(environment).is_whole()),
        is_done: Box::new(|environment| {
            Group::read(environment).is_complete(state::seeded_messages());
        }),
        at_once: AT_ONCE,
    }
}

/// A file of items of all kinds, each line as a scan prints it.
pub fn export(items: usize) -> BTreeSet<String> {
    let line = |number| {
        format!(
            r#"{{"pk":{{"S":"item {number}"}},"sk":{{"S":"{}"}},"value":{{"L":[{{"N":"{number}"}},{{"NULL":true}}]}}}}"#,
            "x".repeat(number % 50 + 1)
        )
    };
    (0..items).map(line).collect()
}

pub fn import<'a>(users: &'a TestEnvironment, lines: &'a BTreeSet<String>) -> Change<'a> {
    Change {
        command: &["ddb", "import", "items.jsonl"],
        again: &["ddb", "import", "items.jsonl"],
        prepare: Box::new(|| {
            let environment = beside_with_table(users);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            environment.write("items.jsonl", lines.join("\n"));
            environment
        }),
        is_whole: Box::new(|environment| assert!(environment.items().is_subset(lines))),
        is_done: Box::new(|environment| assert!(environment.items() == *lines)),
        at_once: AT_ONCE,
    }
}

/// A pool that knows two of the seed users, and many others.
pub fn with_pool_of_users() -> TestEnvironment {
    let (environment, pool) = with_pool();
    for number in 0..7 {
        let handle = format!("handle-{number}");
        add_user(&environment, &pool, &handle, Some(&handle));
    }
    for handle in ["bayko", "andrewbrown"] {
        add_user(&environment, &pool, handle, Some(handle));
    }
    environment
}

/// All of the three users have the id they should have, or none has.
fn has_ids_or_mocks(environment: &TestEnvironment) -> bool {
    let ids = state::cognito_ids(environment);
    let mocks = ids.iter().filter(|id| id.ends_with(" MOCK")).count();
    assert!(mocks == 1 || mocks == 3, "{ids:?}");
    mocks == 1
}

/// Each run begins with the ids that the seed gives, in one database.
pub fn cognito_ids(pool: &TestEnvironment) -> Change<'_> {
    for step in ["create", "schema-load", "seed"] {
        pool.run(&["db", step]).exits(0);
    }
    Change {
        command: &["db", "update-cognito-user-ids"],
        again: &["db", "update-cognito-user-ids"],
        prepare: Box::new(|| {
            let environment = pool.beside();
            state::execute(
                &environment,
                "update public.users set cognito_user_id = 'MOCK'",
            );
            environment
        }),
        is_whole: Box::new(|environment| {
            has_ids_or_mocks(environment);
        }),
        is_done: Box::new(|environment| assert!(has_ids_or_mocks(environment))),
        at_once: 1,
    }
}

fn with_same_pool(pool: &TestEnvironment) -> TestEnvironment {
    let mut environment = TestEnvironment::new();
    let variable = "AWS_COGNITO_USER_POOL_ID";
    environment.set(variable, &pool.variable(variable).unwrap());
    environment
}

pub fn setup(pool: &TestEnvironment) -> Change<'_> {
    Change {
        // It has to end where the servers are gone for good.
        command: &["setup", "--timeout", "1"],
        again: &["setup"],
        prepare: Box::new(|| with_same_pool(pool)),
        is_whole: Box::new(|environment| {
            if state::database_exists(environment) {
                rows_are_whole(environment);
            }
            if table_exists(environment) {
                Group::read(environment).is_whole();
            }
        }),
        is_done: Box::new(|environment| {
            assert_eq!(state::rows(environment).len(), 4);
            assert!(has_ids_or_mocks(environment));
            Group::read(environment).is_complete(state::seeded_messages());
        }),
        at_once: AT_ONCE,
    }
}

pub fn table_exists(environment: &TestEnvironment) -> bool {
    let tables = environment.run(&["ddb", "list-tables"]).exits(0);
    tables.stdout.contains("[TABLE]")
}

/// The schema is there or not, and so are the three users with their activity.
fn rows_are_whole(environment: &TestEnvironment) {
    let tables = state::tables(environment);
    if tables.is_empty() {
        return;
    }
    assert_eq!(tables, ["activities", "users"]);
    let rows = state::rows(environment);
    assert!(rows.is_empty() || rows.len() == 4, "{rows:?}");
}

pub fn database<'a>(
    command: &'a [&'a str],
    prepare: impl Fn() -> TestEnvironment + Sync + 'a,
) -> Change<'a> {
    Change {
        command,
        again: command,
        prepare: Box::new(prepare),
        is_whole: Box::new(|environment| {
            if state::database_exists(environment) {
                rows_are_whole(environment);
            }
        }),
        is_done: Box::new(|environment| assert_eq!(state::rows(environment).len(), 4)),
        at_once: AT_ONCE,
    }
}
