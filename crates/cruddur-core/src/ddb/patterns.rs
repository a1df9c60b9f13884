//! The access patterns that read: **A** the messages of a group, **B** a
//! user's conversations.
//!
//! Both are one `Query` in descending order of the sort key, which is a time,
//! followed page by page until the wanted number of items is there.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use serde::Serialize;
use uuid::Uuid;

use super::Table;
use super::item::{Item, group_pk, message_pk, string, text};
use crate::time::{self, Year};
use crate::{Error, Result};

/// Which part of a partition is wanted: the newest `limit` items of it.
#[derive(Debug, Clone)]
pub struct Window {
    /// Only of this year, in UTC as keys are.
    pub year: Option<Year>,
    /// Only keys before this one; see [`parse_before`].
    pub before: Option<String>,
    /// At most so many, 1 or more.
    pub limit: usize,
}

/// What a query found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found<T> {
    /// The items, in the order they are shown.
    pub items: Vec<T>,
    /// How many there are.
    pub count: usize,
    /// Read capacity units that the query cost.
    pub consumed_capacity: f64,
    /// Where the query stopped, if there is more: what [`parse_before`] reads.
    pub next: Option<String>,
}

/// A message as it is shown. An attribute that is missing, or is no string, is
/// `None`: other programs write to the table, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageRow {
    /// When it was written, as the key has it.
    pub created_at: String,
    /// Its uuid.
    pub message_uuid: Option<String>,
    /// Its text.
    pub message: Option<String>,
    /// The sender's uuid.
    pub user_uuid: Option<String>,
    /// The sender's name.
    pub user_display_name: Option<String>,
    /// The sender's handle.
    pub user_handle: Option<String>,
}

/// A conversation as it is shown; see [`MessageRow`] for what `None` means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConversationRow {
    /// When its last message was written, as the key has it.
    pub last_message_at: String,
    /// The message group.
    pub message_group_uuid: Option<String>,
    /// The last message's text.
    pub message: Option<String>,
    /// The other person's uuid.
    pub user_uuid: Option<String>,
    /// The other person's name.
    pub user_display_name: Option<String>,
    /// The other person's handle.
    pub user_handle: Option<String>,
}

impl Table {
    /// Pattern A: the newest messages of a group, the oldest of them first.
    ///
    /// A group without messages, or one that does not exist, has none.
    pub async fn messages(&self, group: impl Display, window: Window) -> Result<Found<MessageRow>> {
        let found = self.newest(message_pk(group), window).await?;
        let mut found = found.map(|key, item| MessageRow {
            created_at: key,
            message_uuid: owned(item, "message_uuid"),
            message: owned(item, "message"),
            user_uuid: owned(item, "user_uuid"),
            user_display_name: owned(item, "user_display_name"),
            user_handle: owned(item, "user_handle"),
        });
        // Keys sort as texts; older items may carry other offsets.
        found.items.sort_by_cached_key(|row| {
            (time::parse_instant(&row.created_at), row.created_at.clone())
        });
        Ok(found)
    }

    /// Pattern B: a user's conversations, the one with the newest message first.
    pub async fn conversations(
        &self,
        user_uuid: &str,
        window: Window,
    ) -> Result<Found<ConversationRow>> {
        let found = self.newest(group_pk(user_uuid), window).await?;
        let mut found = found.map(|key, item| ConversationRow {
            last_message_at: key,
            message_group_uuid: owned(item, "message_group_uuid"),
            message: owned(item, "message"),
            user_uuid: owned(item, "user_uuid"),
            user_display_name: owned(item, "user_display_name"),
            user_handle: owned(item, "user_handle"),
        });
        found.items.sort_by_cached_key(|row| {
            std::cmp::Reverse((
                time::parse_instant(&row.last_message_at),
                row.last_message_at.clone(),
            ))
        });
        Ok(found)
    }

    /// The newest items of a partition within a window, the newest first.
    async fn newest(&self, pk: String, window: Window) -> Result<Found<Item>> {
        let mut found = Found {
            items: Vec::new(),
            count: 0,
            consumed_capacity: 0.0,
            next: None,
        };
        let Some((condition, mut values)) = sort_key_condition(&window) else {
            return Ok(found);
        };
        values.insert(":pk".to_owned(), string(pk));
        // One more than is wanted tells whether there is more: a page's token
        // does not, since it is also given when the page ends with the last item.
        let wanted = window.limit.saturating_add(1);
        let mut start = None;
        while found.items.len() < wanted {
            let left = wanted - found.items.len();
            let page = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression(format!("pk = :pk{condition}"))
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(start.clone())
                .scan_index_forward(false)
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| self.error(error))?;
            let items = page.items.ok_or_else(|| self.empty_answer())?;
            found.items.extend(items);
            // The upper bound of BETWEEN belongs to it.
            found.items.retain(|item| {
                window.before.is_none() || text(item, "sk") != window.before.as_deref()
            });
            found.consumed_capacity += page
                .consumed_capacity
                .and_then(|capacity| capacity.capacity_units)
                .unwrap_or_default();
            start = self.next_page(start.as_ref(), page.last_evaluated_key)?;
            if start.is_none() {
                break;
            }
        }
        if found.items.len() > window.limit {
            found.items.truncate(window.limit);
            let last = found.items.last().and_then(|item| text(item, "sk"));
            found.next = last.map(before);
        }
        Ok(found)
    }
}

