//! The requests of seeding: what stands there, and what is changed.

use futures_util::{future, stream};
use uuid::Uuid;

use super::Seeded;
use super::conversation::Conversation;
use super::plan::{self, Found, FoundGroup, List, Move, Plan, Survey};
use crate::ddb::Table;
use crate::ddb::batch::{Request, WriteOptions};
use crate::ddb::item::{
    GROUP_PREFIX, Item, MESSAGE_PREFIX, Person, group_pk, message_pk, string, text,
};
use crate::ddb::json::Attributes;
use crate::ddb::transaction::{Actions, Condition};
use crate::time;
use crate::{Error, Result};

impl Table {
    /// Reads what stands in the table of a conversation's group. The messages come
    /// last: so the one that a group item stands for is among them.
    pub(super) async fn survey(
        &self,
        conversation: &Conversation,
        people: &[Person; 2],
    ) -> Result<Survey> {
        let group = conversation.message_group_uuid;
        let lists = self.lists(people, group).await?;
        let projection = "sk, message_uuid, message, user_uuid, user_handle";
        let items = self.items_of(message_pk(group), projection).await?;
        if let Some(other) = items.iter().find_map(|item| stranger(item, people)) {
            return Err(Error::Failed(format!(
                "conversation {group} of {} and {} is another one in table {} at {}: {other} \
                 writes there",
                people[0].handle, people[1].handle, self.name, self.at
            )));
        }
        let positions = plan::positions(conversation, items.len());
        let messages = items
            .iter()
            .map(|item| {
                let uuid = text(item, "message_uuid").and_then(|t| Uuid::try_parse(t).ok());
                let sk = text_of(item, "sk");
                Found {
                    at: time::parse_instant(&sk),
                    position: uuid.and_then(|uuid| positions.get(&uuid).copied()),
                    message: text_of(item, "message"),
                    sk,
                }
            })
            .collect();
        Ok(Survey { messages, lists })
    }

    async fn lists(&self, [one, other]: &[Person; 2], group: Uuid) -> Result<[List; 2]> {
        future::try_join(self.list(one, group), self.list(other, group))
            .await
            .map(<[List; 2]>::from)
    }

    /// A person's list of conversations, seen from one group.
    async fn list(&self, person: &Person, group: Uuid) -> Result<List> {
        let group = group.to_string();
        let mut list = List::default();
        let pk = group_pk(&person.uuid);
        for item in self.items_of(pk, "sk, message_group_uuid").await? {
            let sk = text_of(&item, "sk");
            if text(&item, "message_group_uuid") == Some(&group) {
                let at = time::parse_instant(&sk);
                list.ours.push(FoundGroup { sk, at });
            } else {
                list.others.insert(sk);
            }
        }
        Ok(list)
    }

    /// The named attributes of all items of a partition.
    async fn items_of(&self, pk: String, projection: &str) -> Result<Vec<Item>> {
        let request = self.partition(pk).projection_expression(projection);
        let mut items = Vec::new();
        self.every_page(request, |page| items.extend(page)).await?;
        Ok(items)
    }

    /// Whether the group is as a plan was to leave it, once it was carried out;
    /// if not, another run was at it, too.
    ///
    /// The group items tell: each run writes its own after its messages, and looks
    /// at them last. So of two runs at least the one that looks later sees the
    /// other's item beside its own, or in its place. They do not tell of messages
    /// that came after the survey, at the times that this plan took away: then
    /// only another survey does.
    pub(super) async fn stands(
        &self,
        conversation: &Conversation,
        people: &[Person; 2],
        plan: &Plan<'_>,
    ) -> Result<bool> {
        if !plan.deletes.is_empty() {
            return Ok(false);
        }
        let lists = self.lists(people, conversation.message_group_uuid).await?;
        let as_planned = |(list, expected): (&List, &String)| matches!(&list.ours[..], [one] if one.sk == *expected);
        Ok(lists.iter().zip(&plan.groups_after).all(as_planned))
    }

