mod others;

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::{Item, Person, text};
use cruddur_core::ddb::seed::{Conversation, SeedOptions, SeedState, Seeded, built_in};
use cruddur_core::time::{parse_instant, to_key};

use crate::dynamodb::{all_items, client, endpoint, key, no_table, table, table_at};
use crate::fault_proxy::{Fault, FaultProxy};

fn people() -> [Person; 2] {
    let person = |uuid: &str, name: &str, handle: &str| Person {
        uuid: uuid.into(),
        display_name: name.into(),
        handle: handle.into(),
    };
    [
        person(
            "11111111-1111-4111-8111-111111111111",
            "Andrew Brown",
            "andrewbrown",
        ),
        person(
            "22222222-2222-4222-8222-222222222222",
            "Andrew Bayko",
            "bayko",
        ),
    ]
}

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

fn options(ending_at: &str) -> SeedOptions {
    SeedOptions {
        ending_at: at(ending_at),
        now: at("2026-06-01T12:00:00Z"),
        refresh: false,
        dry_run: false,
        max_capacity: None,
    }
}

fn refresh(ending_at: &str) -> SeedOptions {
    SeedOptions {
        refresh: true,
        ..options(ending_at)
    }
}

fn conversation() -> Conversation {
    built_in().unwrap().remove(0)
}

async fn seed(table: &Table, options: &SeedOptions) -> Result<Seeded, Error> {
    table
        .seed(&conversation(), &people(), options, &mut |_, _| {})
        .await
}

/// Makes sure that the table holds the conversation once, a minute apart, ending
/// at a time, and two group items that say `last`.
async fn assert_stands(table: &Table, ending_at: &str, strangers: usize, last: (&str, &str)) {
    let conversation = conversation();
    let items = all_items(table).await;
    let (messages, groups): (Vec<&Item>, Vec<&Item>) = items
        .iter()
        .partition(|item| key(item).0.starts_with("MSG#"));
    let count = conversation.messages.len();
    assert_eq!(messages.len(), count + strangers);
    let by_uuid: HashMap<_, _> = messages
        .iter()
        .map(|item| (text(item, "message_uuid").unwrap().to_owned(), *item))
        .collect();
    for (position, line) in conversation.messages.iter().enumerate() {
        let item = by_uuid[&conversation.message_uuid(position).to_string()];
        let back = i64::try_from(count - 1 - position).unwrap();
        let expected = to_key(at(ending_at) - Duration::minutes(back));
        assert_eq!(key(item).1, expected, "message {position}");
        assert_eq!(text(item, "message"), Some(line.message.as_str()));
        assert_eq!(
            text(item, "user_handle"),
            Some(conversation.users[line.speaker].as_str())
        );
        assert!(!item.contains_key("message_group_uuid"));
    }
    assert_eq!(groups.len(), 2);
    for (owner, other) in [(0, 1), (1, 0)] {
        let pk = format!("GRP#{}", people()[owner].uuid);
        let item = groups.iter().find(|item| key(item).0 == pk).unwrap();
        assert_eq!(
            text(item, "user_handle"),
            Some(people()[other].handle.as_str())
        );
        assert_eq!(key(item).1, to_key(at(last.0)));
        assert_eq!(text(item, "message"), Some(last.1));
    }
}

fn last_line() -> String {
    conversation().messages.last().unwrap().message.clone()
}

async fn put(table: &Table, item: Item) {
    client()
        .put_item()
        .table_name(table.name())
        .set_item(Some(item))
        .send()
        .await
        .unwrap();
}

async fn delete(table: &Table, (pk, sk): (String, String)) {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    client()
        .delete_item()
        .table_name(table.name())
        .key("pk", S(pk))
        .key("sk", S(sk))
        .send()
        .await
        .unwrap();
}

const NOON: &str = "2026-05-01T12:00:00.123456Z";
const LATER: &str = "2026-05-01T12:07:00.123456Z";

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let table = table().await;
    let dry = SeedOptions {
        dry_run: true,
        ..options(NOON)
    };
    let would = seed(&table, &dry).await.unwrap();
    assert_eq!((would.state, would.written), (SeedState::Created, 48));
    assert!(all_items(&table).await.is_empty());
    let first = seed(&table, &options(NOON)).await.unwrap();
    assert_eq!((first.state, first.written), (SeedState::Created, 48));
    let told = serde_json::to_value(&first).unwrap();
    assert_eq!(told["last_at"], to_key(at(NOON)));
    assert_stands(&table, NOON, 0, (NOON, &last_line())).await;
    let before = all_items(&table).await;
    for ending_at in [NOON, LATER] {
        let second = seed(&table, &options(ending_at)).await.unwrap();
        assert_eq!(second.state, SeedState::AlreadyThere);
        assert_eq!((second.written, second.last_at), (0, at(NOON)));
    }
    assert_eq!(all_items(&table).await, before);
}

#[tokio::test]
async fn a_crash_at_any_point_is_completed_with_the_same_times() {
    let whole = table().await;
    seed(&whole, &options(NOON)).await.unwrap();
    let items = all_items(&whole).await;
    for (lost, seed_of) in [(1, 3), (20, 5), (45, 7), (46, 11), (47, 13)] {
        let table = table_with(&items, lost, seed_of).await;
        let again = seed(&table, &options(LATER)).await.unwrap();
        assert!(again.written > 0, "{again:?}");
        // Unless not one message was left, the old time holds.
        let end = if again.state == SeedState::Created {
            LATER
        } else {
            NOON
        };
        assert_stands(&table, end, 0, (end, &last_line())).await;
    }
}

