//! Seeding a table into which others write as well.

use chrono::Duration;
use cruddur_core::ddb::item::{Item, Message, MessageGroup, Person, text};
use cruddur_core::ddb::seed::{SeedOptions, SeedState};
use cruddur_core::time::{parse_instant, to_key};
use uuid::Uuid;

use super::{
    LATER, NOON, assert_stands, at, conversation, delete, last_line, options, people, put, refresh,
    seed,
};
use crate::dynamodb::{all_items, key, table};

fn stranger(created_at: &str, message: &str) -> Message {
    Message {
        message_group_uuid: conversation().message_group_uuid.to_string(),
        created_at: at(created_at),
        message_uuid: Uuid::new_v4(),
        message: message.into(),
        sender: people()[0].clone(),
    }
}

#[tokio::test]
async fn what_people_wrote_survives_and_leads_the_lists() {
    let table = table().await;
    seed(&table, &options(NOON)).await.unwrap();
    let reply_at = "2026-05-01T12:30:00Z";
    put(&table, stranger(reply_at, "And now?").to_item()).await;
    // As pattern E does it when the stream gets there.
    for item in all_items(&table).await {
        if key(&item).0.starts_with("GRP#") {
            delete(&table, key(&item)).await;
        }
    }
    for owner in 0..2 {
        let group = MessageGroup {
            message_group_uuid: conversation().message_group_uuid,
            owner_uuid: people()[owner].uuid.clone(),
            last_message_at: at(reply_at),
            message: "And now?".into(),
            other: people()[1 - owner].clone(),
        };
        put(&table, group.to_item()).await;
    }
    let again = seed(&table, &options(LATER)).await.unwrap();
    assert_eq!(again.state, SeedState::AlreadyThere);
    seed(&table, &refresh(LATER)).await.unwrap();
    assert_stands(&table, LATER, 1, (reply_at, "And now?")).await;
    let newer = "2026-05-02T00:00:00Z";
    seed(&table, &refresh(newer)).await.unwrap();
    assert_stands(&table, newer, 1, (newer, &last_line())).await;
    // A message of somebody at the very time of a new one stays, too.
    let odd = "2026-05-03T00:00:00Z";
    put(&table, stranger(odd, "Hm.").to_item()).await;
    let moved = seed(&table, &refresh(odd)).await.unwrap();
    assert_eq!(moved.last_at, at(odd) - Duration::microseconds(1));
    assert_stands(&table, &to_key(moved.last_at), 2, (odd, "Hm.")).await;
}

/// Whatever each of them does, whatever there was, and whenever the second begins.
#[tokio::test]
async fn a_conversation_of_others_is_not_joined() {
    let table = table().await;
    seed(&table, &options(NOON)).await.unwrap();
    let before = all_items(&table).await;
    let [one, _] = people();
    let third = Person {
        uuid: "33333333-0000-4000-8000-000000000000".to_owned(),
        display_name: "Londo Mollari".to_owned(),
        handle: "londo".to_owned(),
    };
    let mut conversation = conversation();
    conversation.users[1] = "londo".to_owned();
    let error = table
        .seed(&conversation, &[one, third], &options(NOON), &mut |_, _| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("bayko writes there"), "{error}");
    assert_eq!(all_items(&table).await, before);
}

#[tokio::test]
async fn two_runs_at_once_leave_one_conversation() {
    let ways = [options(NOON), options(LATER), refresh(NOON), refresh(LATER)];
    for round in 0..16 {
        let table = table().await;
        let (one, other) = (&ways[round % 4], &ways[round / 4 % 4]);
        // Nothing, a conversation without its newest items, or all of it.
        let lost = [usize::MAX, 20, 0][round % 3];
        seed(&table, &options("2026-05-01T11:40:00Z"))
            .await
            .unwrap();
        let keys = all_items(&table).await.iter().map(key).collect::<Vec<_>>();
        for key in keys.into_iter().rev().take(lost) {
            delete(&table, key).await;
        }
        let late = async {
            tokio::time::sleep(std::time::Duration::from_millis(round as u64 * 7 % 60)).await;
            seed(&table, other).await
        };
        let (one, other) = tokio::join!(seed(&table, one), late);
        let ends = [one.unwrap().last_at, other.unwrap().last_at];
        let last = seed(&table, &options(NOON)).await.unwrap();
        assert_eq!(last.state, SeedState::AlreadyThere, "{round}: {ends:?}");
        let end = to_key(last.last_at);
        assert_stands(&table, &end, 0, (&end, &last_line())).await;
    }
}

