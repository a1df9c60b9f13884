//! The access patterns that write: **C** a new message in a group, **D** a new
//! group with its first message.
//!
//! Each comes in two steps, so that the first alone shows what would be
//! written: a draft, for which everything is checked, and the write, whose
//! conditions hold whatever happened in between. Neither moves the items of an
//! existing group; that is pattern E, see [`crate::stream`].

mod new_group;

use chrono::{DateTime, Datelike as _, SubsecRound as _, TimeDelta, Utc};
use uuid::Uuid;

use super::Table;
use super::groups::GroupItem;
use super::item::{Item, Message, Person, message_pk, string};
use super::json::Attributes;
use super::limits::{MAX_ITEM_SIZE, item_size};
use crate::{Error, Result, time};

pub use new_group::NewGroup;

/// How often a key that is taken is left for the next microsecond. Two writers
/// need one, and no table takes a hundred writes in one place at once.
const TRIES: u32 = 100;

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
        group: impl ToString,
        sender: &Person,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Message> {
        not_empty(text)?;
        let group = group.to_string();
        let mut items = self.group_items_by_index(&group).await?;
        if !items.iter().any(|item| item.owner == sender.uuid) {
            // The index may not have it yet.
            items.extend(self.group_items_of(&sender.uuid, &group).await?);
        }
        let own = items.iter().filter(|item| item.owner == sender.uuid);
        let Some(last) = own.map(GroupItem::at).max() else {
            return Err(self.no_part(&group, sender, &items));
        };
        let last = last.max(self.last_message_at(&group).await?);
        let after = last.map(|last| last + TimeDelta::microseconds(1));
        if after.is_some_and(|after| after.year() > 9999) {
            return Err(Error::Failed(format!(
                "the message group {group} stands at the end of the year 9999, after which no key comes"
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
        group: impl ToString,
        sender: &Person,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Message> {
        let message = self.draft_message(group, sender, text, now).await?;
        self.put_message(message).await
    }

    /// The time of the newest message that stands in a group.
    async fn last_message_at(&self, group: &str) -> Result<Option<DateTime<Utc>>> {
        let query = self
            .partition(message_pk(group))
            .projection_expression("sk")
            .scan_index_forward(false)
            .limit(1);
        let answer = query.send().await.map_err(|error| self.error(error))?;
        let items = answer.items.ok_or_else(|| self.empty_answer())?;
        let newest = items.into_iter().next();
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

    fn no_part(&self, group: &str, sender: &Person, items: &[GroupItem]) -> Error {
        let place = format!("{} at {}", self.name, self.at);
        if items.is_empty() {
            return Error::NotFound(format!("no one has the message group {group} in {place}"));
        }
        Error::Failed(format!(
            "{} takes no part in the message group {group} in {place}",
            sender.handle
        ))
    }
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
