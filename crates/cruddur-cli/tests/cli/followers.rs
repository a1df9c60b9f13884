//! Several followers of one stream at once.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::messages::NewGroup;
use cruddur_core::time::to_key;

use crate::stream::{begin, interrupt, items, runtime, with_table};
use crate::support;

/// How many messages, in how many groups. At full size these are
/// `CRUDDUR_TEST_MESSAGES=10000 CRUDDUR_TEST_GROUPS=100`.
fn size(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

#[test]
fn two_followers_one_of_which_is_killed_every_second_leave_every_group_right() {
    let messages = size("CRUDDUR_TEST_MESSAGES", 300);
    let groups = size("CRUDDUR_TEST_GROUPS", 10);
    let (environment, table) = runtime().block_on(with_table());
    let begun: Vec<NewGroup> = (0..groups)
        .map(|n| {
            let names = [format!("one{n}"), format!("other{n}")];
            let names = [names[0].as_str(), names[1].as_str()];
            runtime().block_on(begin(&table, names, "first"))
        })
        .collect();
    let start = || {
        environment
            .command(&["ddb", "stream", "apply", "-q"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let done = AtomicBool::new(false);
    let started = Instant::now();
    let (newest, killed) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let newest = runtime().block_on(write_all(&table, &begun, messages));
            done.store(true, Ordering::SeqCst);
            newest
        });
        let steady = start();
        let mut victim = start();
        let mut killed = 0;
        // At least two deaths, however quick the writing is.
        while !done.load(Ordering::SeqCst) || killed < 2 {
            std::thread::sleep(Duration::from_secs(1));
            victim.kill().unwrap();
            support::status(&mut victim);
            killed += 1;
            victim = start();
        }
        // It may not even have heard of signals yet.
        victim.kill().unwrap();
        support::status(&mut victim);
        assert_eq!(interrupt(steady), Some(130));
        (writer.join().unwrap(), killed)
    });
    let written = started.elapsed();
    let drained = environment.run(&["ddb", "stream", "drain", "-o", "json"]);
    let totals = drained.exits(0).json();
    for group in &begun {
        let (at, text) = &newest[&group.message.message_group_uuid];
        let expected = (to_key(*at), text.clone());
        let found = runtime().block_on(items(&table, group));
        assert_eq!(found, [expected.clone(), expected]);
    }
    // Shown with --nocapture, for whoever runs it at full size.
    let _ = writeln!(
        std::io::stderr(),
        "{messages} messages, {groups} groups: written and followed in {written:?}, \
         {killed} killed, drained {totals}"
    );
}

type Newest = BTreeMap<String, (DateTime<Utc>, String)>;

/// Writes the messages, eight at a time, and tells the newest of each group.
async fn write_all(table: &Table, groups: &[NewGroup], count: usize) -> Newest {
    let mut newest = Newest::new();
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(8) {
        let writes = chunk.iter().map(|n| {
            let group = &groups[(n * 7) % groups.len()];
            let text = format!("message {n} — 🖖");
            let sender = &group.groups[n % 2].other;
            async move {
                let uuid = &group.message.message_group_uuid;
                let written = table.create_message(uuid, sender, &text, Utc::now()).await;
                written.unwrap()
            }
        });
        for message in futures_util::future::join_all(writes).await {
            let entry = (message.created_at, message.message);
            let known = newest
                .entry(message.message_group_uuid)
                .or_insert(entry.clone());
            if entry.0 > known.0 {
                *known = entry;
            }
        }
    }
    newest
}
