//! DynamoDB's limits on an item and a table's name, checked before it is asked.
//!
//! Those on an item are AWS's, from "Constraints in Amazon DynamoDB" and "DynamoDB item
//! sizes and formats". A batch with one item beyond them is refused whole, so
//! it is worth knowing beforehand which one it is.

use super::json::{Attributes, Number, Value};

/// The largest item, in bytes as [`item_size`] counts them.
pub const MAX_ITEM_SIZE: usize = 400 * 1024;
/// The largest partition key, in bytes.
const MAX_PARTITION_KEY: usize = 2048;
/// The largest sort key, in bytes.
const MAX_SORT_KEY: usize = 1024;

/// Says why DynamoDB would not take a table's name (AWS: "Naming rules"). An
/// ARN may stand for it.
///
/// # Errors
///
/// What a name has to be.
pub fn check_table_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.starts_with("arn:") || (3..=255).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err("a table's name has 3 to 255 letters, digits, `_`, `-` and `.`".to_owned())
}

/// The size of an item in bytes, as DynamoDB counts it for its limits and its
/// capacity units. Numbers are counted at AWS's "approximately".
pub fn item_size(item: &Attributes<'_>) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_size(value))
        .sum()
}

fn value_size(value: &Value<'_>) -> usize {
    match value {
        Value::S(text) => text.len(),
        Value::N(digits) => number_size(digits),
        Value::B(bytes) => bytes.len(),
        Value::Ss(texts) => texts.iter().map(|text| text.len()).sum(),
        Value::Ns(numbers) => numbers.iter().map(|digits| number_size(digits)).sum(),
        Value::Bs(blobs) => blobs.iter().map(|blob| blob.len()).sum(),
        // Three bytes for the container, one for each of its elements.
        Value::M(map) => 3 + map.iter().len() + item_size(map),
        Value::L(list) => 3 + list.len() + list.iter().map(value_size).sum::<usize>(),
        Value::Bool(_) | Value::Null => 1,
    }
}

/// A byte for two significant digits, and one more; another for a sign.
fn number_size(digits: &str) -> usize {
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let negative = mantissa.starts_with('-');
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    significant.div_ceil(2) + 1 + usize::from(negative)
}

/// Says why the messages table would refuse an item.
///
/// # Errors
///
/// A sentence, without where the item came from.
pub fn check_item(item: &Attributes<'_>) -> Result<(), String> {
    check_key(item, "pk", MAX_PARTITION_KEY)?;
    check_key(item, "sk", MAX_SORT_KEY)?;
    // The index takes the item only where its key is a string, and DynamoDB
    // refuses the item where it is there but is none.
    if item.get("message_group_uuid").is_some() {
        check_key(item, "message_group_uuid", MAX_PARTITION_KEY)?;
    }
    for (name, value) in item.iter() {
        check_value(value).map_err(|error| format!("{name:?} {error}"))?;
    }
    check_names(item).map_err(|error| format!("the item {error}"))?;
    match item_size(item) {
        0..=MAX_ITEM_SIZE => Ok(()),
        size => Err(format!(
            "the item has {size} bytes, and DynamoDB takes {MAX_ITEM_SIZE} (400 KB)"
        )),
    }
}

fn check_key(item: &Attributes<'_>, name: &str, limit: usize) -> Result<(), String> {
    let Some(value) = item.get(name) else {
        return Err(format!("the item has no {name:?}"));
    };
    let Value::S(text) = value else {
        return Err(format!("{name:?} is a key and has to be a string"));
    };
    match text.len() {
        0 => Err(format!("{name:?} is a key and cannot be empty")),
        len if len > limit => Err(format!(
            "{name:?} has {len} bytes, and DynamoDB takes {limit}"
        )),
        _ => Ok(()),
    }
}

