//! Reading the items of one message group: by the index, which is quick but
//! may lag behind the table, and from the table itself.

use std::collections::HashSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};

use super::item::{GROUP_PREFIX, Item, group_pk, string, text};
use super::{GROUP_INDEX, Table};
use crate::{Error, Result, time};

/// A group item as it was read: its key and all that it holds.
#[derive(Debug, Clone)]
pub(crate) struct GroupItem {
    /// Whose conversation list it stands in: what follows `GRP#` in its key.
    pub owner: String,
    /// Its sort key, as it stands there.
    pub sk: String,
    /// Every attribute, keys included.
    pub item: Item,
}

impl GroupItem {
    /// `None` where the keys are not those of a group item.
    pub(crate) fn read(item: Item) -> Option<GroupItem> {
        let owner = text(&item, "pk")?.strip_prefix(GROUP_PREFIX)?.to_owned();
        let sk = text(&item, "sk")?.to_owned();
        Some(GroupItem { owner, sk, item })
    }

    /// The instant of its key; an item whose key is no time comes before all.
    pub(crate) fn at(&self) -> Option<DateTime<Utc>> {
        time::parse_instant(&self.sk)
    }

    /// The uuid of the other person.
    pub(crate) fn other(&self) -> Option<&str> {
        text(&self.item, "user_uuid")
    }
}

/// Everyone the items tell of: their owners, and those they show.
pub(crate) fn participants(items: &[GroupItem]) -> Vec<String> {
    let mut people: Vec<String> = items
        .iter()
        .flat_map(|item| [Some(item.owner.as_str()), item.other()])
        .flatten()
        .map(str::to_owned)
        .collect();
    people.sort();
    people.dedup();
    people
}

/// More microseconds than a person has conversations.
const MANY: i64 = 100_000;

impl Table {
    /// The items of a group as the index has them, to the last page. The index
    /// follows the table with a delay (AWS: "Data synchronization between
    /// tables and Global Secondary Indexes"): an item may be missing, or be
    /// there although it is gone.
    pub(crate) async fn group_items_by_index(&self, group: &str) -> Result<Vec<GroupItem>> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(GROUP_INDEX)
            .key_condition_expression("message_group_uuid = :group")
            .expression_attribute_values(":group", string(group));
        let found = self.found_groups(query).await;
        found.map_err(|error| self.index_error(error))
    }

    /// One participant's items of a group, as the table has them now.
    pub(crate) async fn group_items_of(&self, owner: &str, group: &str) -> Result<Vec<GroupItem>> {
        self.groups_of(owner, "message_group_uuid", group).await
    }

    /// One user's group items that show another, as the table has them now.
    pub(crate) async fn groups_between(&self, owner: &str, other: &str) -> Result<Vec<GroupItem>> {
        self.groups_of(owner, "user_uuid", other).await
    }

    /// How many microseconds after an instant a user's list has a key that no item
    /// stands at: by chance one of the first `choice`, where others look as well.
    pub(crate) async fn free_after(
        &self,
        owner: &str,
        at: DateTime<Utc>,
        choice: usize,
    ) -> Result<i64> {
        let key = |shift| time::to_key(at + TimeDelta::microseconds(shift));
        let query = self
            .partition(group_pk(owner))
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":from", string(key(0)))
            .expression_attribute_values(":to", string(key(MANY)))
            .projection_expression("sk");
        let mut taken = HashSet::new();
        self.every_page(query, |items| {
            let keys = items.iter().filter_map(|item| text(item, "sk"));
            taken.extend(keys.map(str::to_owned));
        })
        .await?;
        let mut free = (0..).filter(|shift| !taken.contains(&key(*shift)));
        Ok(free.nth(rand::random_range(0..choice)).unwrap_or(MANY))
    }

    async fn groups_of(&self, owner: &str, name: &str, value: &str) -> Result<Vec<GroupItem>> {
        let query = self
            .partition(group_pk(owner))
            .filter_expression("#name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()));
        self.found_groups(query).await
    }

    async fn found_groups(&self, query: QueryFluentBuilder) -> Result<Vec<GroupItem>> {
        let mut items = Vec::new();
        self.every_page(query, |found| {
            items.extend(found.into_iter().filter_map(GroupItem::read));
        })
        .await?;
        Ok(items)
    }

    /// Says so where an error is that the index is not there, or not yet filled,
    /// for which no item that is read is to blame.
    fn index_error(&self, error: Error) -> Error {
        match error {
            // "Cannot read from backfilling global secondary index".
            Error::Service { code, message, .. }
                if code == "ValidationException" && message.contains("backfilling") =>
            {
                self.error_of("ResourceInUseException", &message)
            }
            Error::Service { code, message, .. }
                if code == "ValidationException" && message.contains("specified index") =>
            {
                Error::TableIncomplete {
                    table: self.name.clone(),
                    at: self.at.clone(),
                    missing: vec![format!("the index {GROUP_INDEX}")],
                }
            }
            error => error,
        }
    }
}