/// What two refreshes to different times can leave that cross each other.
#[tokio::test]
async fn a_group_item_without_its_message_is_mended() {
    let table = table().await;
    seed(&table, &options(LATER)).await.unwrap();
    let groups: Vec<Item> = all_items(&table)
        .await
        .into_iter()
        .filter(|item| item.contains_key("message_group_uuid"))
        .collect();
    seed(&table, &refresh(NOON)).await.unwrap();
    for item in groups {
        put(&table, item).await;
    }
    let mended = seed(&table, &options(NOON)).await.unwrap();
    assert_eq!(mended.state, SeedState::Completed);
    assert_eq!((mended.written, mended.deleted), (0, 2));
    assert_stands(&table, NOON, 0, (NOON, &last_line())).await;
}

#[tokio::test]
async fn what_another_run_has_just_begun_is_completed() {
    let table = table().await;
    // It began a moment later than this one, and was the first to write.
    let mut other = options("2026-06-01T12:00:00.000001Z");
    other.now = other.ending_at;
    seed(&table, &other).await.unwrap();
    let last = all_items(&table).await.iter().map(key).max().unwrap();
    delete(&table, last).await;
    let now = at("2026-06-01T12:00:00Z");
    let ours = SeedOptions {
        ending_at: now,
        now,
        ..other
    };
    let seeded = seed(&table, &ours).await.unwrap();
    assert_eq!(seeded.state, SeedState::Completed);
    assert_eq!(seeded.last_at, other.ending_at);
}

#[tokio::test]
async fn other_conversations_are_noticed() {
    let table = table().await;
    let ours = [conversation().message_group_uuid];
    assert!(!table.holds_other_conversations(&ours).await.unwrap());
    seed(&table, &options(NOON)).await.unwrap();
    assert!(!table.holds_other_conversations(&ours).await.unwrap());
    assert!(table.holds_other_conversations(&[]).await.unwrap());
}

/// Their group items of one person would have the same key.
#[tokio::test]
async fn conversations_of_a_person_that_end_at_once_stand_side_by_side() {
    let table = table().await;
    let mut other = conversation();
    other.message_group_uuid = Uuid::new_v4();
    let both = [conversation(), other];
    for (options, state) in [
        (options(NOON), SeedState::Created),
        (options(NOON), SeedState::AlreadyThere),
        (refresh(LATER), SeedState::Refreshed),
        (options(NOON), SeedState::AlreadyThere),
    ] {
        for conversation in &both {
            let seeded = table
                .seed(conversation, &people(), &options, &mut |_, _| {})
                .await
                .unwrap();
            assert_eq!(seeded.state, state);
        }
    }
    let items = all_items(&table).await;
    for conversation in &both {
        let uuid = conversation.message_group_uuid.to_string();
        let is_ours = |item: &&Item| text(item, "message_group_uuid") == Some(&uuid);
        let owners: Vec<_> = items.iter().filter(is_ours).map(|i| key(i).0).collect();
        assert_eq!(owners.len(), 2, "{uuid}");
        assert_ne!(owners[0], owners[1], "{uuid}");
    }
    let groups: Vec<_> = items.iter().map(key).collect();
    for (pk, sk) in groups.iter().filter(|(pk, _)| pk.starts_with("GRP#")) {
        let beside = parse_instant(sk).unwrap() - at(LATER);
        assert!(
            (0..=1).contains(&beside.num_microseconds().unwrap()),
            "{pk} {sk}"
        );
    }
}
