//! An item as it stands in JSON, borrowed from the text where it can be.
//!
//! The SDK's maps cost several allocations an attribute, which is most of what
//! a scan or an import of many items takes. What is only read and written
//! again goes through this instead.

use std::borrow::Cow;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::Text;
use crate::ddb::item::Item;

/// The attributes of an item or of a map: `pk` and `sk` first, then the others
/// in the order of their names' bytes. No name is there twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes<'a>(Vec<(Text<'a>, Value<'a>)>);

/// A value with its type, by the names DynamoDB gives them.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "they are DynamoDB's own names")]
pub enum Value<'a> {
    S(Text<'a>),
    /// The digits of a number.
    N(Text<'a>),
    B(Cow<'a, [u8]>),
    Ss(Vec<Text<'a>>),
    Ns(Vec<Text<'a>>),
    Bs(Vec<Cow<'a, [u8]>>),
    M(Attributes<'a>),
    L(Vec<Value<'a>>),
    Bool(bool),
    Null,
}

impl<'a> Attributes<'a> {
    /// Puts them in order.
    ///
    /// # Errors
    ///
    /// The name that is there twice.
    pub(super) fn new(mut all: Vec<(Text<'a>, Value<'a>)>) -> Result<Self, Text<'a>> {
        sort(&mut all);
        match all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Attributes(all)),
        }
    }

    /// Strings, whose names differ and are in order.
    pub(crate) fn of_texts<const N: usize>(texts: [(&'static str, Cow<'a, str>); N]) -> Self {
        let attribute = |(name, text)| (Text::from(name), Value::S(Text::Any(text)));
        let all = Vec::from(texts.map(attribute));
        debug_assert!(all.is_sorted_by_key(|(name, _)| (rank(name), name.to_string())));
        Attributes(all)
    }

    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let (_, value) = self.0.iter().find(|(known, _)| **known == *name)?;
        Some(value)
    }

    /// An attribute's text, where it is there and is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::S(text) => Some(text),
            _ => None,
        }
    }

    /// Each name with its value, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The same, to be written.
    pub(super) fn entries(&self) -> &[(Text<'a>, Value<'a>)] {
        &self.0
    }

    /// The item as the SDK holds it.
    pub fn into_item(self) -> Item {
        let owned = |(name, value): (Text, Value)| (name.into_owned(), value.into_owned());
        self.0.into_iter().map(owned).collect()
    }
}

fn sort(all: &mut [(Text, Value)]) {
    all.sort_unstable_by(|(one, _), (other, _)| (rank(one), &**one).cmp(&(rank(other), &**other)));
}

/// The keys come first, since they say what the rest is about.
fn rank(name: &str) -> u8 {
    match name {
        "pk" => 0,
        "sk" => 1,
        _ => 2,
    }
}

impl Value<'_> {
    fn into_owned(self) -> AttributeValue {
        let texts = |texts: Vec<Text>| texts.into_iter().map(Text::into_owned).collect();
        let blob = |bytes: Cow<[u8]>| Blob::new(bytes.into_owned());
        match self {
            Value::S(text) => AttributeValue::S(text.into_owned()),
            Value::N(digits) => AttributeValue::N(digits.into_owned()),
            Value::B(bytes) => AttributeValue::B(blob(bytes)),
            Value::Ss(set) => AttributeValue::Ss(texts(set)),
            Value::Ns(set) => AttributeValue::Ns(texts(set)),
            Value::Bs(set) => AttributeValue::Bs(set.into_iter().map(blob).collect()),
            Value::M(map) => AttributeValue::M(map.into_item()),
            Value::L(list) => AttributeValue::L(list.into_iter().map(Value::into_owned).collect()),
            Value::Bool(value) => AttributeValue::Bool(value),
            Value::Null => AttributeValue::Null(true),
        }
    }
}

impl<'a> From<&'a Item> for Attributes<'a> {
    fn from(item: &'a Item) -> Self {
        let borrowed = |(name, value): (&'a String, &'a AttributeValue)| {
            (Text::from(name.as_str()), Value::from(value))
        };
        let mut all: Vec<_> = item.iter().map(borrowed).collect();
        sort(&mut all);
        Attributes(all)
    }
}

impl<'a> From<&'a AttributeValue> for Value<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        use AttributeValue as V;
        let text = |text: &'a String| Text::from(text.as_str());
        let bytes = |blob: &'a Blob| Cow::from(blob.as_ref());
        match value {
            V::S(s) => Value::S(text(s)),
            V::N(digits) => Value::N(text(digits)),
            V::B(blob) => Value::B(bytes(blob)),
            V::Ss(set) => Value::Ss(set.iter().map(text).collect()),
            V::Ns(set) => Value::Ns(set.iter().map(text).collect()),
            V::Bs(set) => Value::Bs(set.iter().map(bytes).collect()),
            V::M(map) => Value::M(map.into()),
            V::L(list) => Value::L(list.iter().map(Value::from).collect()),
            V::Bool(value) => Value::Bool(*value),
            // NULL, or a type that DynamoDB had not when the SDK was made:
            // nothing of it is known.
            _ => Value::Null,
        }
    }
}
