//! Texts of an item.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A name, a string or the digits of a number.
#[derive(Debug, Clone)]
pub enum Text<'a> {
    /// As it stands in JSON between two quotes. Nothing in it is escaped there, so
    /// nothing has to be where it is written again. To look for it there took 15 % of
    /// the instructions of `ddb scan`.
    OfJson(&'a str),
    /// Any other.
    Any(Cow<'a, str>),
}

impl<'a> Text<'a> {
    /// Takes the text out.
    pub fn into_owned(self) -> String {
        match self {
            Text::OfJson(text) => text.to_owned(),
            Text::Any(text) => text.into_owned(),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::OfJson(text) => text,
            Text::Any(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text::Any(text.into())
    }
}

/// From JSON only: a string of it is borrowed where nothing in it is escaped.
impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OfJson)
    }
}

struct OfJson;

impl<'de> Visitor<'de> for OfJson {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text::OfJson(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text::Any(text.to_owned().into()))
    }
}
