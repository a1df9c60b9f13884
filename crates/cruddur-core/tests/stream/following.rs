//! Following the stream of a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::StreamViewType;
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::stream::{Checkpoint, Start, StreamRecord, drain, follow, tail};
use uuid::Uuid;

use crate::log::{Log, drained};
use crate::proxy::{Action, Proxy, exception};
use crate::support::*;

async fn write(table: &Table, group: Uuid, text: &str, micros: i64) {
    let sender = person("andrewbrown");
    table
        .create_message(group, &sender, text, at(micros))
        .await
        .unwrap();
}

#[tokio::test]
async fn draining_applies_what_is_there_once_and_goes_on_at_the_checkpoint() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    write(&table, group, "text 3", 3).await;
    write(&table, group, "text 4", 4).await;
    let mut log = Log::default();
    let streams = streams_at(engine()).await;
    drain(&table, &streams, None, true, &mut log).await.unwrap();
    assert_at(&table, &one, group, 0).await;
    assert_eq!((log.moved, log.checkpoint), (1, None));

    let log = drained(&table, engine(), None).await;
    assert_at(&table, &one, group, 4).await;
    assert_at(&table, &other, group, 4).await;
    assert_eq!((log.moved, log.failures.len()), (1, 0));

    let checkpoint = log.checkpoint;
    let kept = serde_json::to_string(&checkpoint).unwrap();
    let kept: Option<Checkpoint> = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept, checkpoint);
    let log = drained(&table, engine(), kept).await;
    assert_eq!(log.records.len(), 0);

    write(&table, group, "text 5", 5).await;
    let log = drained(&table, engine(), checkpoint).await;
    assert_eq!(log.moved, 1);
    assert_at(&table, &one, group, 5).await;
}

#[tokio::test]
async fn following_goes_on_until_it_is_told_to_stop() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let (send, mut seen) = tokio::sync::watch::channel(0);
    let mut log = Log {
        progress: Some(send),
        ..Log::default()
    };
    let streams = streams_at(engine()).await;
    let shutdown = async {
        write(&table, group, "text 3", 3).await;
        // Two group items, the message, and two moves of two records each.
        seen.wait_for(|records| *records >= 7).await.unwrap();
    };
    follow(&table, &streams, None, false, &mut log, shutdown)
        .await
        .unwrap();
    assert_at(&table, &one, group, 3).await;
    assert_at(&table, &other, group, 3).await;
    assert!(log.checkpoint.is_some());
    assert!(log.notices.is_empty(), "{:?}", log.notices);
}

#[tokio::test]
async fn tailing_shows_what_happens_from_now_on_and_changes_nothing() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let streams = streams_at(engine()).await;
    for (start, expected, before) in [(Start::Now, 1, 0), (Start::Oldest, 3, 2)] {
        let (send, mut seen) = tokio::sync::watch::channel(0);
        let mut log = Log {
            progress: Some(send),
            ..Log::default()
        };
        let shutdown = async {
            // What is written before the tail has found its place is not of now.
            for number in 1.. {
                write(&table, group, "new", number).await;
                let enough = seen.wait_for(|records| *records >= expected);
                let seen = tokio::time::timeout(Duration::from_millis(500), enough).await;
                if seen.is_ok() {
                    break;
                }
            }
        };
        tail(&table, &streams, start, &mut log, shutdown)
            .await
            .unwrap();
        let of_groups = |record: &&StreamRecord| {
            let change = record.change.as_ref().unwrap();
            change.keys["pk"].as_s().unwrap().starts_with("GRP#")
        };
        assert_eq!(log.records.iter().filter(of_groups).count(), before);
        assert!(log.checkpoint.is_none());
    }
    assert_at(&table, &one, group, 0).await;
}

#[tokio::test]
async fn an_answer_without_what_was_asked_for_ends_no_shard() {
    for operation in ["DescribeStream", "GetShardIterator", "GetRecords"] {
        let table = table().await;
        let (one, other) = (person("andrewbrown"), person("bayko"));
        let group = group(&table, &one, &other, 0).await;
        write(&table, group, "text 3", 3).await;
        let answered = AtomicBool::new(false);
        let proxy = Proxy::start(engine(), move |call| {
            match call.operation == operation && !answered.swap(true, Ordering::SeqCst) {
                true => Action::Answer(200, serde_json::json!({})),
                false => Action::Forward,
            }
        })
        .await;
        let streams = streams_at(&proxy.url).await;
        let mut log = Log::default();
        let drained_once = drain(&table, &streams, None, false, &mut log).await;
        let error = drained_once.unwrap_err();
        assert!(matches!(error, Error::WrongServer { .. }), "{error}");
        let log = drained(&table, &proxy.url, log.checkpoint).await;
        assert_eq!(log.moved, 1, "{operation}");
        assert_at(&table, &one, group, 3).await;
    }
}

