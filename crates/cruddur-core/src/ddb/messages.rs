//! The access patterns that write: **C** a new message in a group, **D** a new
//! group with its first message.
//!
//! Each comes in two steps, so that the first alone shows what would be
//! written: a draft, for which everything is checked, and the write, whose
//! conditions hold whatever happened in between. Neither moves the items of an
//! existing group; that is pattern E, see [`crate::stream`].

use std::time::Duration;

use chrono::{DateTime, Datelike as _, SubsecRound as _, TimeDelta, Utc};
use uuid::Uuid;

use super::Table;
use super::groups::GroupItem;
use super::item::{Item, Message, MessageGroup, Person, message_pk, string};
use super::json::Attributes;
use super::limits::{MAX_ITEM_SIZE, item_size};
use super::transaction::{Actions, Condition};
use crate::stream::{self, Newest};
use crate::{Error, Result, time};

/// How often a key that is taken is left for the next microsecond. Two writers
/// need one, and no table takes a hundred writes in one place at once.
const TRIES: u32 = 100;
/// How long a group waits for the table to have capacity for it: a person does.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the uuid of a group is made from, with its two participants.
const GROUPS: Uuid = Uuid::from_u128(0x8d0f_6a52_3a0e_4c0f_9d5b_6c1f_0b7e_2f41);

/// A group that is new, with its first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    /// The first message.
    pub message: Message,
    /// What the sender, then what the receiver sees of the group.
    pub groups: [MessageGroup; 2],
}