/// A table with the items but for some, in an order that a number decides.
async fn table_with(items: &[Item], lost: usize, number: usize) -> crate::dynamodb::TestTable {
    let table = table().await;
    let (groups, messages): (Vec<&Item>, Vec<&Item>) = items
        .iter()
        .partition(|item| key(item).0.starts_with("GRP#"));
    // Groups are written last, so they are lost first.
    let order = groups
        .into_iter()
        .chain((0..messages.len()).map(|n| messages[(n * number) % messages.len()]));
    let mut seen = std::collections::HashSet::new();
    for item in order.filter(|item| seen.insert(key(item))).skip(lost) {
        put(&table, item.clone()).await;
    }
    table
}

#[tokio::test]
async fn a_refresh_leaves_no_old_item_behind() {
    let table = table().await;
    seed(&table, &options(NOON)).await.unwrap();
    // Seven minutes on, most keys are those of other messages before; and back.
    for end in [LATER, NOON, "2026-06-01T12:00:00Z", "2026-01-01T00:00:00Z"] {
        let moved = seed(&table, &refresh(end)).await.unwrap();
        assert_eq!(moved.state, SeedState::Refreshed);
        assert_stands(&table, end, 0, (end, &last_line())).await;
    }
}

#[tokio::test]
async fn more_old_group_items_than_a_transaction_takes_are_removed() {
    let table = table().await;
    seed(&table, &options(NOON)).await.unwrap();
    let items = all_items(&table).await;
    let pk = format!("GRP#{}", people()[0].uuid);
    let group = items.iter().find(|item| key(item).0 == pk).unwrap();
    for minutes in 1..=130 {
        let sk = to_key(at(NOON) - Duration::minutes(minutes));
        let mut old = group.clone();
        old.insert("sk".into(), aws_sdk_dynamodb::types::AttributeValue::S(sk));
        put(&table, old).await;
    }
    let healed = seed(&table, &options(NOON)).await.unwrap();
    assert_eq!(healed.deleted, 130);
    assert_stands(&table, NOON, 0, (NOON, &last_line())).await;
}

#[tokio::test]
async fn a_refresh_cut_short_is_healed_by_either_command() {
    for end in [LATER, "2026-05-03T01:02:03Z"] {
        for calls in 3..12 {
            let table = table().await;
            seed(&table, &options(NOON)).await.unwrap();
            // The engine is gone after so many calls.
            let proxy = FaultProxy::start(endpoint(), move |n, _| {
                if n < calls {
                    Fault::None
                } else {
                    Fault::Exception("AccessDeniedException")
                }
            })
            .await;
            let cut = table_at(&proxy.url, table.name()).await;
            let cut = seed(&cut, &refresh(end)).await;
            if calls < 7 {
                assert!(cut.is_err(), "{calls}");
            }
            if calls % 2 == 0 {
                seed(&table, &refresh(end)).await.unwrap();
                assert_stands(&table, end, 0, (end, &last_line())).await;
            } else {
                let healed = seed(&table, &options(NOON)).await.unwrap();
                let end = to_key(healed.last_at);
                assert_stands(&table, &end, 0, (&end, &last_line())).await;
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_has_grown_waits_for_a_refresh_if_time_is_short() {
    let table = table().await;
    let mut shorter = conversation();
    shorter.messages.truncate(40);
    let now = SeedOptions {
        ending_at: at("2026-06-01T12:00:00Z"),
        ..options(NOON)
    };
    table
        .seed(&shorter, &people(), &now, &mut |_, _| {})
        .await
        .unwrap();
    let error = seed(&table, &now).await.unwrap_err();
    assert!(error.to_string().contains("in the future"), "{error}");
    seed(&table, &refresh("2026-06-01T12:00:00Z"))
        .await
        .unwrap();
    let end = "2026-06-01T12:00:00Z";
    assert_stands(&table, end, 0, (end, &last_line())).await;
    // And one that has shrunk leaves nothing behind when it is refreshed.
    let moved = table
        .seed(&shorter, &people(), &refresh(NOON), &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(moved.messages, 40);
    assert_eq!(all_items(&table).await.len(), 42);
}

#[tokio::test]
async fn what_cannot_be_seeded_is_said() {
    let table = table().await;
    let error = seed(&table, &options("2026-06-01T12:00:01Z"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    // It is small enough by itself, but not with its keys and names.
    let mut large = conversation();
    large.messages[3].message = "x".repeat(409_500);
    let line = large.messages[3].line;
    let error = table
        .seed(&large, &people(), &options(NOON), &mut |_, _| {})
        .await
        .unwrap_err();
    let place = format!("seeds/andrewbrown-bayko.json:{line}: ");
    assert!(error.to_string().starts_with(&place), "{error}");
    assert!(all_items(&table).await.is_empty());
    let error = seed(&table, &options("0001-01-01T00:00:00Z")).await;
    assert!(error.unwrap_err().to_string().contains("the year 0001"));
    let absent = no_table().await;
    let error = seed(&absent, &options(NOON)).await.unwrap_err();
    assert!(matches!(error, Error::TableNotFound { .. }), "{error}");
}
