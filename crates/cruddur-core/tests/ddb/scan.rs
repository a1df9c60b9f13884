use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::batch::{Request, WriteOptions};
use cruddur_core::ddb::item::Item;
use cruddur_core::ddb::json::Attributes;
use cruddur_core::ddb::scan::{ScanOptions, Scanned};
use futures_util::stream;

use crate::dynamodb::{IMPATIENT, endpoint, key, plain_table, table_at};
use crate::fault_proxy::{Fault, FaultProxy};

async fn fill(table: &Table, count: usize) {
    let requests = (0..count).map(|n| {
        let text = |text: String| AttributeValue::S(text);
        let item = Item::from([
            ("pk".to_owned(), text(format!("MSG#{}", n % 97))),
            ("sk".to_owned(), text(format!("{n:06}"))),
            ("message".to_owned(), text("x".repeat(n % 2_000))),
        ]);
        Request::put(&item, 0)
    });
    table
        .write_all(
            stream::iter(requests),
            &WriteOptions::default(),
            &mut |_| {},
        )
        .await
        .into_result("items")
        .unwrap();
}

async fn scan(table: &Table, options: &ScanOptions) -> Result<(Vec<Item>, Scanned), Error> {
    let mut items = Vec::new();
    let scanned = table
        .scan::<Error>(options, |page| {
            items.extend(page.into_iter().map(Attributes::into_item));
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    Ok((items, scanned))
}

#[tokio::test]
async fn every_item_comes_once_with_any_number_of_segments() {
    let table = plain_table().await;
    fill(&table, 5_000).await;
    for segments in [None, Some(1), Some(2), Some(7), Some(50)] {
        let options = ScanOptions {
            segments,
            ..ScanOptions::default()
        };
        let (items, scanned) = scan(&table, &options).await.unwrap();
        let keys: HashSet<_> = items.iter().map(key).collect();
        assert_eq!((items.len(), keys.len()), (5_000, 5_000), "{segments:?}");
        assert_eq!((scanned.items, scanned.cut), (5_000, false), "{segments:?}");
        assert_eq!(scanned.consumed_capacity, 0.0);
    }
}

#[tokio::test]
async fn a_limit_counts_results_and_tells_whether_there_are_more() {
    let table = plain_table().await;
    fill(&table, 1_500).await;
    for segments in [None, Some(3)] {
        for (limit, items, cut) in [
            (0, 0, true),
            (1, 1, true),
            (1_200, 1_200, true),
            (1_499, 1_499, true),
            (1_500, 1_500, false),
            (9_999, 1_500, false),
        ] {
            let options = ScanOptions {
                segments,
                limit: Some(limit),
                ..ScanOptions::default()
            };
            let (found, scanned) = scan(&table, &options).await.unwrap();
            assert_eq!(
                (found.len(), scanned.items, scanned.cut),
                (items, items as u64, cut),
                "{limit} {segments:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_sink_that_has_enough_ends_the_scan() {
    let table = plain_table().await;
    fill(&table, 3_000).await;
    let mut pages = 0;
    let scanned = table
        .scan::<Error>(&ScanOptions::default(), |_| {
            pages += 1;
            Ok(ControlFlow::Break(()))
        })
        .await
        .unwrap();
    assert_eq!(pages, 1);
    assert!(scanned.items < 3_000);
    let failed = table
        .scan::<Error>(&ScanOptions::default(), |_| Err(Error::Failed("no".into())))
        .await;
    assert!(matches!(failed, Err(Error::Failed(_))));
}

#[tokio::test]
async fn a_busy_table_is_waited_for() {
    let table = plain_table().await;
    fill(&table, 3_000).await;
    let proxy = FaultProxy::start(endpoint(), |n, _| match n % 5 {
        4 => Fault::Empty,
        0 => Fault::Exception("ProvisionedThroughputExceededException"),
        1 => Fault::Truncate,
        2 => Fault::ServerError,
        _ => Fault::None,
    })
    .await;
    let through_proxy = table_at(&proxy.url, table.name()).await;
    let (items, _) = scan(&through_proxy, &ScanOptions::default()).await.unwrap();
    let keys: HashSet<_> = items.iter().map(key).collect();
    assert_eq!((items.len(), keys.len()), (3_000, 3_000));
}

#[tokio::test]
async fn but_not_for_ever() {
    let table = plain_table().await;
    let proxy = FaultProxy::start(endpoint(), |_, _| Fault::Exception("ThrottlingException")).await;
    let through_proxy = table_at(&proxy.url, table.name()).await;
    let options = ScanOptions {
        patience: IMPATIENT,
        ..ScanOptions::default()
    };
    let error = scan(&through_proxy, &options).await.unwrap_err();
    assert!(error.to_string().contains("ThrottlingException"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_scanned_is_said() {
    let table = crate::dynamodb::no_table().await;
    let error = scan(&table, &ScanOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::TableNotFound { .. }), "{error}");
    let none = ScanOptions {
        segments: Some(0),
        ..ScanOptions::default()
    };
    let error = scan(&table, &none).await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
}

/// The other bound, that it is no slower, is held for [`Pace`] without a server.
#[tokio::test]
async fn no_more_units_a_second_are_consumed_than_allowed() {
    let table = plain_table().await;
    fill(&table, 3_000).await;
    for segments in [None, Some(4)] {
        let options = ScanOptions {
            segments,
            max_capacity: Some(100.0),
            ..ScanOptions::default()
        };
        let begun = Instant::now();
        let (items, scanned) = scan(&table, &options).await.unwrap();
        assert_eq!(items.len(), 3_000);
        let seconds = begun.elapsed().as_secs_f64();
        assert!(scanned.consumed_capacity > 300.0, "{scanned:?}");
        let rate = scanned.consumed_capacity / seconds;
        assert!(rate <= 100.0, "{scanned:?} in {seconds} s");
    }
}
