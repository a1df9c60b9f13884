//! The two kinds of items in the messages table, and their keys.
//!
//! Cruddur's web app reads and writes the same items, so names and formats are
//! fixed. Every attribute is a string.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::json::Attributes;
use crate::time;

/// An item as the SDK holds it.
pub type Item = HashMap<String, AttributeValue>;

/// The prefix of a message's partition key; the group's uuid follows.
pub const MESSAGE_PREFIX: &str = "MSG#";
/// The prefix of a group item's partition key; the participant's uuid follows.
pub const GROUP_PREFIX: &str = "GRP#";

/// The person an item shows: a message's sender, or a group item's other person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The user's uuid in PostgreSQL.
    #[serde(rename = "user_uuid")]
    pub uuid: String,
    /// The name people read.
    #[serde(rename = "user_display_name")]
    pub display_name: String,
    /// The name people type.
    #[serde(rename = "user_handle")]
    pub handle: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The group it was written in, as its key has it.
    pub message_group_uuid: String,
    /// When it was written; part of its key.
    pub created_at: DateTime<Utc>,
    /// Its own uuid.
    pub message_uuid: Uuid,
    /// Its text.
    pub message: String,
    /// Who wrote it.
    pub sender: Person,
}

impl Message {
    /// The attributes of the item that holds the message.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::of_texts([
            ("pk", message_pk(&self.message_group_uuid).into()),
            ("sk", time::to_key(self.created_at).into()),
            ("message", (&self.message).into()),
            ("message_uuid", self.message_uuid.to_string().into()),
            ("user_display_name", (&self.sender.display_name).into()),
            ("user_handle", (&self.sender.handle).into()),
            ("user_uuid", (&self.sender.uuid).into()),
        ])
    }

    /// The item that holds the message.
    pub fn to_item(&self) -> Item {
        self.attributes().into_item()
    }
}

/// What one participant sees of a message group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageGroup {
    /// The group.
    pub message_group_uuid: Uuid,
    /// Whose conversation list it stands in.
    pub owner_uuid: String,
    /// When the last message was written; part of its key.
    pub last_message_at: DateTime<Utc>,
    /// The last message's text.
    pub message: String,
    /// The other person.
    pub other: Person,
}

impl MessageGroup {
    /// The item that holds it.
    pub fn to_item(&self) -> Item {
        let group = self.message_group_uuid.to_string();
        let attributes = Attributes::of_texts([
            ("pk", group_pk(&self.owner_uuid).into()),
            ("sk", time::to_key(self.last_message_at).into()),
            ("message", (&self.message).into()),
            ("message_group_uuid", group.into()),
            ("user_display_name", (&self.other.display_name).into()),
            ("user_handle", (&self.other.handle).into()),
            ("user_uuid", (&self.other.uuid).into()),
        ]);
        attributes.into_item()
    }
}

/// The partition key of a group's messages.
pub fn message_pk(message_group_uuid: impl Display) -> String {
    format!("{MESSAGE_PREFIX}{message_group_uuid}")
}

/// The partition key of a participant's groups.
pub fn group_pk(user_uuid: &str) -> String {
    format!("{GROUP_PREFIX}{user_uuid}")
}

/// An attribute's text, where it is there and is a string.
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}