impl Found<Item> {
    fn map<T>(self, row: impl Fn(String, &Item) -> T) -> Found<T> {
        let items: Vec<T> = self
            .items
            .iter()
            .map(|item| row(owned(item, "sk").unwrap_or_default(), item))
            .collect();
        Found {
            count: items.len(),
            items,
            consumed_capacity: self.consumed_capacity,
            next: self.next,
        }
    }
}

/// The condition on the sort key and its values; `None` where no key meets it.
///
/// DynamoDB takes one condition on a sort key, so a year that ends at a time is
/// a `BETWEEN`, whose bounds are inclusive.
fn sort_key_condition(window: &Window) -> Option<(&'static str, HashMap<String, AttributeValue>)> {
    let values = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), string(*value)))
            .collect()
    };
    match (window.year, window.before.as_deref()) {
        (None, None) => Some(("", HashMap::new())),
        (None, Some(before)) => Some((" AND sk < :before", values(&[(":before", before)]))),
        (Some(year), None) => Some((
            " AND begins_with(sk, :year)",
            values(&[(":year", &format!("{year}-"))]),
        )),
        (Some(year), Some(before)) => {
            let first = format!("{year}-");
            // "." is the character after "-", so this is after every key of the year.
            let end = format!("{year}.");
            let last = before.min(&end);
            (first.as_str() <= last).then(|| {
                (
                    " AND sk BETWEEN :first AND :last",
                    values(&[(":first", &first), (":last", last)]),
                )
            })
        }
    }
}

/// What stands before a key that, as a time, would be read as another one.
const KEY: &str = "key:";

/// The end of a window that stops before a key.
fn before(key: &str) -> String {
    match parse_before(key) {
        Ok(read) if read == key => read,
        _ => format!("{KEY}{key}"),
    }
}

/// Reads the end of a window: a time that a person gave, or the `next` of an
/// earlier answer.
///
/// A time is that instant, whatever its offset, as a key has it. A key in another
/// form, such as other programs may have written, stands behind `key:`, since
/// DynamoDB compares keys as texts.
///
/// # Errors
///
/// [`Error::Usage`] where it is no time.
pub fn parse_before(text: &str) -> Result<String> {
    if let Some(key) = text.strip_prefix(KEY) {
        return Ok(key.to_owned());
    }
    time::parse_given(text).map(time::to_key)
}

/// Reads a uuid that a person gave.
///
/// # Errors
///
/// [`Error::Usage`] where it is none.
pub fn parse_uuid(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|_| {
        Error::Usage(format!(
            "{text:?} is not a uuid such as 5ae290ed-55d1-47a0-bc6d-fe2bc2700399"
        ))
    })
}

/// The uuid of a message group, as a person gave it.
///
/// Other programs may have written it in capitals or without hyphens, and DynamoDB
/// compares keys as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupUuid {
    /// The text.
    pub given: String,
    /// The usual form, where that is another: what to ask for where there is no such
    /// group as was given.
    pub usual: Option<String>,
}

impl FromStr for GroupUuid {
    type Err = Error;

    fn from_str(text: &str) -> Result<GroupUuid> {
        let usual = Some(parse_uuid(text)?.to_string()).filter(|usual| usual != text);
        let given = text.to_owned();
        Ok(GroupUuid { given, usual })
    }
}

impl Display for GroupUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

fn owned(item: &Item, name: &str) -> Option<String> {
    text(item, name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_its_instant_in_whatever_form() {
        for (given, key) in [
            (
                "2023-03-24T09:45:01.561513+00:00",
                "2023-03-24T09:45:01.561513+00:00",
            ),
            (
                "2023-03-24T05:45:01.561513-04:00",
                "2023-03-24T09:45:01.561513+00:00",
            ),
            (
                "2023-03-24T05:45:01-04:00",
                "2023-03-24T09:45:01.000000+00:00",
            ),
            (
                "2023-03-24 09:45:01.561513+00:00",
                "2023-03-24T09:45:01.561513+00:00",
            ),
            (
                "2023-03-24t09:45:01.561513+00:00",
                "2023-03-24T09:45:01.561513+00:00",
            ),
        ] {
            assert_eq!(parse_before(given).unwrap(), key);
        }
        assert!(parse_before("yesterday").is_err());
    }

    #[test]
    fn where_a_window_stopped_is_read_as_the_very_key() {
        for key in [
            "2023-03-24T09:45:01.561513+00:00",
            "2023-03-24T09:45:01.561513+0200",
            "2023-03-24T09:45:01.561513+02:00",
            "2023-03-24T09:45:01+00:00",
            "2023-03-24 09:45:01.561513+00:00",
            "2023-03-24T09:45:01.123-05:00",
            "zzz",
            "key:",
            "",
        ] {
            assert_eq!(parse_before(&before(key)).unwrap(), key);
        }
        let usual = "2023-03-24T09:45:01.561513+00:00";
        assert_eq!(before(usual), usual);
    }

    #[test]
    fn a_year_that_ends_before_it_begins_is_not_asked_for() {
        let window = |before: &str| Window {
            year: Some("2023".parse().unwrap()),
            before: Some(before.to_owned()),
            limit: 1,
        };
        assert!(sort_key_condition(&window("2022-12-31T23:59:59.999999+00:00")).is_none());
        let (_, values) = sort_key_condition(&window("2025-01-01T00:00:00.000000+00:00")).unwrap();
        assert_eq!(values[":last"], string("2023."));
    }
}