impl Table {
    /// Pattern C, without the write: the message that [`Table::put_message`]
    /// would put.
    ///
    /// Its time is `now`, but never before the group's last message, whether the
    /// group's items have moved to that one yet or not: where a clock ran
    /// backwards, or another's runs ahead, the new message still comes last,
    /// which a conversation relies on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no such group, [`Error::Failed`] where
    /// the sender takes no part in it, [`Error::Usage`] where the text is empty
    /// or too long, [`Error::TableIncomplete`] where the index is missing.
    pub async fn draft_message(
        &self,
        group: Uuid,
        sender: &Person,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Message> {
        not_empty(text)?;
        let id = group.to_string();
        let mut items = self.group_items_by_index(&id).await?;
        if !items.iter().any(|item| item.owner == sender.uuid) {
            // The index may not have it yet.
            items.extend(self.group_items_of(&sender.uuid, &id).await?);
        }
        let own = items.iter().filter(|item| item.owner == sender.uuid);
        let Some(last) = own.map(GroupItem::at).max() else {
            return Err(self.no_part(group, sender, &items));
        };
        let last = last.max(self.last_message_at(group).await?);
        let after = last.map(|last| last + TimeDelta::microseconds(1));
        if after.is_some_and(|after| after.year() > 9999) {
            return Err(Error::Failed(format!(
                "the message group {id} stands at the end of the year 9999, after which no key comes"
            )));
        }
        let message = Message {
            message_group_uuid: group,
            created_at: after.map_or(now, |after| after.max(now)).trunc_subsecs(6),
            message_uuid: Uuid::new_v4(),
            message: text.to_owned(),
            sender: sender.clone(),
        };
        // The text goes into the participants' items as well, by pattern E.
        let groups = items.into_iter().map(|item| with_text(item.item, text));
        fits(text, groups.chain([message.to_item()]))?;
        Ok(message)
    }

    /// Pattern C: puts a message that was drafted. Two that have the same
    /// microsecond are both kept: the second moves on by one.
    ///
    /// Returns the message as it was put.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`], or why the request failed; [`Error::Service`]
    /// where a hundred keys in a row are taken.
    pub async fn put_message(&self, mut message: Message) -> Result<Message> {
        for _ in 0..TRIES {
            let put = self
                .client
                .put_item()
                .table_name(&self.name)
                .set_item(Some(message.to_item()))
                .condition_expression("attribute_not_exists(pk)")
                .send()
                .await;
            let error = match put {
                Ok(_) => return Ok(message),
                Err(error) => error,
            };
            let taken = error
                .as_service_error()
                .is_some_and(|error| error.is_conditional_check_failed_exception());
            if !taken {
                return Err(self.error(error));
            }
            // A request that was sent again because its answer was lost finds
            // the item that it has put itself.
            if self.holds(&message).await? {
                return Ok(message);
            }
            message.created_at += TimeDelta::microseconds(1);
        }
        Err(self.error_of(
            "ConditionalCheckFailedException",
            &format!("{TRIES} keys in a row were taken"),
        ))
    }

    /// Pattern C: a new message in a group, checked and put.
    ///
    /// # Errors
    ///
    /// As [`Table::draft_message`].
    pub async fn create_message(
        &self,
        group: Uuid,
        sender: &Person,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Message> {
        let message = self.draft_message(group, sender, text, now).await?;
        self.put_message(message).await
    }

    /// Pattern D, without the write: the items that [`Table::put_message_group`]
    /// would put.
    ///
    /// # Errors
    ///
    /// [`Error::GroupExists`] where the two have a group, [`Error::Usage`] where
    /// they are the same person, or the text is empty or too long.
    pub async fn draft_message_group(
        &self,
        sender: &Person,
        receiver: &Person,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<NewGroup> {
        not_empty(text)?;
        if sender.uuid == receiver.uuid {
            return Err(Error::Usage(format!(
                "{} cannot have a message group with themselves",
                sender.handle
            )));
        }
        self.no_group_between(sender, receiver).await?;
        let group = NewGroup::draft(sender, receiver, text, now.trunc_subsecs(6));
        fits(text, group.items())?;
        Ok(group)
    }

    /// Pattern D: puts a group that was drafted, all three items or none.
    ///
    /// The group's uuid follows from the two people. So if two of these run at
    /// the same time for the same two, neither of which sees the other, there
    /// is still one group, with both messages; the item that each participant
    /// has too many then is removed here, or by pattern E if this is cut off.
    ///
    /// # Errors
    ///
    /// [`Error::GroupExists`] where the two have come to have a group.
    pub async fn put_message_group(&self, mut new: NewGroup) -> Result<NewGroup> {
        for _ in 0..TRIES {
            let mut actions = Actions::default();
            for item in new.items() {
                actions.put(self, item, Condition::absent());
            }
            let sent = self.transact_patiently(&actions, None, PATIENCE);
            if sent.await?.is_some() {
                // It is written. What cannot be done now, pattern E does with either
                // message.
                let _ = self.merge(&new).await;
                return Ok(new);
            }
            let [sender, receiver] = &new.groups;
            self.no_group_between(&receiver.other, &sender.other)
                .await?;
            // Another group of one of the two stands at this very microsecond.
            new.set_time(new.message.created_at + TimeDelta::microseconds(1));
        }
        Err(self.error_of(
            "ConditionalCheckFailedException",
            &format!("{TRIES} keys in a row were taken"),
        ))
    }

    /// Pattern D: a new group with its first message, checked and put.
    ///
    /// # Errors
    ///
    /// As [`Table::draft_message_group`].
    pub async fn create_message_group(
        &self,
        sender: &Person,
        receiver: &Person,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<NewGroup> {
        let draft = self.draft_message_group(sender, receiver, text, now);
        self.put_message_group(draft.await?).await
    }

    /// The time of the newest message that stands in a group.
    async fn last_message_at(&self, group: Uuid) -> Result<Option<DateTime<Utc>>> {
        let query = self
            .partition(message_pk(group))
            .projection_expression("sk")
            .scan_index_forward(false)
            .limit(1);
        let answer = query.send().await.map_err(|error| self.error(error))?;
        let newest = answer.items.and_then(|items| items.into_iter().next());
        Ok(newest.and_then(|item| time::parse_instant(super::item::text(&item, "sk")?)))
    }

    async fn holds(&self, message: &Message) -> Result<bool> {
        let item = message.to_item();
        let mut get = self.client.get_item().table_name(&self.name);
        for name in ["pk", "sk"] {
            get = get.key(name, item[name].clone());
        }
        let answer = get.consistent_read(true).send().await;
        let held = answer.map_err(|error| self.error(error))?.item;
        Ok(held.is_some_and(|held| held.get("message_uuid") == item.get("message_uuid")))
    }

    fn no_part(&self, group: Uuid, sender: &Person, items: &[GroupItem]) -> Error {
        let place = format!("{} at {}", self.name, self.at);
        if items.is_empty() {
            return Error::NotFound(format!("no one has the message group {group} in {place}"));
        }
        Error::Failed(format!(
            "{} takes no part in the message group {group} in {place}",
            sender.handle
        ))
    }

    /// Both are asked, since one of them may have left the group.
    async fn no_group_between(&self, sender: &Person, receiver: &Person) -> Result<()> {
        for (one, other) in [(sender, receiver), (receiver, sender)] {
            let found = self.groups_between(&one.uuid, &other.uuid).await?;
            if let Some(item) = found.first() {
                let group = super::item::text(&item.item, "message_group_uuid");
                return Err(Error::GroupExists {
                    sender: sender.handle.clone(),
                    receiver: receiver.handle.clone(),
                    message_group_uuid: group.unwrap_or("without a uuid").to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Leaves one item a participant where two were writing the same group.
    async fn merge(&self, new: &NewGroup) -> Result<()> {
        let message = &new.message;
        let group = message.message_group_uuid.to_string();
        let own = self.group_items_of(&message.sender.uuid, &group).await?;
        if own.len() > 1 {
            let newest = Newest {
                group,
                at: message.created_at,
                text: message.message.clone(),
                sender: Some(message.sender.uuid.clone()),
            };
            let groups = [newest];
            let planned = stream::plan(self, &groups).await;
            for advanced in planned.carry_out(self).await {
                advanced?;
            }
        }
        Ok(())
    }
}

impl NewGroup {
    fn draft(sender: &Person, receiver: &Person, text: &str, now: DateTime<Utc>) -> NewGroup {
        let message_group_uuid = uuid_of(sender, receiver);
        let group = |owner: &Person, other: &Person| MessageGroup {
            message_group_uuid,
            owner_uuid: owner.uuid.clone(),
            last_message_at: now,
            message: text.to_owned(),
            other: other.clone(),
        };
        NewGroup {
            groups: [group(sender, receiver), group(receiver, sender)],
            message: Message {
                message_group_uuid,
                created_at: now,
                message_uuid: Uuid::new_v4(),
                message: text.to_owned(),
                sender: sender.clone(),
            },
        }
    }

    /// The three items: the two of the participants, and the message.
    pub fn items(&self) -> [Item; 3] {
        let [sender, receiver] = &self.groups;
        [sender.to_item(), receiver.to_item(), self.message.to_item()]
    }

    fn set_time(&mut self, time: DateTime<Utc>) {
        self.message.created_at = time;
        for group in &mut self.groups {
            group.last_message_at = time;
        }
    }
}

/// The uuid of the group of two people, whoever of them begins it.
fn uuid_of(one: &Person, other: &Person) -> Uuid {
    let mut pair = [one.uuid.as_str(), other.uuid.as_str()];
    pair.sort_unstable();
    Uuid::new_v5(&GROUPS, pair.join(" ").as_bytes())
}

fn with_text(mut item: Item, text: &str) -> Item {
    item.insert("message".to_owned(), string(text));
    item.insert("sk".to_owned(), string(time::to_key(Utc::now())));
    item
}

fn not_empty(text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::Usage("the text of a message is empty".to_owned()));
    }
    Ok(())
}

/// Checks that the largest of the items that will hold the text can be stored.
fn fits(text: &str, items: impl IntoIterator<Item = Item>) -> Result<()> {
    let largest = items
        .into_iter()
        .map(|item| item_size(&Attributes::from(&item)))
        .max();
    let size = largest.unwrap_or_default();
    if size <= MAX_ITEM_SIZE {
        return Ok(());
    }
    let most = MAX_ITEM_SIZE.saturating_sub(size - text.len());
    Err(Error::Usage(format!(
        "the text has {} bytes, and this conversation takes {most}: \
         DynamoDB stores {MAX_ITEM_SIZE} bytes (400 KB) an item, keys and names included",
        text.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        Person {
            uuid: name.to_owned(),
            display_name: name.to_owned(),
            handle: name.to_owned(),
        }
    }

    #[test]
    fn a_groups_uuid_does_not_depend_on_who_begins_it() {
        let (one, other) = (person("andrewbrown"), person("bayko"));
        assert_eq!(uuid_of(&one, &other), uuid_of(&other, &one));
        assert_ne!(uuid_of(&one, &other), uuid_of(&one, &person("worf")));
    }

    #[test]
    fn the_longest_text_fits_to_the_byte() {
        let now = time::parse_instant("2023-03-24T09:45:01Z").unwrap();
        let (one, other) = (person("andrewbrown"), person("bayko"));
        let items = |text: &str| NewGroup::draft(&one, &other, text, now).items();
        let largest = items("")
            .iter()
            .map(|item| item_size(&Attributes::from(item)))
            .max()
            .unwrap();
        let text = "x".repeat(MAX_ITEM_SIZE - largest);
        assert!(fits(&text, items(&text)).is_ok());
        let text = format!("{text}x");
        let error = fits(&text, items(&text)).unwrap_err().to_string();
        let most = (text.len() - 1).to_string();
        assert!(error.contains(&most), "{error}");
    }
}
