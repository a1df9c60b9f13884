use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as V;
use proptest::prelude::*;

use super::*;
use crate::ddb::item::Item;

fn typed(item: &Item) -> String {
    let mut out = Vec::new();
    write_typed(&mut out, item);
    String::from_utf8(out).unwrap()
}

fn plain(item: &Item) -> String {
    let mut out = Vec::new();
    write_plain(&mut out, item);
    String::from_utf8(out).unwrap()
}

fn parsed(text: &str) -> Result<Item, String> {
    parse_typed(text).map(Attributes::into_item)
}

fn item(entries: &[(&str, V)]) -> Item {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn every_type() -> Item {
    item(&[
        ("sk", V::S("2".into())),
        ("a", V::N("123456789012345678901234567890.12345678".into())),
        ("pk", V::S("1".into())),
        ("b", V::B(Blob::new([0, 255, 16]))),
        ("ss", V::Ss(vec!["x".into(), "\"".into()])),
        ("ns", V::Ns(vec!["1".into(), "2.50".into()])),
        ("bs", V::Bs(vec![Blob::new([1])])),
        ("l", V::L(vec![V::Bool(true), V::Null(true)])),
        ("m", V::M(item(&[("é\n", V::N("1E+40".into()))]))),
    ])
}

#[test]
fn keys_come_first_and_numbers_keep_their_digits() {
    assert_eq!(
        plain(&every_type()),
        r#"{"pk":"1","sk":"2","a":123456789012345678901234567890.12345678,"b":"AP8Q","bs":["AQ=="],"l":[true,null],"m":{"é\n":1E+40},"ns":[1,2.50],"ss":["x","\""]}"#
    );
}

#[test]
fn typed_json_names_every_type() {
    let text = typed(&every_type());
    assert_eq!(
        text,
        r#"{"pk":{"S":"1"},"sk":{"S":"2"},"a":{"N":"123456789012345678901234567890.12345678"},"b":{"B":"AP8Q"},"bs":{"BS":["AQ=="]},"l":{"L":[{"BOOL":true},{"NULL":true}]},"m":{"M":{"é\n":{"N":"1E+40"}}},"ns":{"NS":["1","2.50"]},"ss":{"SS":["x","\""]}}"#
    );
    assert_eq!(parsed(&text), Ok(every_type()));
    assert_eq!(
        parsed(&format!(" {{ \"Item\" : {text} }} ")),
        Ok(every_type())
    );
}

#[test]
fn a_number_that_json_cannot_spell_is_a_string() {
    assert_eq!(plain(&item(&[("n", V::N(".5".into()))])), r#"{"n":".5"}"#);
}

#[test]
fn what_is_wrong_is_said() {
    for (text, expected) in [
        ("", "EOF"),
        ("[]", "expected an item"),
        ("nonsense", "expected"),
        (r#"{"pk":{"S":"1"}"#, "EOF"),
        (r#"{"pk":{"S":"1"}} x"#, "trailing"),
        (r#"{"pk":"1"}"#, "expected a typed value"),
        (r#"{"pk":{}}"#, "no typed value"),
        (r#"{"pk":{"S":"1","N":"1"}}"#, "one type"),
        (r#"{"pk":{"X":"1"}}"#, "unknown variant `X`"),
        (r#"{"pk":{"S":1}}"#, "expected a string"),
        (r#"{"pk":{"N":"one"}}"#, "is not a number"),
        (r#"{"pk":{"N":1}}"#, "expected a string"),
        (r#"{"pk":{"B":"***"}}"#, "not base64"),
        (r#"{"pk":{"NULL":false}}"#, "always true"),
        (r#"{"pk":{"S":"1"},"pk":{"S":"2"}}"#, "twice"),
        (
            r#"{"Item":{"pk":{"S":"1"}},"x":{"S":"1"}}"#,
            "stands beside",
        ),
    ] {
        let error = parse_typed(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("line"), "{text}: {error}");
    }
}

#[test]
fn nesting_ends_at_32_levels() {
    let nested = |levels: usize| {
        let (open, close) = (r#"{"L":["#.repeat(levels), "]}".repeat(levels));
        format!(r#"{{"pk":{open}{{"S":"x"}}{close}}}"#)
    };
    assert!(parse_typed(&nested(32)).is_ok());
    assert!(parse_typed(&nested(33)).unwrap_err().contains("nested"));
    assert!(parse_typed(&nested(3_000)).is_err());
}

fn value() -> impl Strategy<Value = V> {
    let number = || "-?[1-9][0-9]{0,20}(\\.[0-9]{1,17})?(E[+-]?[0-9]{1,2})?";
    let blob = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Blob::new);
    let leaf = prop_oneof![
        any::<String>().prop_map(V::S),
        number().prop_map(V::N),
        blob().prop_map(V::B),
        any::<bool>().prop_map(V::Bool),
        Just(V::Null(true)),
        prop::collection::vec(any::<String>(), 1..4).prop_map(V::Ss),
        prop::collection::vec(number(), 1..4).prop_map(V::Ns),
        prop::collection::vec(blob(), 1..4).prop_map(V::Bs),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(V::L),
            prop::collection::hash_map(any::<String>(), inner, 0..5).prop_map(V::M),
        ]
    })
}

/// Where a list is cut out of an answer, what stands behind it is not to be lost.
#[test]
fn an_array_is_read_to_its_end() {
    let array = r#"[{"pk":{"S":"]"}}]"#;
    assert_eq!(parse_array(array).unwrap().len(), 1);
    for behind in [
        r#","LastEvaluatedKey":{"pk":{"S":"a"}},"More":[1]"#,
        "]",
        "[]",
    ] {
        assert!(
            parse_array(&format!("{array}{behind}")).is_err(),
            "{behind}"
        );
    }
}

fn any_item() -> impl Strategy<Value = HashMap<String, V>> {
    prop::collection::hash_map(any::<String>(), value(), 0..6)
        .prop_filter("a wrapper", |item| !item.contains_key("Item"))
}

proptest! {
    #[test]
    fn typed_json_loses_nothing(item in any_item()) {
        prop_assert_eq!(parsed(&typed(&item)), Ok(item));
    }

    #[test]
    fn what_was_read_is_written_as_it_stood(item in any_item()) {
        let text = typed(&item);
        let mut again = Vec::new();
        write_typed(&mut again, parse_typed(&text).unwrap());
        prop_assert_eq!(String::from_utf8(again).unwrap(), text.clone());
        let mut again = Vec::new();
        write_plain(&mut again, parse_typed(&text).unwrap());
        prop_assert_eq!(String::from_utf8(again).unwrap(), plain(&item));
    }

    #[test]
    fn plain_json_is_json(item in any_item()) {
        let read: serde_json::Result<serde::de::IgnoredAny> = serde_json::from_str(&plain(&item));
        prop_assert!(read.is_ok());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = parse_typed(&text);
    }

    #[test]
    fn strings_are_escaped_as_json_wants(text in any::<String>()) {
        let mut out = Vec::new();
        write_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
