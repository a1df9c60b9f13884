//! The commands that change something: what is there after a run that met
//! faults is whole, and a run without any completes it.

use super::change::{
    Change, apply, beside_with_table, cognito_ids, database, export, import, seed, setup,
    table_exists, with_pool_of_users, with_users,
};
use super::state::{self, Group};
use super::{AT_ONCE, Faults, ending, over_seeds, succeeded};
use crate::stream::{begin_seeded, runtime, with_table};
use crate::support::TestEnvironment;

#[test]
fn creating_and_dropping_a_table() {
    let users = with_users();
    Change {
        command: &["ddb", "schema-load"],
        again: &["ddb", "schema-load"],
        prepare: Box::new(|| users.beside()),
        is_whole: Box::new(|_| ()),
        is_done: Box::new(|environment| assert!(table_exists(environment))),
        at_once: AT_ONCE,
    }
    .survives_faults();
    Change {
        command: &["ddb", "drop"],
        again: &["ddb", "drop", "--if-exists"],
        prepare: Box::new(|| beside_with_table(&users)),
        is_whole: Box::new(|_| ()),
        is_done: Box::new(|environment| assert!(!table_exists(environment))),
        at_once: AT_ONCE,
    }
    .survives_faults();
}

#[test]
fn seeding_and_importing() {
    let users = with_users();
    seed(&users).survives_faults();
    import(&users, &export(120)).survives_faults();
}

#[test]
fn moving_conversations() {
    apply(&["ddb", "stream", "drain"]).survives_faults();
    let events = concat!(env!("CARGO_MANIFEST_DIR"), "/../../seeds/events");
    let file = format!("{events}/one-message.json");
    let replay = ["ddb", "stream", "replay", &file];
    Change {
        command: &replay,
        again: &replay,
        prepare: Box::new(|| {
            let (environment, table) = runtime().block_on(with_table());
            begin_seeded(&table);
            environment
        }),
        is_whole: Box::new(|environment| {
            let group = Group::read(environment);
            group.is_whole();
            assert_eq!(group.items.len(), 2, "{:#?}", group.items);
        }),
        is_done: Box::new(|environment| {
            let items = Group::read(environment).items;
            let text = "Zathras is used to being beast of burden.";
            assert!(items.iter().all(|item| item["message"] == text));
        }),
        at_once: AT_ONCE,
    }
    .survives_faults();
}

#[test]
fn making_a_database() {
    Change {
        is_done: Box::new(|environment| assert!(state::database_exists(environment))),
        ..database(&["db", "create"], TestEnvironment::new)
    }
    .survives_faults();
    let created = || {
        let environment = TestEnvironment::new();
        environment.run(&["db", "create"]).exits(0);
        environment
    };
    Change {
        is_done: Box::new(|environment| assert!(!state::database_exists(environment))),
        ..database(&["db", "drop"], created)
    }
    .survives_faults();
    database(&["db", "setup"], TestEnvironment::new).survives_faults();
}

/// In one database, since making one takes longer than all else.
#[test]
fn filling_a_database() {
    let users = with_users();
    let after = |sql| {
        let users = &users;
        move || {
            state::execute(users, sql);
            users.beside()
        }
    };
    Change {
        is_done: Box::new(|environment| assert_eq!(state::tables(environment).len(), 2)),
        at_once: 1,
        ..database(
            &["db", "schema-load"],
            after("drop table public.activities, public.users"),
        )
    }
    .survives_faults();
    users.run(&["db", "schema-load"]).exits(0);
    Change {
        at_once: 1,
        ..database(
            &["db", "seed"],
            after("truncate public.activities, public.users"),
        )
    }
    .survives_faults();
}

#[test]
fn setting_up_and_taking_ids() {
    let pool = with_pool_of_users();
    cognito_ids(&pool).survives_faults();
    setup(&pool).survives_faults();
}

/// Not part of [`Change`]: what is written a second time is another message.
#[test]
fn writing_messages() {
    let users = with_users();
    let begin = [
        "ddb",
        "patterns",
        "create-message-group",
        "--handle",
        "andrewbrown",
    ];
    let begin = [&begin[..], &["--with", "bayko", "first"]].concat();
    over_seeds("ddb patterns create-message-group", |faults: &Faults| {
        let environment = beside_with_table(&users);
        let run = faults.run(&environment, &begin);
        let written = Group::read(&environment);
        written.is_whole();
        let exists = !written.messages.is_empty();
        assert!(exists || !succeeded(&run), "{run}");
        // A second run is told that there is such a group.
        environment.run(&begin).exits(i32::from(exists));
        Group::read(&environment).is_complete(1);
        ending(&run)
    });
    let environment = beside_with_table(&users);
    environment.run(&begin).exits(0);
    let group = Group::read(&environment).items[0]["message_group_uuid"].clone();
    let write = ["ddb", "patterns", "create-message", "--handle", "bayko"];
    let write = [
        &write[..],
        &["--message-group-uuid", group.as_str().unwrap()],
    ]
    .concat();
    let number = std::sync::atomic::AtomicUsize::new(0);
    over_seeds("ddb patterns create-message", |faults: &Faults| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let text = format!("message {number}");
        let run = faults.run(&environment, &[&write[..], &[&text]].concat());
        let messages = Group::read(&environment).messages;
        let written = messages.iter().filter(|m| m["message"] == text.as_str());
        let expected = if succeeded(&run) { 1..=1 } else { 0..=1 };
        assert!(expected.contains(&written.count()), "{run}");
        ending(&run)
    });
}
