//! Whatever happens on the way, everyone ends with one item a group, at its
//! newest message.

use std::sync::Mutex;

use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::Person;
use cruddur_core::stream::{StreamRecord, apply};
use proptest::prelude::*;
use uuid::Uuid;

use crate::proxy::{Action, Call, Proxy};
use crate::support::*;

const GROUPS: usize = 3;

/// What may go wrong with one call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    CutBefore,
    CutAfter,
    Conflict,
    OldIndex,
    EmptyIndex,
}

/// The batches of one worker, as numbers of messages, and what becomes of its
/// calls; after the last fault all goes well.
#[derive(Debug, Clone)]
struct Worker {
    batches: Vec<Vec<usize>>,
    faults: Vec<Fault>,
}

#[derive(Debug, Clone)]
struct Case {
    /// The group of each message; its number is its time.
    messages: Vec<usize>,
    /// Items left behind by a crash: group, whose, time before all messages.
    extras: Vec<(usize, bool, i64)>,
    workers: Vec<Worker>,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::CutBefore),
        1 => Just(Fault::CutAfter),
        1 => Just(Fault::Conflict),
        2 => Just(Fault::OldIndex),
        1 => Just(Fault::EmptyIndex),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    (1..25_usize).prop_flat_map(|count| {
        let batches = prop::collection::vec(prop::collection::vec(0..count, 1..8), 0..6);
        let worker = (batches, prop::collection::vec(fault(), 0..16))
            .prop_map(|(batches, faults)| Worker { batches, faults });
        let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
        (
            prop::collection::vec(0..GROUPS, count),
            prop::collection::vec((0..GROUPS, any::<bool>(), -9..-1_i64), 0..4),
            prop::collection::vec(worker, 2),
            (order, 1..9_usize, 0..2_usize),
        )
            .prop_map(|(messages, extras, mut workers, (order, size, who))| {
                // Random batches may leave some out; every message is seen once.
                for chunk in order.chunks(size) {
                    let batches = &mut workers[who].batches;
                    batches.insert(chunk[0] % (batches.len() + 1), chunk.to_vec());
                }
                Case {
                    messages,
                    extras,
                    workers,
                }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(24, |cases| cases.parse().unwrap()),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_group_ends_at_its_newest_message(case in case()) {
        runtime().block_on(check(case));
    }
}

async fn check(case: Case) {
    let table = table().await;
    let mut groups = Vec::new();
    for number in 0..GROUPS {
        // Everyone is in two of the groups.
        let one = person(&format!("user{number}"));
        let other = person(&format!("user{}", (number + 1) % GROUPS));
        // Two groups of a person never share a time here.
        let micros = i64::try_from(number).unwrap() - 200;
        let group = group(&table, &one, &other, micros).await;
        groups.push((group, one, other));
    }
    for (number, mine, micros) in &case.extras {
        let (group, one, other) = &groups[*number];
        let (owner, shown) = if *mine { (one, other) } else { (other, one) };
        // Apart from those of other groups of the same person.
        let micros = micros * 10 + i64::try_from(*number).unwrap();
        put(&table, group_item(*group, owner, shown, micros)).await;
    }
    let records: Vec<StreamRecord> = case
        .messages
        .iter()
        .zip(0..)
        .map(|(number, micros)| inserted(groups[*number].0, &groups[*number].1, micros))
        .collect();
    let workers = case.workers.iter();
    let workers = workers.map(|worker| work(table.name(), worker.clone(), &records));
    futures_util::future::join_all(workers).await;
    for (number, group) in groups.iter().enumerate() {
        let newest = case.messages.iter().rposition(|g| *g == number);
        if let Some(newest) = newest {
            assert_group(&table, group, i64::try_from(newest).unwrap()).await;
        }
    }
}

async fn assert_group(table: &Table, (group, one, other): &(Uuid, Person, Person), micros: i64) {
    assert_at(table, one, *group, micros).await;
    assert_at(table, other, *group, micros).await;
}

/// Applies every batch, and again those in which the worker died.
async fn work(table: &str, worker: Worker, records: &[StreamRecord]) {
    let faults = Mutex::new(worker.faults.into_iter());
    let proxy = Proxy::start(engine(), move |call| {
        let fault = faults.lock().unwrap().next().unwrap_or(Fault::None);
        act(fault, call)
    })
    .await;
    for batch in worker.batches {
        let batch: Vec<_> = batch.iter().map(|n| records[*n].clone()).collect();
        loop {
            let table = table_at(&proxy.url, table).await;
            match proxy.unless_cut(apply(&table, &batch)).await {
                Some(applied) if applied.failures.is_empty() => break,
                // Two who keep getting in each other's way try again later.
                Some(applied) => assert!(applied.cause().is_some(), "{applied:?}"),
                None => {}
            }
        }
    }
}

fn act(fault: Fault, call: &Call) -> Action {
    match fault {
        Fault::CutBefore => Action::CutBefore,
        Fault::CutAfter => Action::CutAfter,
        Fault::OldIndex if call.reads_index() => Action::AnswerOld,
        Fault::EmptyIndex if call.reads_index() => Action::Answer(
            200,
            serde_json::json!({"Items": [], "Count": 0, "ScannedCount": 0}),
        ),
        Fault::Conflict if call.operation == "TransactWriteItems" => Action::Answer(
            400,
            serde_json::json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "message": "conflict",
                "CancellationReasons": [{"Code": "TransactionConflict"}],
            }),
        ),
        _ => Action::Forward,
    }
}
