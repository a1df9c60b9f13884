//! Pattern E, one batch at a time.

use cruddur_core::Error;
use cruddur_core::ddb::item::{Item, message_pk};
use cruddur_core::stream::{ChangeKind, StreamRecord, apply};
use cruddur_core::time::to_key;
use serde_json::json;
use uuid::Uuid;

use crate::proxy::{Action, Proxy, canceled, exception};
use crate::support::*;

#[tokio::test]
async fn a_hundred_messages_of_a_group_cost_one_read_and_one_transaction() {
    let direct = table().await;
    let proxy = Proxy::start(engine(), |_| Action::Forward).await;
    let table = table_at(&proxy.url, direct.name()).await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let records: Vec<_> = (1..=100).map(|n| inserted(group, &one, n)).collect();
    let applied = apply(&table, &records).await;
    assert_eq!(applied.moved.len(), 1);
    assert_eq!(applied.moved[0].participants, 2);
    assert_eq!(proxy.count("TransactWriteItems"), 1);
    assert_eq!(proxy.count("Query"), 1);
    assert_at(&direct, &one, group, 100).await;
    assert_at(&direct, &other, group, 100).await;
}

#[tokio::test]
async fn what_was_applied_or_is_older_changes_nothing() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    for micros in [5, 5, 3, 0, -7] {
        let applied = apply(&table, &[inserted(group, &other, micros)]).await;
        assert!(applied.failures.is_empty());
        assert_at(&table, &one, group, 5).await;
        assert_at(&table, &other, group, 5).await;
    }
}

#[tokio::test]
async fn a_group_that_needs_more_than_a_transaction_takes_is_moved_in_several() {
    let table = table().await;
    for (participants, items) in [(30, 3), (60, 1)] {
        let people: Vec<_> = (0..participants)
            .map(|n| person(&format!("{n} of {participants}")))
            .collect();
        let group = Uuid::new_v4();
        for (number, owner) in people.iter().enumerate() {
            let other = &people[(number + 1) % people.len()];
            for micros in 0..items {
                put(&table, group_item(group, owner, other, micros)).await;
            }
        }
        let applied = apply(&table, &[inserted(group, &people[0], 10)]).await;
        assert!(applied.failures.is_empty(), "{:?}", applied.failures);
        for owner in &people {
            assert_at(&table, owner, group, 10).await;
        }
    }
}

#[tokio::test]
async fn digits_below_a_microsecond_leave_no_group_behind() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let mut message = inserted(group, &other, 5)
        .change
        .unwrap()
        .new_image
        .unwrap();
    let sk = to_key(at(5)).replace("+00:00", "999+00:00");
    message.insert("sk".into(), s(&sk));
    for moved in [1, 0] {
        let record = record(1, ChangeKind::Insert, Some(message.clone()));
        let applied = apply(&table, &[record]).await;
        assert!(applied.failures.is_empty(), "{:?}", applied.failures);
        assert_eq!(applied.moved.len(), moved);
        assert_at(&table, &one, group, 5).await;
        assert_at(&table, &other, group, 5).await;
    }
}

#[tokio::test]
async fn everything_but_an_inserted_message_is_ignored() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let message = inserted(group, &one, 9).change.unwrap().new_image;
    let records = [
        record(1, ChangeKind::Modify, message.clone()),
        record(2, ChangeKind::Remove, message),
        record(
            3,
            ChangeKind::Insert,
            Some(group_item(group, &one, &other, 9)),
        ),
        record(
            4,
            ChangeKind::Insert,
            Some(Item::from([("pk".into(), s("X"))])),
        ),
    ];
    let applied = apply(&table, &records).await;
    assert_eq!((applied.ignored, applied.failures.len()), (4, 0));
    assert_at(&table, &one, group, 0).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_understood_does_not_hold_up_the_others() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let without = |number, name: &str| {
        let mut image = inserted(group, &one, number).change.unwrap().new_image;
        image.as_mut().unwrap().remove(name);
        record(number, ChangeKind::Insert, image)
    };
    let mut no_time = inserted(group, &one, 4);
    let image = no_time.change.as_mut().unwrap().new_image.as_mut().unwrap();
    image.insert("sk".into(), s("yesterday"));
    let mut keys_only = record(5, ChangeKind::Insert, None);
    keys_only.change.as_mut().unwrap().keys =
        Item::from([("pk".into(), s(message_pk(group))), ("sk".into(), s("1"))]);
    let records = [
        inserted(group, &one, 1),
        without(2, "sk"),
        without(3, "message"),
        no_time,
        keys_only,
        StreamRecord {
            sequence_number: "6".into(),
            change: Err("no".into()),
        },
        inserted(group, &one, 7),
    ];
    let applied = apply(&table, &records).await;
    let reasons: Vec<_> = applied.failures.iter().map(ToString::to_string).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    for part in ["6: no", "no sort key", "no text", "is no time", "NEW_IMAGE"] {
        assert!(
            reasons.iter().any(|r| r.contains(part)),
            "{part}: {reasons:?}"
        );
    }
    // By number, not by text: 6 is lower than those of 21 digits.
    assert_eq!(applied.lowest_failure(), Some("6"));
    assert_at(&table, &one, group, 7).await;
    assert_at(&table, &other, group, 7).await;
}

