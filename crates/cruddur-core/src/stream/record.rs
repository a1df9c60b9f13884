//! A record of the table's stream, wherever it came from.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::ddb::item::Item;

/// What happened to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was put where none was.
    Insert,
    /// It was put or updated where one was.
    Modify,
    /// It was deleted.
    Remove,
    /// A name this version does not know.
    Other(String),
}

impl ChangeKind {
    /// Reads the name that the stream gives it.
    pub fn of(name: &str) -> ChangeKind {
        match name {
            "INSERT" => ChangeKind::Insert,
            "MODIFY" => ChangeKind::Modify,
            "REMOVE" => ChangeKind::Remove,
            other => ChangeKind::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::Insert => "INSERT",
            ChangeKind::Modify => "MODIFY",
            ChangeKind::Remove => "REMOVE",
            ChangeKind::Other(name) => name,
        })
    }
}

impl Serialize for ChangeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One change of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// When, to the second or so.
    pub at: Option<DateTime<Utc>>,
    /// The item's keys.
    pub keys: Item,
    /// The item as it is now; a stream may leave it out.
    pub new_image: Option<Item>,
}

/// A record of a stream. One that cannot be understood still has its place, so
/// that it can be told of and the others go on.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// Its number within its shard; empty where the record carries none.
    pub sequence_number: String,
    /// What it tells, or why that cannot be understood.
    pub change: Result<Change, String>,
}
