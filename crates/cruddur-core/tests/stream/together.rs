//! Pattern E for batches of many groups, which share transactions.

use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::Person;
use cruddur_core::stream::{StreamRecord, apply};
use cruddur_core::time::to_key;
use uuid::Uuid;

use crate::proxy::{Action, Proxy, canceled, exception};
use crate::support::*;

/// A group of two people who have no other.
struct Pair {
    group: Uuid,
    people: [Person; 2],
}

async fn pairs(table: &Table, count: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for number in 0..count {
        let people = ["a", "b"].map(|name| person(&format!("{name}{number}")));
        let group = group(table, &people[0], &people[1], 0).await;
        pairs.push(Pair { group, people });
    }
    pairs
}

/// A new message in each group.
fn said(pairs: &[Pair], micros: i64) -> Vec<StreamRecord> {
    let said = pairs.iter();
    said.map(|pair| inserted(pair.group, &pair.people[0], micros))
        .collect()
}

async fn assert_pair_at(table: &Table, pair: &Pair, micros: i64) {
    for person in &pair.people {
        assert_at(table, person, pair.group, micros).await;
    }
}

#[tokio::test]
async fn twenty_five_groups_of_two_cost_one_transaction() {
    let direct = table().await;
    let proxy = Proxy::start(engine(), |_| Action::Forward).await;
    let table = table_at(&proxy.url, direct.name()).await;
    let pairs = pairs(&direct, 60).await;
    let records: Vec<_> = (1..)
        .zip(&pairs)
        .map(|(micros, pair)| inserted(pair.group, &pair.people[0], micros))
        .collect();
    let applied = apply(&table, &records).await;
    assert_eq!(applied.moved.len(), 60);
    assert_eq!(proxy.count("TransactWriteItems"), 3);
    assert_eq!(proxy.count("Query"), 60);
    for (micros, pair) in (1..).zip(&pairs) {
        assert_pair_at(&direct, pair, micros).await;
    }
    let again = apply(&table, &records).await;
    assert_eq!((again.moved.len(), again.unchanged), (0, 60), "{again:?}");
    assert_eq!(proxy.count("TransactWriteItems"), 3);
}

