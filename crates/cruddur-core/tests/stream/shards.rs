//! Reading the shards of a stream, which a local engine has one of: a server of
//! them is made up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cruddur_core::stream::drain;
use serde_json::{Value, json};

use crate::log::{Log, drained};
use crate::proxy::{Action, Call, Proxy, exception};
use crate::support::*;

fn shard(id: &str, parent: Option<&str>) -> Value {
    match parent {
        Some(parent) => json!({"ShardId": id, "ParentShardId": parent}),
        None => json!({"ShardId": id}),
    }
}

fn message(number: u32, name: &str) -> Value {
    json!({"eventName": "INSERT", "dynamodb": {
        "SequenceNumber": format!("{number:021}"),
        "Keys": {"pk": {"S": name}, "sk": {"S": "x"}},
        "NewImage": {"pk": {"S": name}, "sk": {"S": "x"}},
    }})
}

/// A page without a record, and where the next one is.
fn empty(next: &str) -> Value {
    json!({"Records": [], "NextShardIterator": next})
}

fn iterator(call: &Call) -> Option<&str> {
    call.body.get("ShardIterator")?.as_str()
}

/// A server that answers so, or else as [`shards`] does.
async fn serving(answer: impl Fn(&Call) -> Option<Value> + Send + Sync + 'static) -> Proxy {
    Proxy::start(engine(), move |call| {
        match answer(call).or_else(|| shards(call)) {
            Some(answer) => Action::Answer(200, answer),
            None => Action::Forward,
        }
    })
    .await
}

/// A server of one stream, made up: three shards, the second of which
/// continues the first; the list of shards comes in two pages.
fn shards(call: &Call) -> Option<Value> {
    let body = &call.body;
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
        "GetRecords" => match iterator(call)? {
            "parent/start" => json!({"Records": [message(1, "first")],
                "NextShardIterator": "parent/second"}),
            // The last page of a closed shard has no next iterator.
            "parent/second" => json!({"Records": [message(2, "second")]}),
            "child/start" => json!({"Records": [message(3, "third")],
                "NextShardIterator": "child/idle"}),
            "other/start" => json!({"Records": [message(9, "apart")],
                "NextShardIterator": "other/idle"}),
            idle => empty(idle),
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
    let proxy = serving(|_| None).await;
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
    let proxy = serving(|call| {
        let line = (0..LINE).map(|n| match n {
            0 => shard("shard-0", None),
            n => shard(&format!("shard-{n}"), Some(&format!("shard-{}", n - 1))),
        });
        let last = format!("shard-{}/start", LINE - 1);
        Some(match (call.operation.as_str(), iterator(call)) {
            ("DescribeStream", _) => {
                json!({"StreamDescription": {"Shards": line.collect::<Vec<_>>()}})
            }
            ("GetRecords", Some(iterator)) if iterator == last => {
                json!({"Records": [message(1, "at last")], "NextShardIterator": "idle"})
            }
            ("GetRecords", Some("idle")) => empty("idle"),
            ("GetRecords", _) => json!({"Records": []}),
            _ => return None,
        })
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
    let proxy = serving(|call| {
        let page = |iterator: &str| iterator.strip_prefix("closed/")?.parse().ok();
        Some(match (call.operation.as_str(), iterator(call)) {
            ("DescribeStream", _) => json!({"StreamDescription": {
                "Shards": [shard("closed", None), shard("open", Some("closed"))],
            }}),
            ("GetRecords", Some(iterator)) if iterator.starts_with("closed") => {
                match page(iterator).unwrap_or(0) {
                    EMPTY => json!({"Records": [message(1, "at last")]}),
                    number => empty(&format!("closed/{}", number + 1)),
                }
            }
            _ => return None,
        })
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let log = drained(&table, &proxy.url, None).await;
    assert_eq!(names(&log), ["at last"]);
}

/// An open shard has no end by which to tell that there is more.
#[tokio::test]
async fn draining_asks_an_open_shard_several_times() {
    const EMPTY: usize = 4;
    let proxy = serving(|call| {
        let page = |iterator: &str| iterator.strip_prefix("open/")?.parse().ok();
        Some(match (call.operation.as_str(), iterator(call)) {
            ("DescribeStream", _) => {
                json!({"StreamDescription": {"Shards": [shard("open", None)]}})
            }
            ("GetRecords", Some(iterator)) => match page(iterator).unwrap_or(0) {
                EMPTY => json!({
                    "Records": [message(1, "at last")],
                    "NextShardIterator": "open/5",
                }),
                number => empty(&format!("open/{}", number + 1)),
            },
            _ => return None,
        })
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let log = drained(&table, &proxy.url, None).await;
    assert_eq!(names(&log), ["at last"]);
}

#[tokio::test]
async fn shards_that_lead_back_to_themselves_are_no_list() {
    let proxy = serving(|call| {
        let mut answer = shards(call)?;
        if call.operation == "DescribeStream" {
            answer["StreamDescription"]["LastEvaluatedShardId"] = json!("parent");
        }
        Some(answer)
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let streams = streams_at(&proxy.url).await;
    let drained = drain(&table, &streams, None, false, &mut Log::default()).await;
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
        let told: &[&str] = match name {
            "ExpiredIteratorException" => &[],
            _ => &["Gap"],
        };
        assert_eq!(log.notices, told, "{name}");
    }
}
