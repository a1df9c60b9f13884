//! A record of the table's stream, wherever it came from.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types as streams;
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

impl From<streams::Record> for StreamRecord {
    fn from(record: streams::Record) -> StreamRecord {
        let kind = record.event_name;
        let Some(body) = record.dynamodb else {
            return StreamRecord {
                sequence_number: String::new(),
                change: Err("it has no \"dynamodb\"".to_owned()),
            };
        };
        let sequence_number = body.sequence_number.unwrap_or_default();
        let change = (|| {
            Ok(Change {
                kind: ChangeKind::of(kind.ok_or("it has no \"eventName\"")?.as_str()),
                at: body
                    .approximate_creation_date_time
                    .and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())),
                keys: item(body.keys.unwrap_or_default())?,
                new_image: body.new_image.map(item).transpose()?,
            })
        })();
        StreamRecord {
            sequence_number,
            change,
        }
    }
}

fn item(item: std::collections::HashMap<String, streams::AttributeValue>) -> Result<Item, String> {
    let attributes = item.into_iter();
    attributes
        .map(|(name, value)| Ok((name, attribute(value)?)))
        .collect()
}

/// The two SDKs have types of their own for the same values.
fn attribute(value: streams::AttributeValue) -> Result<AttributeValue, String> {
    use streams::AttributeValue as From;
    Ok(match value {
        From::S(text) => AttributeValue::S(text),
        From::N(number) => AttributeValue::N(number),
        From::B(bytes) => AttributeValue::B(bytes),
        From::Bool(value) => AttributeValue::Bool(value),
        From::Null(value) => AttributeValue::Null(value),
        From::Ss(set) => AttributeValue::Ss(set),
        From::Ns(set) => AttributeValue::Ns(set),
        From::Bs(set) => AttributeValue::Bs(set),
        From::M(map) => AttributeValue::M(item(map)?),
        From::L(list) => {
            AttributeValue::L(list.into_iter().map(attribute).collect::<Result<_, _>>()?)
        }
        _ => return Err("an attribute has a type that is not known".to_owned()),
    })
}