/// The first transaction of all is made of what the index said before.
#[tokio::test]
async fn a_group_that_others_moved_does_not_hold_up_those_of_its_batch() {
    let direct = table().await;
    let pairs = pairs(&direct, 5).await;
    let moved = pairs[2].group.to_string();
    let proxy = Proxy::start(engine(), move |call| {
        match call.reads_index() && call.body.to_string().contains(&moved) {
            true => Action::AnswerOld,
            false => Action::Forward,
        }
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    apply(&table, &said(&pairs, 1)).await;
    let later = inserted(pairs[2].group, &pairs[2].people[0], 9);
    apply(&direct, &[later]).await;
    let applied = apply(&table, &said(&pairs, 5)).await;
    assert!(applied.failures.is_empty(), "{applied:?}");
    assert_eq!((applied.moved.len(), applied.unchanged), (4, 1));
    for (number, pair) in pairs.iter().enumerate() {
        assert_pair_at(&direct, pair, if number == 2 { 9 } else { 5 }).await;
    }
}

#[tokio::test]
async fn groups_of_one_person_at_the_same_microsecond_stand_beside_each_other() {
    let table = table().await;
    let hub = person("hub");
    let mut groups = Vec::new();
    const GROUPS: i64 = 40;
    for number in 0..GROUPS {
        let other = person(&format!("other{number}"));
        groups.push(group(&table, &hub, &other, number).await);
    }
    // Later than all of these, so that nothing stands there yet.
    let records: Vec<_> = groups.iter().map(|&g| inserted(g, &hub, 100)).collect();
    let applied = apply(&table, &records).await;
    assert!(applied.failures.is_empty(), "{applied:?}");
    let mut keys = Vec::new();
    for &group in &groups {
        for (key, message) in items_of(&table, &hub, group).await {
            assert_eq!(message, "text 100");
            keys.push(key);
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), groups.len(), "{keys:?}");
    // Beside the message, not anywhere: a later one has to come after it.
    assert!(keys[0] >= to_key(at(100)), "{keys:?}");
    assert!(
        keys[keys.len() - 1] < to_key(at(100 + 3 * GROUPS)),
        "{keys:?}"
    );
    let again = apply(&table, &records).await;
    assert_eq!(again.unchanged, groups.len(), "{again:?}");
}

#[tokio::test]
async fn a_group_that_cannot_be_written_does_not_hold_up_those_of_its_batch() {
    let table = table().await;
    let pairs = pairs(&table, 4).await;
    let full = &pairs[1];
    let mut item = group_item(full.group, &full.people[0], &full.people[1], 0);
    // With the message, more than the 400 KB that an item may have.
    item.insert("notes".into(), s("x".repeat(409_000)));
    put(&table, item).await;
    let records: Vec<_> = (1..)
        .zip(&pairs)
        .map(|(micros, pair)| {
            let mut record = inserted(pair.group, &pair.people[0], micros);
            if pair.group == full.group {
                let image = record.change.as_mut().unwrap().new_image.as_mut().unwrap();
                image.insert("message".into(), s("y".repeat(1_000)));
            }
            record
        })
        .collect();
    let applied = apply(&table, &records).await;
    assert_eq!(applied.moved.len(), 3, "{applied:?}");
    let number = &records[1].sequence_number;
    assert_eq!(applied.failures.len(), 1, "{applied:?}");
    assert_eq!(&applied.failures[0].sequence_number, number);
    assert!(applied.cause().is_none(), "trying again does not help");
    for (micros, pair) in (1..).zip(&pairs).filter(|(micros, _)| *micros != 2) {
        assert_pair_at(&table, pair, micros).await;
    }
}

#[tokio::test]
async fn groups_with_more_to_do_than_fits_are_written_one_by_one() {
    let table = table().await;
    let pairs = pairs(&table, 2).await;
    for pair in &pairs {
        let [one, other] = &pair.people;
        for micros in -60..0 {
            put(&table, group_item(pair.group, one, other, micros)).await;
        }
    }
    let applied = apply(&table, &said(&pairs, 4)).await;
    assert_eq!(applied.moved.len(), 2, "{applied:?}");
    for pair in &pairs {
        assert_pair_at(&table, pair, 4).await;
    }
}

#[tokio::test]
async fn a_table_that_has_capacity_for_one_group_only_moves_them_one_by_one() {
    for refused in [
        Action::Answer(400, canceled("ProvisionedThroughputExceeded", 12)),
        exception("ProvisionedThroughputExceededException"),
    ] {
        let direct = table().await;
        let pairs = pairs(&direct, 3).await;
        let Action::Answer(status, body) = refused else {
            unreachable!()
        };
        let proxy = Proxy::start(engine(), move |call| {
            let actions = call.body["TransactItems"].as_array();
            match actions.is_some_and(|actions| actions.len() > 4) {
                true => Action::Answer(status, body.clone()),
                false => Action::Forward,
            }
        })
        .await;
        let table = table_at(&proxy.url, direct.name()).await;
        let applied = apply(&table, &said(&pairs, 4)).await;
        assert_eq!(applied.moved.len(), 3, "{applied:?}");
        for pair in &pairs {
            assert_pair_at(&direct, pair, 4).await;
        }
    }
}

/// It is sent again, and the conditions of each tell that it was written.
#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_made_once() {
    let direct = table().await;
    let proxy = Proxy::losing_first(engine(), "TransactWriteItems").await;
    let table = table_at(&proxy.url, direct.name()).await;
    let pairs = pairs(&direct, 3).await;
    let applied = apply(&table, &said(&pairs, 4)).await;
    assert_eq!(
        (applied.moved.len(), applied.unchanged),
        (0, 3),
        "{applied:?}"
    );
    for pair in &pairs {
        assert_pair_at(&direct, pair, 4).await;
    }
}

/// None of its groups is tried by itself, where all would fail the same way.
#[tokio::test]
async fn a_table_that_is_gone_is_told_of_for_each_group_without_another_try() {
    let direct = table().await;
    let pairs = pairs(&direct, 3).await;
    let proxy = Proxy::start(engine(), |call| match call.operation.as_str() {
        "TransactWriteItems" => exception("ResourceNotFoundException"),
        _ => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &said(&pairs, 4)).await;
    assert_eq!(applied.failures.len(), 3, "{applied:?}");
    assert!(applied.cause().is_some());
    assert_eq!(proxy.count("TransactWriteItems"), 1);
}
