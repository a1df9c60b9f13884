//! Reads DynamoDB's typed JSON.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Attributes, Text, Value};

/// How deep lists and maps may be nested (AWS: "Service, account, and table
/// quotas in Amazon DynamoDB").
const MAX_DEPTH: usize = 32;

/// Reads one item of typed JSON, `{"pk":{"S":"…"},…}`, alone or as AWS's export
/// to S3 wraps it, `{"Item":{…}}`. Every number keeps its digits.
///
/// # Errors
///
/// A sentence that says what is wrong, with the column where it can be told.
pub fn parse_typed(text: &str) -> Result<Attributes<'_>, String> {
    parse_item(text).map_err(|error| without_line(&error))
}

/// The same of what is a part of something, where the column would mislead.
pub(crate) fn parse_element(text: &str) -> Result<Attributes<'_>, String> {
    parse_item(text).map_err(|error| without_place(&error))
}

fn parse_item(text: &str) -> serde_json::Result<Attributes<'_>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let item = Line.deserialize(&mut json)?;
    json.end().map(|()| item)
}

/// Reads an array of items of typed JSON.
///
/// # Errors
///
/// As [`parse_typed`].
pub(crate) fn parse_array(text: &str) -> Result<Vec<Attributes<'_>>, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let items = ListOf(InnerAttributes { depth: 0 }).deserialize(&mut json);
    let whole = items.and_then(|items| json.end().map(|()| items));
    whole.map_err(|error| without_line(&error))
}

/// What is wrong, without the line and column that serde_json ends with: they are
/// counted within the text it was given, which may be a part of something.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    message.truncate(message.rfind(" at line ").unwrap_or(message.len()));
    message
}

/// serde_json counts lines within the text it is given, which here is one.
fn without_line(error: &serde_json::Error) -> String {
    let message = without_place(error);
    if error.column() == 0 {
        return message;
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
    type Value = Attributes<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line {
    type Value = Attributes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item such as {\"pk\":{\"S\":\"…\"},\"sk\":{\"S\":\"…\"}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = map.next_key::<Text>()? {
            // An item of this table has keys, so a single "Item" is a wrapper.
            if all.is_empty() && *name == *"Item" {
                let inner = map.next_value_seed(InnerAttributes { depth: 0 })?;
                return match map.next_key::<IgnoredAny>()? {
                    None => Ok(inner),
                    Some(_) => Err(de::Error::custom("\"Item\" stands beside other names")),
                };
            }
            all.push((name, map.next_value_seed(TypedValue { depth: 0 })?));
        }
        attributes(all)
    }
}

fn attributes<'a, E: de::Error>(all: Vec<(Text<'a>, Value<'a>)>) -> Result<Attributes<'a>, E> {
    let twice = |name: Text| E::custom(format_args!("{:?} is there twice", &*name));
    Attributes::new(all).map_err(twice)
}

/// The attributes of an item or of a map.
#[derive(Clone, Copy)]
struct InnerAttributes {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for InnerAttributes {
    type Value = Attributes<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InnerAttributes {
    type Value = Attributes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes such as {\"pk\":{\"S\":\"…\"}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = map.next_key::<Text>()? {
            all.push((name, map.next_value_seed(TypedValue { depth: self.depth })?));
        }
        attributes(all)
    }
}

/// One typed value, `{"S":"…"}`.
#[derive(Clone, Copy)]
struct TypedValue {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for TypedValue {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TypedValue {
    type Value = Value<'de>;

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

impl TypedValue {
    fn value<'de, A: MapAccess<'de>>(&self, tag: Tag, map: &mut A) -> Result<Value<'de>, A::Error> {
        Ok(match tag {
            Tag::S => Value::S(map.next_value()?),
            Tag::N => Value::N(map.next_value::<Number>()?.0),
            Tag::B => Value::B(map.next_value::<Binary>()?.0.into()),
            Tag::Ss => Value::Ss(map.next_value()?),
            Tag::Ns => {
                let numbers = map.next_value::<Vec<Number>>()?;
                Value::Ns(numbers.into_iter().map(|number| number.0).collect())
            }
            Tag::Bs => {
                let blobs = map.next_value::<Vec<Binary>>()?;
                Value::Bs(blobs.into_iter().map(|binary| binary.0.into()).collect())
            }
            Tag::M => Value::M(map.next_value_seed(InnerAttributes {
                depth: self.deeper()?,
            })?),
            Tag::L => Value::L(map.next_value_seed(ListOf(TypedValue {
                depth: self.deeper()?,
            }))?),
            Tag::Bool => Value::Bool(map.next_value()?),
            Tag::Null => match map.next_value::<bool>()? {
                true => Value::Null,
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

/// A list, each element of which is read by the same seed.
struct ListOf<S>(S);

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for ListOf<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for ListOf<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element_seed(self.0)? {
            list.push(element);
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
#[serde(try_from = "Text")]
struct Number<'a>(#[serde(borrow)] Text<'a>);

impl<'a> TryFrom<Text<'a>> for Number<'a> {
    type Error = String;

    fn try_from(text: Text<'a>) -> Result<Self, String> {
        super::check_number(&text)?;
        Ok(Number(text))
    }
}

#[derive(serde::Deserialize)]
#[serde(try_from = "Text")]
struct Binary(Vec<u8>);

impl TryFrom<Text<'_>> for Binary {
    type Error = String;

    fn try_from(text: Text<'_>) -> Result<Self, String> {
        STANDARD
            .decode(text.as_bytes())
            .map(Binary)
            .map_err(|error| format!("a binary value is not base64: {error}"))
    }
}
