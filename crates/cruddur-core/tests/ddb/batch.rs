use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use cruddur_core::Error;
use cruddur_core::ddb::batch::{Request, WriteOptions};
use cruddur_core::ddb::item::Item;
use futures_util::stream;

use crate::dynamodb::{IMPATIENT, all_items, endpoint, key, plain_table, table_at};
use crate::fault_proxy::{Fault, FaultProxy};

fn item(pk: &str, sk: &str, text: &str) -> Item {
    [("pk", pk), ("sk", sk), ("message", text)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .collect()
}

fn numbered(count: u64) -> Vec<Item> {
    (0..count)
        .map(|n| item("MSG#1", &format!("{n:06}"), "hello \"you\" 👋\n"))
        .collect()
}

fn puts(items: &[Item]) -> Vec<Request> {
    items
        .iter()
        .zip(1..)
        .map(|(item, tag)| Request::put(item, tag))
        .collect()
}

#[tokio::test]
async fn a_thousand_items_are_written_and_deleted() {
    let table = plain_table().await;
    let items = numbered(1_010);
    let mut seen = 0;
    let options = WriteOptions::default();
    let written = table
        .write_all(stream::iter(puts(&items)), &options, &mut |n| seen = n)
        .await
        .into_result("items")
        .unwrap();
    assert_eq!((written.written, seen, written.resent), (1_010, 1_010, 0));
    // Outside production nobody asks, and without a pace.
    assert_eq!(written.consumed_capacity, 0.0);
    assert_eq!(all_items(&table).await, items);
    let deletes: Vec<_> = items
        .iter()
        .map(|item| Request::delete(&key(item).0, &key(item).1, 0))
        .collect();
    let deleted = table
        .write_all(stream::iter(deletes), &options, &mut |_| {})
        .await;
    assert_eq!(deleted.written, 1_010);
    assert!(all_items(&table).await.is_empty());
}

#[tokio::test]
async fn the_last_of_several_with_one_key_wins() {
    let table = plain_table().await;
    let mut requests = Vec::new();
    for round in 0..40 {
        for n in 0..7 {
            let item = item("MSG#1", &format!("{n}"), &format!("{round}"));
            requests.push(Request::put(&item, 0));
        }
    }
    requests.push(Request::delete("MSG#1", "0", 0));
    let written = table
        .write_all(
            stream::iter(requests),
            &WriteOptions::default(),
            &mut |_| {},
        )
        .await;
    assert_eq!(written.written, 281);
    let items = all_items(&table).await;
    assert_eq!(items.len(), 6);
    assert!(
        items
            .iter()
            .all(|item| item["message"] == AttributeValue::S("39".into()))
    );
}

#[tokio::test]
async fn what_is_handed_back_or_refused_is_sent_again() {
    let plans: [fn(u64, &str) -> Fault; 5] = [
        |n, _| match n % 2 {
            0 => Fault::HandBack(2),
            _ => Fault::None,
        },
        |n, _| match n % 3 {
            0 => Fault::Exception("ProvisionedThroughputExceededException"),
            1 => Fault::HandBack(1),
            _ => Fault::None,
        },
        |n, _| match n % 8 {
            0 => Fault::ServerError,
            2 => Fault::CutAfter,
            4 => Fault::Truncate,
            6 => Fault::HandBack(3),
            _ => Fault::None,
        },
        |n, _| match n % 2 {
            0 => Fault::Exception("ThrottlingException"),
            _ => Fault::None,
        },
        |n, _| match n % 3 {
            0 => Fault::Exception("RequestLimitExceeded"),
            1 => Fault::Empty,
            _ => Fault::None,
        },
    ];
    for (number, plan) in plans.into_iter().enumerate() {
        let table = plain_table().await;
        let proxy = FaultProxy::start(endpoint(), plan).await;
        let items = numbered(260);
        let written = table_at(&proxy.url, table.name())
            .await
            .write_all(
                stream::iter(puts(&items)),
                &WriteOptions::default(),
                &mut |_| {},
            )
            .await
            .into_result("items")
            .unwrap();
        assert_eq!(written.written, 260, "plan {number}");
        assert!(written.resent > 0, "plan {number}");
        assert_eq!(all_items(&table).await, items, "plan {number}");
        let batches = proxy.batches.lock().unwrap();
        assert!(batches.iter().all(|&size| size <= 25), "plan {number}");
    }
}

#[tokio::test]
async fn it_gives_up_where_nothing_is_taken_for_too_long() {
    let table = plain_table().await;
    let proxy = FaultProxy::start(endpoint(), |n, _| {
        if n < 2 {
            Fault::None
        } else {
            Fault::Exception("ProvisionedThroughputExceededException")
        }
    })
    .await;
    let options = WriteOptions {
        in_flight: 1,
        patience: IMPATIENT,
        ..WriteOptions::default()
    };
    let start = Instant::now();
    let written = table_at(&proxy.url, table.name())
        .await
        .write_all(stream::iter(puts(&numbered(200))), &options, &mut |_| {})
        .await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!((written.written, written.first_unwritten), (50, Some(51)));
    let error = written.into_result("items").unwrap_err();
    assert!(matches!(error, Error::Partial { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("ProvisionedThroughputExceededException"),
        "{error}"
    );
    // It must not hammer a server that asks for a pause.
    assert!(proxy.calls.load(Ordering::Relaxed) < 20);
}

#[tokio::test]
async fn one_bad_item_is_found_among_its_batch() {
    let table = plain_table().await;
    let mut items = numbered(30);
    // The engine refuses a batch for an empty key; limits.rs would have seen it.
    items[7].insert("sk".into(), AttributeValue::S(String::new()));
    let options = WriteOptions {
        stop_on_rejection: false,
        ..WriteOptions::default()
    };
    let written = table
        .write_all(stream::iter(puts(&items)), &options, &mut |_| {})
        .await;
    assert_eq!(written.written, 29);
    let tags: Vec<_> = written.rejected.iter().map(|r| r.tag).collect();
    assert_eq!(tags, [8]);
    assert!(
        !written.rejected[0].message.is_empty(),
        "{:?}",
        written.rejected
    );
}

#[tokio::test]
async fn nothing_behind_a_bad_item_of_its_batch_is_written() {
    let table = plain_table().await;
    let mut items = numbered(25);
    items[7].insert("sk".into(), AttributeValue::S(String::new()));
    let options = WriteOptions::default();
    let written = table
        .write_all(stream::iter(puts(&items)), &options, &mut |_| {})
        .await;
    assert_eq!((written.written, written.unwritten), (7, 17));
    assert_eq!(written.first_unwritten, Some(9));
    let there = all_items(&table).await;
    let mut there: Vec<_> = there.iter().map(|item| key(item).1).collect();
    there.sort_unstable();
    let before: Vec<_> = items[..7].iter().map(|item| key(item).1).collect();
    assert_eq!(there, before);
}

#[tokio::test]
async fn large_items_share_a_call_only_as_far_as_they_fit() {
    let table = plain_table().await;
    let proxy = FaultProxy::start(endpoint(), |_, _| Fault::None).await;
    let text = "\u{1}".repeat(390_000);
    let items: Vec<_> = (0..12)
        .map(|n| item("MSG#1", &format!("{n:02}"), &text))
        .collect();
    let written = table_at(&proxy.url, table.name())
        .await
        .write_all(
            stream::iter(puts(&items)),
            &WriteOptions::default(),
            &mut |_| {},
        )
        .await
        .into_result("items")
        .unwrap();
    assert_eq!(written.written, 12);
    assert_eq!(all_items(&table).await.len(), 12);
}

#[tokio::test]
async fn no_table_and_no_server_are_said_as_such() {
    let table = crate::dynamodb::no_table().await;
    let requests = puts(&numbered(3));
    let options = WriteOptions::default();
    let written = table
        .write_all(stream::iter(requests.clone()), &options, &mut |_| {})
        .await;
    let error = written.into_result("items").unwrap_err();
    assert!(matches!(error, Error::TableNotFound { .. }), "{error}");
    let closed = table_at("http://127.0.0.1:9", "x").await;
    let written = closed
        .write_all(stream::iter(requests), &options, &mut |_| {})
        .await;
    let error = written.into_result("items").unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_stays_out_of_reach_is_called_that() {
    let table = plain_table().await;
    let proxy = FaultProxy::start(endpoint(), |_, _| Fault::Truncate).await;
    let options = WriteOptions {
        patience: IMPATIENT,
        ..WriteOptions::default()
    };
    let written = table_at(&proxy.url, table.name())
        .await
        .write_all(stream::iter(puts(&numbered(1))), &options, &mut |_| {})
        .await;
    let stopped = written.stopped;
    assert!(
        matches!(stopped, Some(Error::Unreachable { .. })),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn nothing_is_pulled_faster_than_it_is_taken() {
    let table = plain_table().await;
    let proxy = FaultProxy::start(endpoint(), |_, _| {
        Fault::Exception("ProvisionedThroughputExceededException")
    })
    .await;
    let mut pulled = HashSet::new();
    let source = stream::iter(numbered(5_000).into_iter().enumerate().map(|(n, item)| {
        pulled.insert(n);
        Request::put(&item, n as u64)
    }));
    let options = WriteOptions {
        patience: IMPATIENT,
        ..WriteOptions::default()
    };
    let through_proxy = table_at(&proxy.url, table.name()).await;
    through_proxy.write_all(source, &options, &mut |_| {}).await;
    // What is under way, and a call that is put together.
    let most = 25 * (options.in_flight + 1);
    assert!(pulled.len() <= most, "{} of {most}", pulled.len());
}

#[tokio::test]
async fn no_more_units_a_second_are_consumed_than_allowed() {
    let table = plain_table().await;
    let options = WriteOptions {
        max_capacity: Some(200.0),
        ..WriteOptions::default()
    };
    let begun = Instant::now();
    let written = table
        .write_all(stream::iter(puts(&numbered(500))), &options, &mut |_| {})
        .await;
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(written.written, 500);
    assert!(written.consumed_capacity >= 500.0, "{written:?}");
    let rate = written.consumed_capacity / seconds;
    assert!(rate <= 200.0, "{written:?} in {seconds} s");
}

#[tokio::test]
async fn a_call_that_costs_more_than_a_second_has_is_paid_for() {
    let table = plain_table().await;
    let text = "x".repeat(60_000);
    let items = [item("MSG#1", "1", &text), item("MSG#1", "2", &text)];
    let options = WriteOptions {
        max_capacity: Some(60.0),
        ..WriteOptions::default()
    };
    let begun = Instant::now();
    let written = table
        .write_all(stream::iter(puts(&items)), &options, &mut |_| {})
        .await;
    let seconds = begun.elapsed().as_secs_f64();
    assert!(written.consumed_capacity >= 118.0, "{written:?}");
    let rate = written.consumed_capacity / seconds;
    assert!(rate <= 60.0, "{written:?} in {seconds} s");
}

#[tokio::test]
async fn a_pace_leaves_nothing_out() {
    let mut repeated = numbered(10);
    repeated[1] = repeated[0].clone();
    let text = "x".repeat(60_000);
    let large: Vec<_> = (0..150)
        .map(|n| item("MSG#1", &format!("{n:03}"), &text))
        .collect();
    for (items, units) in [(repeated, 40.0), (large, 6_000.0)] {
        let options = WriteOptions {
            max_capacity: Some(units),
            ..WriteOptions::default()
        };
        let table = plain_table().await;
        let written = table
            .write_all(stream::iter(puts(&items)), &options, &mut |_| {})
            .await;
        assert_eq!(written.written, items.len() as u64, "{written:?}");
        assert_eq!(written.unwritten, 0, "{written:?}");
        let keys: HashSet<_> = items.iter().map(key).collect();
        assert_eq!(all_items(&table).await.len(), keys.len());
    }
}