fn check_names(item: &Attributes<'_>) -> Result<(), &'static str> {
    match item.iter().any(|(name, _)| name.is_empty()) {
        true => Err("holds an attribute without a name, which DynamoDB refuses"),
        false => Ok(()),
    }
}

fn check_value(value: &Value<'_>) -> Result<(), &'static str> {
    match value {
        Value::Ss(set) => check_set(set.iter().map(|text| &**text)),
        // The same number may be written in several forms.
        Value::Ns(set) => check_set(set.iter().map(|digits| Number::of(digits))),
        Value::Bs(set) => check_set(set.iter()),
        Value::L(list) => list.iter().try_for_each(check_value),
        Value::M(map) => {
            check_names(map)?;
            map.iter().try_for_each(|(_, value)| check_value(value))
        }
        _ => Ok(()),
    }
}

fn check_set<T: Ord>(values: impl Iterator<Item = T>) -> Result<(), &'static str> {
    let mut values: Vec<_> = values.collect();
    if values.is_empty() {
        return Err("holds a set without values, which DynamoDB refuses");
    }
    values.sort_unstable();
    if values.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("holds a set with the same value twice, which DynamoDB refuses");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddb::json::parse_typed;

    fn complaint(text: &str) -> String {
        check_item(&parse_typed(text).unwrap()).unwrap_err()
    }

    #[test]
    fn a_table_has_a_name_or_an_arn() {
        let long = "x".repeat(255);
        for name in [
            "abc",
            "cruddur-messages",
            "a_b.C9",
            &long,
            "arn:aws:dynamodb:x:1:table/t",
        ] {
            assert_eq!(check_table_name(name), Ok(()), "{name}");
        }
        for name in ["", "ab", "a b", "tablé", &format!("{long}x")] {
            assert!(check_table_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_item_needs_its_keys_and_proper_sets() {
        for (text, expected) in [
            (r#"{"pk":{"S":"1"}}"#, "no \"sk\""),
            (r#"{"pk":{"N":"1"},"sk":{"S":"1"}}"#, "has to be a string"),
            (r#"{"pk":{"S":""},"sk":{"S":"1"}}"#, "cannot be empty"),
            (
                r#"{"pk":{"S":"1"},"sk":{"S":"1"},"message_group_uuid":{"N":"1"}}"#,
                "has to be a string",
            ),
            (
                r#"{"pk":{"S":"1"},"sk":{"S":"1"},"a":{"SS":[]}}"#,
                "without values",
            ),
            (
                r#"{"pk":{"S":"1"},"sk":{"S":"1"},"a":{"L":[{"NS":["1","1.0"]}]}}"#,
                "twice",
            ),
            (
                r#"{"pk":{"S":"1"},"sk":{"S":"1"},"a":{"M":{"":{"S":"x"}}}}"#,
                "\"a\" holds an attribute without a name",
            ),
            (
                r#"{"pk":{"S":"1"},"sk":{"S":"1"},"":{"S":"x"}}"#,
                "without a name",
            ),
        ] {
            let error = complaint(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        let long = "x".repeat(1025);
        assert!(
            complaint(&format!(r#"{{"pk":{{"S":"1"}},"sk":{{"S":"{long}"}}}}"#)).contains("1025")
        );
    }

    #[test]
    fn four_hundred_kilobytes_count_names_and_values() {
        let item = |bytes: usize| {
            let text = "x".repeat(bytes);
            format!(r#"{{"pk":{{"S":"1"}},"sk":{{"S":"1"}},"a":{{"S":"{text}"}}}}"#)
        };
        // pk and sk take three bytes each, the name "a" one.
        let fits = item(MAX_ITEM_SIZE - 7);
        let fits = parse_typed(&fits).unwrap();
        assert_eq!(item_size(&fits), MAX_ITEM_SIZE);
        assert_eq!(check_item(&fits), Ok(()));
        assert!(complaint(&item(MAX_ITEM_SIZE - 6)).contains("400 KB"));
    }
}
