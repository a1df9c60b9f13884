//! Pattern **D**: a new group with its first message.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use uuid::Uuid;

use super::{TRIES, fits, not_empty};
use crate::ddb::Table;
use crate::ddb::item::{self, Item, Message, MessageGroup, Person};
use crate::ddb::transaction::{Actions, Condition};
use crate::stream::{self, Newest};
use crate::{Error, Result};

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

    /// Both are asked, since one of them may have left the group.
    async fn no_group_between(&self, sender: &Person, receiver: &Person) -> Result<()> {
        for (one, other) in [(sender, receiver), (receiver, sender)] {
            let found = self.groups_between(&one.uuid, &other.uuid).await?;
            if let Some(item) = found.first() {
                let group = item::text(&item.item, "message_group_uuid");
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
                message_group_uuid: message_group_uuid.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddb::json::Attributes;
    use crate::ddb::limits::{MAX_ITEM_SIZE, item_size};
    use crate::time;

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
