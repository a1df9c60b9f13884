use std::collections::HashMap;
use std::io::{BufReader, Cursor};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as V;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::import::{ImportOptions, Imported, OnError};
use cruddur_core::ddb::json::write_typed;
use cruddur_core::target::{Inputs, Target};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::{JSON, config, edited, edits};

type Item = HashMap<String, V>;

fn value() -> impl Strategy<Value = V> {
    let leaf = prop_oneof![
        any::<String>().prop_map(V::S),
        "-?[1-9][0-9]{0,20}(\\.[0-9]{0,16}[1-9])?".prop_map(V::N),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| V::B(Blob::new(bytes))),
        any::<bool>().prop_map(V::Bool),
        Just(V::Null(true)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(V::L),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..4).prop_map(V::M),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    let others = prop::collection::hash_map("[a-z]{3,6}", value(), 0..4);
    ("[^\0]{1,20}", "[^\0]{1,20}", others).prop_map(|(pk, sk, mut item)| {
        item.insert("pk".to_owned(), V::S(pk));
        item.insert("sk".to_owned(), V::S(sk));
        item
    })
}

fn text(items: &[Item]) -> String {
    let mut out = Vec::new();
    for item in items {
        write_typed(&mut out, item);
        out.push(b'\n');
    }
    String::from_utf8(out).unwrap()
}

fn array(items: &[Item]) -> String {
    let lines = text(items);
    let elements: Vec<&str> = lines.lines().collect();
    format!("\n[{}]\n", elements.join(",\n  "))
}

thread_local! {
    /// A dry run sends nothing, so that no server is needed.
    static TABLE: (Runtime, Table) = {
        let runtime = Builder::new_current_thread().build().unwrap();
        let target = Target::resolve(Inputs::default());
        let table = runtime.block_on(Table::connect(&target)).unwrap();
        (runtime, table)
    };
}

fn read(bytes: &[u8], on_error: OnError) -> Imported {
    let options = ImportOptions {
        on_error,
        dry_run: true,
        ..ImportOptions::default()
    };
    let source = BufReader::new(Cursor::new(bytes.to_vec()));
    TABLE.with(|(runtime, table)| runtime.block_on(table.import(source, &options, &mut |_| {})))
}

/// Every line is blank, an item, or named in an error; in an array every item is,
/// and so is the end.
fn every_line_counts(bytes: &[u8]) -> Result<(), TestCaseError> {
    let begin = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let lines: Vec<&[u8]> = begin.split(|&byte| byte == b'\n').collect();
    let last = lines.len() as u64;
    let full = lines
        .iter()
        .filter(|l| !l.iter().all(u8::is_ascii_whitespace));
    let imported = read(bytes, OnError::Continue);
    let is_array = begin.trim_ascii_start().starts_with(b"[");
    let compressed = bytes.starts_with(&[0x1f, 0x8b]);
    prop_assert!(compressed || is_array || imported.read == full.count() as u64);
    let ends = bytes.trim_ascii_end().ends_with(b"]");
    prop_assert!(!is_array || ends || imported.bad_total > 0);
    prop_assert_eq!(imported.read, imported.written + imported.bad_total);
    for bad in &imported.bad {
        prop_assert!(
            (1..=last).contains(&bad.line),
            "line {} of {last}",
            bad.line
        );
    }
    let first_bad = imported.bad.first().map(|bad| bad.line);
    let stopped = read(bytes, OnError::Stop);
    prop_assert_eq!(stopped.bad.first().map(|bad| bad.line), first_bad);
    prop_assert!(stopped.bad_total <= 1);
    if let Some(line) = first_bad {
        let error = stopped
            .into_result("f", OnError::Stop)
            .unwrap_err()
            .to_string();
        prop_assert!(error.contains(&format!("f:{line}: ")), "{error}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_read_or_named(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        every_line_counts(&bytes)?;
    }

    #[test]
    fn what_is_written_is_read(items in prop::collection::vec(item(), 0..4)) {
        let imported = read(text(&items).as_bytes(), OnError::Continue);
        prop_assert_eq!(&imported.bad, &[]);
        prop_assert_eq!(imported.read, items.len() as u64);
        let imported = read(array(&items).as_bytes(), OnError::Stop);
        prop_assert_eq!(&imported.bad, &[]);
        prop_assert_eq!(imported.read, items.len() as u64);
        let answer = format!("{{ \"Items\" : {} }}", array(&items));
        let imported = read(answer.as_bytes(), OnError::Stop);
        prop_assert_eq!(&imported.bad, &[]);
        prop_assert_eq!(imported.read, items.len() as u64);
    }

    #[test]
    fn broken_lines_are_read_or_named(
        items in prop::collection::vec(item(), 1..4),
        edits in edits(JSON),
    ) {
        every_line_counts(edited(&text(&items), &edits).as_bytes())?;
        every_line_counts(edited(&array(&items), &edits).as_bytes())?;
    }
}