    /// Carries out a plan: first what is new, then the lists, then away with
    /// what is old. `false` where somebody else moved a group item meanwhile.
    pub(super) async fn apply(
        &self,
        conversation: &Conversation,
        plan: &Plan<'_>,
        write: &WriteOptions,
        seeded: &mut Seeded,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<bool> {
        let total = plan.puts.len() as u64;
        let puts = plan.puts.iter().zip(1..);
        let message = |position| plan.schedule.message(position);
        let puts = puts.map(|(position, tag)| Request::put(message(*position).attributes(), tag));
        let written = self
            .write_all(stream::iter(puts), write, &mut |done| {
                progress(done, total);
            })
            .await;
        seeded.written += written.written;
        seeded.consumed_capacity += written.consumed_capacity;
        written.into_result("messages")?;
        let group = conversation.message_group_uuid.to_string();
        for moved in &plan.moves {
            if !self.move_group(&group, moved, write, seeded).await? {
                return Ok(false);
            }
        }
        let pk = message_pk(conversation.message_group_uuid);
        let deletes = plan.deletes.iter().map(|sk| Request::delete(&pk, sk, 0));
        let deleted = self
            .write_all(stream::iter(deletes), write, &mut |_| {})
            .await;
        seeded.deleted += deleted.written;
        seeded.consumed_capacity += deleted.consumed_capacity;
        deleted.into_result("old messages")?;
        Ok(true)
    }

    /// Puts a group item and takes away the old ones in one transaction, so that
    /// nobody ever sees two of them, or none; those of which there are more than a
    /// transaction takes go in the next. `false` where somebody moved one of
    /// them meanwhile, who knows of a later message, or another group's item has
    /// come to stand at the same key.
    async fn move_group(
        &self,
        group: &str,
        moved: &Move,
        write: &WriteOptions,
        seeded: &mut Seeded,
    ) -> Result<bool> {
        let mut actions = Actions::default();
        if let Some(put) = &moved.put {
            let free = Condition::absent_or_of_group(group);
            actions.put(self, put.to_item(), free);
        }
        for sk in &moved.delete {
            let key = [("pk", group_pk(&moved.owner)), ("sk", sk.clone())];
            let key: Item = key.map(|(name, text)| (name.into(), string(text))).into();
            actions.delete(self, &key, Condition::unchanged(&key));
        }
        for actions in actions.chunks() {
            let capacity = self.counts_capacity(write.max_capacity);
            let sent = self.transact_patiently(&actions, capacity, write.patience);
            match sent.await? {
                Some(units) => seeded.consumed_capacity += units,
                None => return Ok(false),
            }
        }
        seeded.written += u64::from(moved.put.is_some());
        seeded.deleted += moved.delete.len() as u64;
        Ok(true)
    }

    /// Whether the table holds anything but these message groups, found at the
    /// first such item: for asking before production is seeded.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`], or why the requests failed.
    pub async fn holds_other_conversations(&self, groups: &[Uuid]) -> Result<bool> {
        let ours: Vec<String> = groups.iter().map(|group| message_pk(*group)).collect();
        let ids: Vec<String> = groups.iter().map(Uuid::to_string).collect();
        let is_other = |item: &Attributes<'_>| match item.text("pk") {
            Some(pk) if pk.starts_with(MESSAGE_PREFIX) => !ours.iter().any(|our| our == pk),
            Some(pk) if pk.starts_with(GROUP_PREFIX) => {
                let group = item.text("message_group_uuid");
                !group.is_some_and(|id| ids.iter().any(|our| our == id))
            }
            _ => true,
        };
        let mut other = false;
        self.scan::<Error>(&crate::ddb::scan::ScanOptions::default(), |page| {
            other = page.iter().any(is_other);
            Ok(match other {
                true => std::ops::ControlFlow::Break(()),
                false => std::ops::ControlFlow::Continue(()),
            })
        })
        .await?;
        Ok(other)
    }
}

/// The handle of a message's sender who is neither of two people, be it by another
/// handle or by another uuid.
fn stranger<'a>(item: &'a Item, people: &[Person; 2]) -> Option<&'a str> {
    let (uuid, handle) = (text(item, "user_uuid")?, text(item, "user_handle")?);
    let is_one = |person: &Person| person.uuid == uuid || person.handle == handle;
    (!people.iter().any(is_one)).then_some(handle)
}

/// The text of an attribute, which other programs may have left out.
fn text_of(item: &Item, name: &str) -> String {
    text(item, name).unwrap_or_default().to_owned()
}
