//! Patterns C and D.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::{Item, message_pk};
use cruddur_core::ddb::patterns::Window;
use serde_json::json;
use uuid::Uuid;

use crate::proxy::{Action, Proxy, canceled, exception};
use crate::support::*;

/// Key and text of every message of a group.
async fn messages(table: &Table, group: Uuid) -> Vec<(String, String)> {
    let pages = client()
        .query()
        .table_name(table.name())
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", s(message_pk(group)))
        .into_paginator()
        .items()
        .send();
    let items: Vec<Item> = pages.try_collect().await.unwrap();
    let of = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    items
        .iter()
        .map(|i| (of(i, "sk"), of(i, "message")))
        .collect()
}

#[tokio::test]
async fn messages_of_one_microsecond_all_survive() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let writes = ["a", "b", "c", "d", "e"];
    let writes = writes.map(|text| table.create_message(group, &one, text, at(7)));
    futures_util::future::try_join_all(writes).await.unwrap();
    let mut texts: Vec<_> = messages(&table, group)
        .await
        .into_iter()
        .map(|m| m.1)
        .collect();
    texts.sort();
    assert_eq!(texts, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_not_put_twice() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&direct, &one, &other, 0).await;
    let proxy = Proxy::losing_first(engine(), "PutItem").await;
    let table = table_at(&proxy.url, direct.name()).await;
    table
        .create_message(group, &one, "once", at(7))
        .await
        .unwrap();
    assert_eq!(proxy.count("PutItem"), 2);
    assert_eq!(messages(&direct, group).await.len(), 1);
}

#[tokio::test]
async fn text_is_kept_exactly_up_to_what_an_item_holds() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let awkward = "a \"quoted\"\r\n\tline — 🖖 \u{0} end ";
    table
        .create_message(group, &one, awkward, at(1))
        .await
        .unwrap();
    assert_eq!(messages(&table, group).await[0].1, awkward);

    let error = table
        .create_message(group, &one, &"é".repeat(300_000), at(2))
        .await;
    let Err(Error::Usage(message)) = error else {
        panic!("{error:?}")
    };
    assert!(
        message.starts_with("the text has 600000 bytes"),
        "{message}"
    );
    let most = message.split("takes ").nth(1).unwrap();
    let most: usize = most.split(':').next().unwrap().parse().unwrap();
    let longest = "x".repeat(most);
    table
        .create_message(group, &one, &longest, at(3))
        .await
        .unwrap();
    // What was taken can be shown in the conversation list, too.
    let mut record = inserted(group, &one, 3);
    let image = record.change.as_mut().unwrap().new_image.as_mut().unwrap();
    image.insert("message".into(), s(&longest));
    let applied = cruddur_core::stream::apply(&table, &[record]).await;
    assert_eq!(applied.moved.len(), 1, "{:?}", applied.failures);

    let empty = table.create_message(group, &one, "", at(4)).await;
    assert!(matches!(empty, Err(Error::Usage(_))), "{empty:?}");
}

#[tokio::test]
async fn only_who_takes_part_writes() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let refused = table
        .create_message(group, &person("worf"), "hi", at(1))
        .await;
    assert!(matches!(refused, Err(Error::Failed(_))), "{refused:?}");
    let unknown = table
        .create_message(Uuid::new_v4(), &one, "hi", at(1))
        .await;
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_clock_that_ran_backwards_does_not_hide_a_message() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 100).await;
    let message = table
        .create_message(group, &one, "last", at(40))
        .await
        .unwrap();
    assert_eq!(message.created_at, at(101));
    // Nor is one that the group has not moved to yet.
    for (now, expected) in [(200, 200), (50, 201)] {
        let message = table.create_message(group, &one, "later", at(now)).await;
        assert_eq!(message.unwrap().created_at, at(expected));
    }
}

#[tokio::test]
async fn a_new_group_is_three_items_and_the_second_call_names_it() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let new = table
        .create_message_group(&one, &other, "text 5", at(5))
        .await
        .unwrap();
    let group = new.groups[0].message_group_uuid;
    assert_at(&table, &one, group, 5).await;
    assert_at(&table, &other, group, 5).await;
    assert_eq!(messages(&table, group).await.len(), 1);
    for (sender, receiver) in [(&one, &other), (&other, &one)] {
        let again = table
            .create_message_group(sender, receiver, "hi", at(6))
            .await;
        let Err(Error::GroupExists {
            message_group_uuid, ..
        }) = again
        else {
            panic!("{again:?}")
        };
        assert_eq!(message_group_uuid, group.to_string());
    }
    let oneself = table.create_message_group(&one, &one, "hi", at(6)).await;
    assert!(matches!(oneself, Err(Error::Usage(_))), "{oneself:?}");
}