#[tokio::test]
async fn a_message_of_an_unknown_group_is_told_of() {
    let table = table().await;
    let stray = Uuid::new_v4();
    let applied = apply(&table, &[inserted(stray, &person("worf"), 1)]).await;
    let failure = applied.failures[0].to_string();
    assert!(failure.contains(&stray.to_string()), "{failure}");
    assert!(applied.cause().is_none(), "trying again does not help");
}

#[tokio::test]
async fn one_participant_who_is_left_is_moved_alone() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = Uuid::new_v4();
    put(&table, group_item(group, &one, &other, 0)).await;
    let applied = apply(&table, &[inserted(group, &one, 3)]).await;
    assert_eq!(applied.moved[0].participants, 1);
    assert_at(&table, &one, group, 3).await;
    assert!(items_of(&table, &other, group).await.is_empty());
}

#[tokio::test]
async fn a_table_without_the_index_says_so() {
    let name = format!("test-{}", Uuid::new_v4().simple());
    let lacks = Lacks {
        index: true,
        ..WHOLE
    };
    create(&client(), &name, lacks).await;
    let table = table_at(engine(), &name).await;
    let applied = apply(&table, &[inserted(Uuid::new_v4(), &person("worf"), 1)]).await;
    let cause = applied.cause().unwrap();
    assert!(matches!(cause, Error::TableIncomplete { .. }), "{cause}");
    assert!(cause.to_string().contains("message-group-sk-index"));
}

#[tokio::test]
async fn no_record_is_to_blame_for_an_index_that_is_being_built() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let proxy = Proxy::start(engine(), |call| match call.reads_index() {
        true => Action::Answer(
            400,
            json!({
                "__type": "com.amazon.coral.validate#ValidationException",
                "message": "Cannot read from backfilling global secondary index: \
                            message-group-sk-index",
            }),
        ),
        false => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &[inserted(group, &one, 3)]).await;
    let cause = applied.cause().unwrap().to_string();
    assert!(cause.contains("backfilling"), "{cause}");
    assert_at(&direct, &one, group, 0).await;
}

#[tokio::test]
async fn an_index_that_lags_misleads_nobody() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    // The index stands still at its first answer.
    let proxy = Proxy::start(engine(), |call| match call.reads_index() {
        true => Action::AnswerOld,
        false => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    for micros in [5, 9, 7] {
        let applied = apply(&table, &[inserted(group, &one, micros)]).await;
        assert!(applied.failures.is_empty(), "{applied:?}");
    }
    assert_at(&direct, &one, group, 9).await;
    assert_at(&direct, &other, group, 9).await;
}

#[tokio::test]
async fn an_index_that_has_not_heard_of_the_group_is_made_up_for_by_the_table() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let empty = serde_json::json!({"Items": [], "Count": 0, "ScannedCount": 0});
    let proxy = Proxy::start(engine(), move |call| match call.reads_index() {
        true => Action::Answer(200, empty.clone()),
        false => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &[inserted(group, &one, 4)]).await;
    assert_eq!(applied.moved.len(), 1, "{applied:?}");
    assert_at(&direct, &one, group, 4).await;
    assert_at(&direct, &other, group, 4).await;
}

#[tokio::test]
async fn items_that_a_crash_left_behind_are_removed_over_every_page_of_the_index() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    // Five of 300 KB are more than the megabyte that a page holds.
    for micros in -5..0 {
        let mut item = group_item(group, &one, &other, micros);
        item.insert("message".into(), s("x".repeat(300_000)));
        put(&table, item).await;
    }
    let applied = apply(&table, &[inserted(group, &one, 2)]).await;
    assert!(applied.failures.is_empty(), "{applied:?}");
    assert_at(&table, &one, group, 2).await;
    assert_at(&table, &other, group, 2).await;
}