#[tokio::test]
async fn an_iterator_that_expires_loses_no_position() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let checkpoint = drained(&table, engine(), None).await.checkpoint;
    write(&table, group, "text 3", 3).await;
    let expired = AtomicBool::new(false);
    let proxy = Proxy::start(engine(), move |call| {
        match call.operation == "GetRecords" && !expired.swap(true, Ordering::SeqCst) {
            true => exception("ExpiredIteratorException"),
            false => Action::Forward,
        }
    })
    .await;
    let log = drained(&table, &proxy.url, checkpoint).await;
    assert!(log.notices.is_empty(), "{:?}", log.notices);
    // The message, and the two records of each of its two moves.
    assert_eq!((log.moved, log.records.len()), (1, 5));
}

#[tokio::test]
async fn a_table_that_cannot_be_followed_says_why() {
    let streams = streams_at(engine()).await;
    for (stream, expected) in [
        (None, "lacks the stream"),
        (Some(StreamViewType::KeysOnly), "KEYS_ONLY"),
    ] {
        let name = format!("test-{}", Uuid::new_v4().simple());
        let lacks = Lacks {
            index: false,
            stream,
        };
        create(&client(), &name, lacks).await;
        let table = table_at(engine(), &name).await;
        let error = drain(&table, &streams, None, false, &mut Log::default()).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let table = table_at(engine(), "test-no-such-table").await;
    let error = drain(&table, &streams, None, false, &mut Log::default()).await;
    assert!(
        matches!(error, Err(Error::TableNotFound { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_table_without_the_index_ends_the_following() {
    let name = format!("test-{}", Uuid::new_v4().simple());
    let lacks = Lacks {
        index: true,
        ..WHOLE
    };
    create(&client(), &name, lacks).await;
    let table = table_at(engine(), &name).await;
    let message = inserted(Uuid::new_v4(), &person("worf"), 1);
    put(&table, message.change.unwrap().new_image.unwrap()).await;
    let streams = streams_at(engine()).await;
    let never = std::future::pending();
    let error = follow(&table, &streams, None, false, &mut Log::default(), never).await;
    assert!(
        matches!(error, Err(Error::TableIncomplete { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_stream_that_was_replaced_is_followed_from_its_beginning() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let first = group(&table, &one, &other, 0).await;
    write(&table, first, "text 3", 3).await;
    let log = drained(&table, engine(), None).await;

    let (send, mut seen) = tokio::sync::watch::channel(0);
    let mut running = Log {
        progress: Some(send),
        ..Log::default()
    };
    let streams = streams_at(engine()).await;
    let shutdown = async {
        // The follower has begun once it has seen this and what it did about it.
        write(&table, first, "text 4", 4).await;
        seen.wait_for(|records| *records >= 5).await.unwrap();
        let drop = client().delete_table().table_name(table.name()).send();
        drop.await.unwrap();
        // Longer than the follower is ever idle.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        create(&client(), table.name(), WHOLE).await;
        let second = group(&table, &one, &other, 10).await;
        write(&table, second, "text 12", 12).await;
        seen.wait_for(|records| *records >= 5 + 7).await.unwrap();
        assert_at(&table, &one, second, 12).await;
    };
    let followed = follow(
        &table,
        &streams,
        log.checkpoint,
        false,
        &mut running,
        shutdown,
    );
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, followed)
        .await
        .unwrap()
        .unwrap();
    assert!(
        running.notices.iter().any(|n| n == "Replaced"),
        "{:?}",
        running.notices
    );
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for_and_mentioned_once() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let down = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_down = down.clone();
    let proxy = Proxy::start(engine(), move |_| match is_down.load(Ordering::SeqCst) {
        true => exception("InternalFailure"),
        false => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let streams = streams_at(&proxy.url).await;
    let (send, mut seen) = tokio::sync::watch::channel(0);
    let mut log = Log {
        progress: Some(send),
        ..Log::default()
    };
    let shutdown = async {
        seen.wait_for(|records| *records >= 2).await.unwrap();
        down.store(true, Ordering::SeqCst);
        write(&direct, group, "text 3", 3).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        down.store(false, Ordering::SeqCst);
        seen.wait_for(|records| *records >= 7).await.unwrap();
    };
    follow(&table, &streams, None, false, &mut log, shutdown)
        .await
        .unwrap();
    assert_at(&direct, &one, group, 3).await;
    assert_eq!(log.notices.len(), 2, "{:?}", log.notices);
    assert!(log.notices[0].starts_with("Lost"));
    assert_eq!(log.notices[1], "Back");
}
