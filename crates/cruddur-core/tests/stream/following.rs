//! Following the stream of a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::StreamViewType;
use cruddur_core::ddb::Table;
use cruddur_core::stream::{
    Applied, Checkpoint, Notice, Sink, Start, StreamRecord, drain, follow, tail,
};
use cruddur_core::{Error, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::proxy::{Action, Proxy, exception};
use crate::support::*;

/// Remembers what it is told.
#[derive(Default)]
struct Log {
    records: Vec<StreamRecord>,
    moved: usize,
    failures: Vec<String>,
    checkpoint: Option<Checkpoint>,
    notices: Vec<String>,
    /// Told after each batch how many records there were.
    progress: Option<tokio::sync::watch::Sender<usize>>,
}

impl Sink for Log {
    fn batch(&mut self, records: &[StreamRecord], applied: &Applied) -> Result<()> {
        self.records.extend_from_slice(records);
        self.moved += applied.moved.len();
        self.failures
            .extend(applied.failures.iter().map(ToString::to_string));
        if let Some(progress) = &self.progress {
            progress.send_replace(self.records.len());
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.checkpoint = Some(checkpoint.clone());
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push(format!("{notice:?}"));
    }
}

async fn drained(table: &Table, url: &str, checkpoint: Option<Checkpoint>) -> Log {
    let mut log = Log::default();
    let streams = streams_at(url).await;
    drain(table, &streams, checkpoint, &mut log).await.unwrap();
    log
}

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
    follow(&table, &streams, None, &mut log, shutdown)
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
    for (start, expected) in [(Start::Now, 1), (Start::Oldest, 4)] {
        let (send, mut seen) = tokio::sync::watch::channel(0);
        let mut log = Log {
            progress: Some(send),
            ..Log::default()
        };
        let shutdown = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            write(&table, group, "new", 3).await;
            seen.wait_for(|records| *records >= expected).await.unwrap();
        };
        tail(&table, &streams, start, &mut log, shutdown)
            .await
            .unwrap();
        assert_eq!(log.records.len(), expected);
        assert!(log.checkpoint.is_none());
    }
    assert_at(&table, &one, group, 0).await;
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
        let error = drain(&table, &streams, None, &mut Log::default()).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let table = table_at(engine(), "test-no-such-table").await;
    let error = drain(&table, &streams, None, &mut Log::default()).await;
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
    let error = follow(&table, &streams, None, &mut Log::default(), never).await;
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
    let followed = follow(&table, &streams, log.checkpoint, &mut running, shutdown);
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

/// A server of one stream, made up: three shards, the second of which
/// continues the first; the list of shards comes in two pages.
fn shards(call: &crate::proxy::Call) -> Option<Value> {
    let body = &call.body;
    let shard = |id: &str, parent: Option<&str>| match parent {
        Some(parent) => json!({"ShardId": id, "ParentShardId": parent}),
        None => json!({"ShardId": id}),
    };
    let message = |number: u32, name: &str| {
        json!({"eventName": "INSERT", "dynamodb": {
            "SequenceNumber": format!("{number:021}"),
            "Keys": {"pk": {"S": name}, "sk": {"S": "x"}},
            "NewImage": {"pk": {"S": name}, "sk": {"S": "x"}},
        }})
    };
    Some(match call.operation.as_str() {
        "DescribeTable" => json!({"Table": {
            "LatestStreamArn": "arn:aws:dynamodb:us-east-1:1:table/t/stream/1",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        }}),
        "DescribeStream" => match body.get("ExclusiveStartShardId") {
            None => json!({"StreamDescription": {
                "Shards": [shard("child", Some("parent"))],
                "LastEvaluatedShardId": "child",
            }}),
            Some(_) => json!({"StreamDescription": {
                "Shards": [shard("parent", Some("long gone")), shard("other", None)],
            }}),
        },
        "GetShardIterator" => {
            let from = body.get("SequenceNumber").and_then(Value::as_str);
            json!({"ShardIterator": format!(
                "{}/{}", body["ShardId"].as_str()?, from.unwrap_or("start"))})
        }
        "GetRecords" => match body["ShardIterator"].as_str()? {
            "parent/start" => json!({"Records": [message(1, "first")],
                "NextShardIterator": "parent/second"}),
            // The last page of a closed shard has no next iterator.
            "parent/second" => json!({"Records": [message(2, "second")]}),
            "child/start" => json!({"Records": [message(3, "third")],
                "NextShardIterator": "child/idle"}),
            "other/start" => json!({"Records": [message(9, "apart")],
                "NextShardIterator": "other/idle"}),
            idle => json!({"Records": [], "NextShardIterator": idle}),
        },
        _ => return None,
    })
}

fn names(log: &Log) -> Vec<String> {
    let names = log.records.iter().map(|record| {
        let change = record.change.as_ref().unwrap();
        change.keys["pk"].as_s().unwrap().clone()
    });
    names.filter(|name| name != "apart").collect()
}

#[tokio::test]
async fn a_parent_is_read_to_its_end_before_its_child() {
    let proxy = Proxy::start(engine(), |call| match shards(call) {
        Some(answer) => Action::Answer(200, answer),
        None => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let log = drained(&table, &proxy.url, None).await;
    assert_eq!(names(&log), ["first", "second", "third"]);
    assert_eq!(log.records.len(), 4);
    let kept = serde_json::to_value(log.checkpoint.unwrap()).unwrap();
    assert_eq!(kept["shards"]["parent"], json!("ended"));
    assert_eq!(
        kept["shards"]["child"]["after"],
        json!("000000000000000000003")
    );
}

/// What a table nobody has written to for a day has: AWS begins a new shard every
/// few hours, and each takes a round, since its parent has to be read before it.
#[tokio::test]
async fn draining_goes_through_a_long_line_of_empty_shards() {
    const LINE: usize = 12;
    let proxy = Proxy::start(engine(), |call| {
        let line = (0..LINE).map(|n| match n {
            0 => json!({"ShardId": "shard-0"}),
            n => json!({"ShardId": format!("shard-{n}"),
                "ParentShardId": format!("shard-{}", n - 1)}),
        });
        let last = format!("shard-{}/start", LINE - 1);
        let answer = match call.operation.as_str() {
            "DescribeStream" => json!({"StreamDescription": {"Shards": line.collect::<Vec<_>>()}}),
            "GetRecords" => match call.body["ShardIterator"].as_str() {
                Some(iterator) if iterator == last => json!({
                    "Records": [{"eventName": "INSERT", "dynamodb": {
                        "SequenceNumber": "000000000000000000001",
                        "Keys": {"pk": {"S": "at last"}, "sk": {"S": "x"}},
                    }}],
                    "NextShardIterator": "idle",
                }),
                Some("idle") => json!({"Records": [], "NextShardIterator": "idle"}),
                _ => json!({"Records": []}),
            },
            _ => match shards(call) {
                Some(answer) => answer,
                None => return Action::Forward,
            },
        };
        Action::Answer(200, answer)
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let log = drained(&table, &proxy.url, None).await;
    assert_eq!(names(&log), ["at last"]);
}

/// AWS answers with empty pages until it comes to a part with records.
#[tokio::test]
async fn draining_goes_on_to_the_end_of_a_closed_shard() {
    const EMPTY: usize = 30;
    let proxy = Proxy::start(engine(), |call| {
        let answer = match call.operation.as_str() {
            "DescribeStream" => json!({"StreamDescription": {"Shards": [
                {"ShardId": "closed"},
                {"ShardId": "open", "ParentShardId": "closed"},
            ]}}),
            "GetRecords" => match call.body["ShardIterator"].as_str() {
                Some(open) if open.starts_with("open") => {
                    json!({"Records": [], "NextShardIterator": open})
                }
                Some(closed) => {
                    let page = closed.rsplit('/').next().and_then(|n| n.parse().ok());
                    match page.unwrap_or(0) {
                        EMPTY => json!({"Records": [{"eventName": "INSERT", "dynamodb": {
                            "SequenceNumber": "000000000000000000001",
                            "Keys": {"pk": {"S": "at last"}, "sk": {"S": "x"}},
                        }}]}),
                        n => json!({"Records": [],
                            "NextShardIterator": format!("closed/{}", n + 1)}),
                    }
                }
                None => return Action::Forward,
            },
            _ => match shards(call) {
                Some(answer) => answer,
                None => return Action::Forward,
            },
        };
        Action::Answer(200, answer)
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let log = drained(&table, &proxy.url, None).await;
    assert_eq!(names(&log), ["at last"]);
}

#[tokio::test]
async fn shards_that_lead_back_to_themselves_are_no_list() {
    let proxy = Proxy::start(engine(), |call| match shards(call) {
        Some(mut answer) if call.operation == "DescribeStream" => {
            answer["StreamDescription"]["LastEvaluatedShardId"] = json!("parent");
            Action::Answer(200, answer)
        }
        Some(answer) => Action::Answer(200, answer),
        None => Action::Forward,
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let streams = streams_at(&proxy.url).await;
    let drained = drain(&table, &streams, None, &mut Log::default()).await;
    let error = drained.unwrap_err().to_string();
    assert!(error.contains("again and again"), "{error}");
}

#[tokio::test]
async fn an_iterator_that_expired_is_replaced_and_a_gap_is_read_over() {
    for name in ["ExpiredIteratorException", "TrimmedDataAccessException"] {
        let calls = Arc::new(AtomicUsize::new(0));
        let proxy = Proxy::start(engine(), move |call| {
            let second = call.body.get("ShardIterator") == Some(&json!("parent/second"));
            if second && calls.fetch_add(1, Ordering::SeqCst) == 0 {
                return exception(name);
            }
            if call.body.get("SequenceNumber").is_some() && name.starts_with("Trimmed") {
                return exception(name);
            }
            match shards(call) {
                // The position after the first record is the second iterator.
                Some(answer) => Action::Answer(
                    200,
                    serde_json::from_str(
                        &answer
                            .to_string()
                            .replace("parent/000000000000000000001", "parent/second"),
                    )
                    .unwrap(),
                ),
                None => Action::Forward,
            }
        })
        .await;
        let table = table_at(&proxy.url, "t").await;
        let log = drained(&table, &proxy.url, None).await;
        let expected: &[&str] = match name {
            "ExpiredIteratorException" => &["first", "second", "third"],
            // From the oldest record there is, which here was read before.
            _ => &["first", "first", "second", "third"],
        };
        assert_eq!(names(&log), expected, "{name}");
    }
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
    follow(&table, &streams, None, &mut log, shutdown)
        .await
        .unwrap();
    assert_at(&direct, &one, group, 3).await;
    assert_eq!(log.notices.len(), 2, "{:?}", log.notices);
    assert!(log.notices[0].starts_with("Lost"));
    assert_eq!(log.notices[1], "Back");
}
