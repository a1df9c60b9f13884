//! Reads DynamoDB's typed JSON.

use std::fmt;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::ddb::item::Item;

/// How deep lists and maps may be nested (AWS: "Service, account, and table
/// quotas in Amazon DynamoDB").
const MAX_DEPTH: usize = 32;

/// Reads one item of typed JSON, `{"pk":{"S":"…"},…}`, alone or as AWS's export
/// to S3 wraps it, `{"Item":{…}}`. Every number keeps its digits.
///
/// # Errors
///
/// A sentence that says what is wrong, with the column where it can be told.
pub fn parse_typed(text: &str) -> Result<Item, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let item = Line
        .deserialize(&mut json)
        .and_then(|item| json.end().map(|()| item));
    item.map_err(|error| without_line(&error))
}

/// serde_json counts lines within the text it is given, which here is one.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = match text.rfind(" at line ") {
        Some(end) => &text[..end],
        None => &text,
    };
    if error.column() == 0 {
        return message.to_owned();
    }
    let message = format!("{message}, at column {}", error.column());
    match error.classify() {
        serde_json::error::Category::Data => message,
        _ => format!("this is not JSON: {message}"),
    }
}

/// An item, or an item under the one name `Item`.
struct Line;

impl<'de> DeserializeSeed<'de> for Line {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item such as {\"pk\":{\"S\":\"…\"},\"sk\":{\"S\":\"…\"}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Item::new();
        while let Some(name) = map.next_key::<String>()? {
            // An item of this table has keys, so a single "Item" is a wrapper.
            if item.is_empty() && name == "Item" {
                let inner = map.next_value_seed(Attributes { depth: 0 })?;
                return match map.next_key::<String>()? {
                    None => Ok(inner),
                    Some(_) => Err(de::Error::custom("\"Item\" stands beside other names")),
                };
            }
            let value = map.next_value_seed(Value { depth: 0 })?;
            insert(&mut item, name, value)?;
        }
        Ok(item)
    }
}

fn insert<E: de::Error>(item: &mut Item, name: String, value: AttributeValue) -> Result<(), E> {
    if item.contains_key(&name) {
        return Err(E::custom(format_args!("{name:?} is there twice")));
    }
    item.insert(name, value);
    Ok(())
}

/// The attributes of an item or of a map.
struct Attributes {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Attributes {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Attributes {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes such as {\"pk\":{\"S\":\"…\"}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Item::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Value { depth: self.depth })?;
            insert(&mut item, name, value)?;
        }
        Ok(item)
    }
}

/// One typed value, `{"S":"…"}`.
struct Value {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = AttributeValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a typed value such as {\"S\":\"…\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some(tag) = map.next_key::<Tag>()? else {
            return Err(de::Error::custom(
                "{} is no typed value such as {\"S\":\"…\"}",
            ));
        };
        let value = self.value(tag, &mut map)?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(de::Error::custom("a typed value has one type"));
        }
        Ok(value)
    }
}

impl Value {
    fn value<'de, A: MapAccess<'de>>(
        &self,
        tag: Tag,
        map: &mut A,
    ) -> Result<AttributeValue, A::Error> {
        Ok(match tag {
            Tag::S => AttributeValue::S(map.next_value()?),
            Tag::N => AttributeValue::N(map.next_value::<Number>()?.0),
            Tag::B => AttributeValue::B(map.next_value::<Binary>()?.0),
            Tag::Ss => AttributeValue::Ss(map.next_value()?),
            Tag::Ns => {
                let numbers = map.next_value::<Vec<Number>>()?;
                AttributeValue::Ns(numbers.into_iter().map(|number| number.0).collect())
            }
            Tag::Bs => {
                let blobs = map.next_value::<Vec<Binary>>()?;
                AttributeValue::Bs(blobs.into_iter().map(|binary| binary.0).collect())
            }
            Tag::M => AttributeValue::M(map.next_value_seed(Attributes {
                depth: self.deeper()?,
            })?),
            Tag::L => AttributeValue::L(map.next_value_seed(List {
                depth: self.deeper()?,
            })?),
            Tag::Bool => AttributeValue::Bool(map.next_value()?),
            Tag::Null => match map.next_value::<bool>()? {
                true => AttributeValue::Null(true),
                false => return Err(de::Error::custom("NULL is always true")),
            },
        })
    }

    fn deeper<E: de::Error>(&self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!(
                "lists and maps are nested deeper than DynamoDB's {MAX_DEPTH} levels"
            )));
        }
        Ok(self.depth + 1)
    }
}

struct List {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<AttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<AttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of typed values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Value { depth: self.depth })? {
            list.push(value);
        }
        Ok(list)
    }
}

/// The types of DynamoDB, by their names on the wire.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Tag {
    S,
    N,
    B,
    Ss,
    Ns,
    Bs,
    M,
    L,
    Bool,
    Null,
}

#[derive(serde::Deserialize)]
#[serde(try_from = "String")]
struct Number(String);

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        super::check_number(&text)?;
        Ok(Number(text))
    }
}

#[derive(serde::Deserialize)]
#[serde(try_from = "String")]
struct Binary(Blob);

impl TryFrom<String> for Binary {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        STANDARD
            .decode(&text)
            .map(|bytes| Binary(Blob::new(bytes)))
            .map_err(|error| format!("a binary value is not base64: {error}"))
    }
}