#[tokio::test]
async fn more_extra_items_than_a_transaction_takes_are_removed_too() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    for micros in -120..0 {
        put(&table, group_item(group, &one, &other, micros)).await;
    }
    // No message is newer: mending needs no move.
    let applied = apply(&table, &[inserted(group, &one, 0)]).await;
    assert!(applied.failures.is_empty(), "{applied:?}");
    assert_at(&table, &one, group, 0).await;
    assert_at(&table, &other, group, 0).await;
}

#[tokio::test]
async fn another_group_at_the_same_microsecond_is_not_written_over() {
    let table = table().await;
    let (one, two, three) = (person("andrewbrown"), person("bayko"), person("worf"));
    let first = group(&table, &one, &two, 5).await;
    let second = group(&table, &one, &three, 0).await;
    let applied = apply(&table, &[inserted(second, &one, 5)]).await;
    assert!(applied.failures.is_empty(), "{applied:?}");
    assert_at(&table, &one, first, 5).await;
    assert_at(&table, &three, second, 5).await;
    let beside = items_of(&table, &one, second).await;
    assert_eq!(beside[0].0, cruddur_core::time::to_key(at(6)));
    assert_eq!(beside[0].1, "text 5");
    let again = apply(&table, &[inserted(second, &one, 5)]).await;
    assert_eq!(again.unchanged, 1);
}

#[tokio::test]
async fn attributes_and_older_notations_of_time_are_kept() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = Uuid::new_v4();
    let mut item = group_item(group, &one, &other, 0);
    // As text this is before any key of the day, as an instant it is not.
    item.insert("sk".into(), s("2023-03-24T05:45:01.000009-04:00"));
    item.insert(
        "pinned".into(),
        aws_sdk_dynamodb::types::AttributeValue::Bool(true),
    );
    put(&table, item).await;
    let older = apply(&table, &[inserted(group, &one, 8)]).await;
    assert_eq!(older.unchanged, 1);
    apply(&table, &[inserted(group, &one, 10)]).await;
    assert_at(&table, &one, group, 10).await;
    let kept = client()
        .get_item()
        .table_name(table.name())
        .key("pk", s(format!("GRP#{}", one.uuid)))
        .key("sk", s(cruddur_core::time::to_key(at(10))))
        .send();
    let kept = kept.await.unwrap().item.unwrap();
    assert_eq!(kept["pinned"].as_bool(), Ok(&true));
    assert_eq!(kept["user_handle"], s("bayko"));
}

/// It is sent again, and its conditions tell that it was written.
#[tokio::test]
async fn a_move_whose_answer_was_lost_is_made_once() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let proxy = Proxy::losing_first(engine(), "TransactWriteItems").await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &[inserted(group, &one, 4)]).await;
    assert!(applied.failures.is_empty(), "{:?}", applied.failures);
    assert_eq!((applied.moved.len(), applied.unchanged), (0, 1));
    assert_eq!(proxy.count("TransactWriteItems"), 2);
    assert_at(&direct, &one, group, 4).await;
    assert_at(&direct, &other, group, 4).await;
}

#[tokio::test]
async fn a_conflict_is_tried_again_and_given_up_in_the_end() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let conflict = canceled("TransactionConflict", 1);
    let left = std::sync::atomic::AtomicI32::new(3);
    let proxy = Proxy::start(engine(), move |call| {
        let order = std::sync::atomic::Ordering::SeqCst;
        let busy = call.operation == "TransactWriteItems" && left.fetch_sub(1, order) > 0;
        match busy {
            true => Action::Answer(400, conflict.clone()),
            false => Action::Forward,
        }
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &[inserted(group, &one, 1)]).await;
    assert_eq!(applied.moved.len(), 1);
    assert_eq!(proxy.count("TransactWriteItems"), 4);
    assert_at(&direct, &one, group, 1).await;

    let proxy = Proxy::start(engine(), |call| match call.operation.as_str() {
        "TransactWriteItems" => exception("TransactionCanceledException"),
        _ => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &[inserted(group, &one, 2)]).await;
    assert!(applied.cause().is_some(), "to be applied again later");
}

/// Who is told of it, is told of that: others have nothing to do with it.
#[tokio::test]
async fn a_table_without_capacity_is_waited_for_and_named_in_the_end() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let proxy = Proxy::start(engine(), |call| match call.operation.as_str() {
        "TransactWriteItems" => Action::Answer(400, canceled("ThrottlingError", 4)),
        _ => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let applied = apply(&table, &[inserted(group, &one, 2)]).await;
    let cause = applied
        .cause()
        .expect("to be applied again later")
        .to_string();
    assert!(
        cause.contains("ProvisionedThroughputExceededException"),
        "{cause}"
    );
}