#[tokio::test]
async fn two_who_begin_a_group_at_once_have_one() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    // Both have looked before either writes.
    let mine = table.draft_message_group(&one, &other, "text 5", at(5));
    let mine = mine.await.unwrap();
    let theirs = table.draft_message_group(&other, &one, "text 9", at(9));
    let theirs = theirs.await.unwrap();
    let (mine, theirs) = tokio::join!(
        table.put_message_group(mine),
        table.put_message_group(theirs),
    );
    let group = mine.unwrap().groups[0].message_group_uuid;
    assert_eq!(theirs.unwrap().groups[0].message_group_uuid, group);
    assert_eq!(messages(&table, group).await.len(), 2);
    assert_at(&table, &one, group, 9).await;
    assert_at(&table, &other, group, 9).await;
}

#[tokio::test]
async fn a_new_group_does_not_write_over_another_of_the_same_microsecond() {
    let table = table().await;
    let (one, two, three) = (person("andrewbrown"), person("bayko"), person("worf"));
    let first = group(&table, &one, &two, 5).await;
    let new = table
        .create_message_group(&one, &three, "text 6", at(5))
        .await
        .unwrap();
    assert_eq!(new.message.created_at, at(6));
    assert_at(&table, &one, first, 5).await;
    assert_at(&table, &one, new.groups[0].message_group_uuid, 6).await;
}

#[tokio::test]
async fn a_page_that_leads_back_to_itself_is_not_taken_for_the_last() {
    let key = json!({"pk": {"S": "MSG#x"}, "sk": {"S": "2023"}});
    let page = json!({"Items": [key], "Count": 1, "LastEvaluatedKey": key});
    let names = json!({"TableNames": ["a"], "LastEvaluatedTableName": "a"});
    let proxy = Proxy::start(engine(), move |call| match call.operation.as_str() {
        "ListTables" => Action::Answer(200, names.clone()),
        _ => Action::Answer(200, page.clone()),
    })
    .await;
    let table = table_at(&proxy.url, "t").await;
    let window = Window {
        year: None,
        before: None,
        limit: 1000,
    };
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = Uuid::new_v4();
    for error in [
        table.messages(group, window).await.unwrap_err(),
        table.list_tables().await.unwrap_err(),
        table
            .create_message_group(&one, &other, "hi", at(6))
            .await
            .unwrap_err(),
        table
            .create_message(group, &one, "hi", at(6))
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::WrongServer { .. }), "{error}");
        assert!(error.to_string().contains("again and again"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_a_list_is_not_an_empty_list() {
    let proxy = Proxy::start(engine(), |_| Action::Answer(200, json!({}))).await;
    let table = table_at(&proxy.url, "t").await;
    let window = Window {
        year: None,
        before: None,
        limit: 1000,
    };
    let group = Uuid::new_v4();
    for error in [
        table.messages(group, window).await.unwrap_err(),
        table.list_tables().await.unwrap_err(),
        table.summary().await.unwrap_err(),
        table
            .create_message(group, &person("bayko"), "hi", at(6))
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::WrongServer { .. }), "{error}");
        assert!(error.to_string().contains("its answer is empty"), "{error}");
    }
}

/// It keeps its time: no key was taken.
#[tokio::test]
async fn a_new_group_waits_for_capacity() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let left = AtomicI32::new(5);
    let proxy = Proxy::start(engine(), move |call| {
        let busy =
            call.operation == "TransactWriteItems" && left.fetch_sub(1, Ordering::SeqCst) > 0;
        match busy {
            true => Action::Answer(400, canceled("ThrottlingError", 3)),
            false => Action::Forward,
        }
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let new = table.create_message_group(&one, &other, "hi", at(6)).await;
    let new = new.unwrap();
    assert_eq!(new.message.created_at, at(6));
    assert_eq!(proxy.count("TransactWriteItems"), 6);
    let written = messages(&direct, new.groups[0].message_group_uuid).await;
    assert_eq!(written.len(), 1);
}

#[tokio::test]
async fn a_new_group_is_written_whatever_comes_after_it() {
    let direct = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let written = AtomicBool::new(false);
    let proxy = Proxy::start(engine(), move |call| {
        let before = match call.operation == "TransactWriteItems" {
            true => written.swap(true, Ordering::SeqCst),
            false => written.load(Ordering::SeqCst),
        };
        match before {
            true => exception("AccessDeniedException"),
            false => Action::Forward,
        }
    })
    .await;
    let table = table_at(&proxy.url, direct.name()).await;
    let new = table.create_message_group(&one, &other, "hi", at(6)).await;
    let group = new.unwrap().groups[0].message_group_uuid;
    assert_eq!(messages(&direct, group).await.len(), 1);
    // It was asked, and denied, what else there is of the group.
    assert_eq!(proxy.count("Query"), 3);
}

#[tokio::test]
async fn nothing_comes_after_the_last_key_of_all() {
    let table = table().await;
    let (one, other) = (person("andrewbrown"), person("bayko"));
    let group = group(&table, &one, &other, 0).await;
    let mut item = group_item(group, &one, &other, 0);
    item.insert("sk".into(), s("9999-12-31T23:59:59.999999+00:00"));
    put(&table, item).await;
    let error = table.create_message(group, &one, "later", at(1)).await;
    assert!(error.unwrap_err().to_string().contains("9999"));
    assert!(messages(&table, group).await.is_empty());
}
