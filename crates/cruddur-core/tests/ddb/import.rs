use std::io::{BufReader, Cursor, Read, Write as _};

use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::import::{ImportOptions, Imported, OnError};
use cruddur_core::ddb::json::{parse_typed, write_typed};

use crate::dynamodb::{all_items, endpoint, key, no_table, plain_table, table_at};
use crate::fault_proxy::{Fault, FaultProxy};

fn options(on_error: OnError) -> ImportOptions {
    ImportOptions {
        on_error,
        ..ImportOptions::default()
    }
}

async fn import(table: &Table, text: impl Into<Vec<u8>>, on_error: OnError) -> Imported {
    let source = BufReader::new(Cursor::new(text.into()));
    table.import(source, &options(on_error), &mut |_| {}).await
}

fn lines(range: std::ops::Range<usize>) -> String {
    range
        .map(|n| format!("{{\"pk\":{{\"S\":\"MSG#1\"}},\"sk\":{{\"S\":\"{n:06}\"}}}}\n"))
        .collect()
}

const EVERY_TYPE: &str = r#"{"pk":{"S":"MSG#1"},"sk":{"S":"1"},"big":{"N":"12345678901234567890123456789012345678"},"binary":{"B":"AP8Q"},"bs":{"BS":["AQ==","Ag=="]},"empty":{"S":""},"false":{"BOOL":false},"fraction":{"N":"-0.000000000000000000000000000000000000012345"},"l":{"L":[{"NULL":true},{"M":{"é":{"L":[]}}}]},"m":{"M":{}},"ns":{"NS":["1","2.5"]},"ss":{"SS":["\"","\n"]},"text":{"S":"\"it's\"\n\t👋\u0001"}}"#;

#[tokio::test]
async fn every_type_comes_back_exactly() {
    let table = plain_table().await;
    import(&table, EVERY_TYPE, OnError::Stop)
        .await
        .into_result("-", OnError::Stop)
        .unwrap();
    let items = all_items(&table).await;
    let mut first = Vec::new();
    write_typed(&mut first, &items[0]);
    let first = String::from_utf8(first).unwrap();
    // Sets have no order, and the engine may spell a number another way.
    for exact in [
        r#""big":{"N":"12345678901234567890123456789012345678"}"#,
        r#""binary":{"B":"AP8Q"}"#,
        r#""empty":{"S":""}"#,
        r#""l":{"L":[{"NULL":true},{"M":{"é":{"L":[]}}}]}"#,
        r#""text":{"S":"\"it's\"\n\t👋\u0001"}"#,
    ] {
        assert!(first.contains(exact), "{first}");
    }
    // What was printed is read back as the very same items.
    let other = crate::dynamodb::plain_table().await;
    import(&other, first, OnError::Stop).await;
    assert_eq!(all_items(&other).await, items);
}

#[tokio::test]
async fn an_export_to_s3_and_odd_white_space_are_read() {
    let table = plain_table().await;
    let text = "\u{feff}{\"Item\":{\"pk\":{\"S\":\"MSG#1\"},\"sk\":{\"S\":\"1\"}}}\r\n\n  \n {\"pk\":{\"S\":\"MSG#1\"},\"sk\":{\"S\":\"2\"}}";
    let imported = import(&table, text, OnError::Stop)
        .await
        .into_result("-", OnError::Stop)
        .unwrap();
    assert_eq!((imported.read, imported.written), (2, 2));
}

#[tokio::test]
async fn an_array_is_read_in_any_layout() {
    let pretty = "\u{feff}\n [\n  {\n    \"pk\": {\"S\": \"}],\\\"[{\\\\\"},\r\n    \"sk\": {\"S\": \"1\"}\n  },\n  {\"pk\": {\"S\": \"👋\"}, \"sk\": {\"S\": \"2\"}, \"l\": {\"L\": []}}\n]\n";
    let compact: String = pretty.split_whitespace().collect();
    let array = pretty.trim_start_matches('\u{feff}');
    // As the AWS CLI prints the answer to a scan.
    let answer = format!(
        "{{\n    \"Items\": {array},\n    \"Count\": 2,\n    \"ConsumedCapacity\": null\n}}\n"
    );
    for (text, count) in [
        (pretty, 2),
        (&compact, 2),
        ("[]", 0),
        (" [ ] ", 0),
        (&answer, 2),
        ("{\"Items\":[]}", 0),
        // One a page, as they are appended to a file.
        (&format!("{{\"Items\":[],\"Count\":0}}\n{answer}"), 2),
        (&format!("{answer}{{\"Items\": []}}"), 2),
    ] {
        let table = plain_table().await;
        // Every buffer ends within something.
        let source = BufReader::with_capacity(3, Cursor::new(text.to_owned()));
        let imported = table
            .import(source, &options(OnError::Stop), &mut |_| {})
            .await
            .into_result("-", OnError::Stop)
            .unwrap();
        assert_eq!((imported.read, imported.written), (count, count), "{text}");
        let mut items = all_items(&table).await;
        items.sort_by_key(|item| item["sk"].as_s().unwrap().clone());
        if let [first, second] = &items[..] {
            assert_eq!(first["pk"].as_s().unwrap(), "}],\"[{\\");
            assert_eq!(second["pk"].as_s().unwrap(), "👋");
        }
    }
}

#[tokio::test]
async fn an_array_that_is_cut_off_or_has_a_bad_item_is_told_by_line() {
    let good = r#"{"pk":{"S":"MSG#1"},"sk":{"S":"1"}}"#;
    let other = r#"{"pk":{"S":"MSG#1"},"sk":{"S":"2"}}"#;
    for (text, written, line, expected) in [
        (format!("[\n{good},\n{other}\n"), 2, 4, "no end"),
        (format!("[\n{good},\n"), 1, 3, "no end"),
        (format!("[\n{good},\n]"), 1, 3, "begins with `{`"),
        (format!("[\n{good}\n{other}]"), 1, 3, "`,` or `]`"),
        (format!("[{good}]\n\n{other}\n"), 1, 3, "after the end"),
        (
            format!("{{\n\"Items\": [\n{good},\n{other}\n]"),
            2,
            5,
            "no end",
        ),
        (format!("{{\"Items\":\n[{good}\n"), 1, 3, "no end"),
        (
            format!("{{\"Items\": [{good}], garbage}}\n"),
            1,
            1,
            "not JSON",
        ),
        (
            format!("{{\"Items\": [{good}]}} garbage\n"),
            1,
            1,
            "expected",
        ),
        (format!("[{good},\n{{\n}},\n{other}]"), 2, 2, "has no"),
        (
            format!(
                "[{good},\n{{\"pk\":\n\"{}\"}},{other}]",
                "x".repeat(5_000_000)
            ),
            1,
            2,
            "more than",
        ),
    ] {
        let table = plain_table().await;
        let imported = import(&table, text, OnError::Continue).await;
        let [bad] = &imported.bad[..] else {
            panic!("{:?}", imported.bad);
        };
        assert_eq!((imported.written, bad.line), (written, line), "{bad:?}");
        assert!(bad.message.contains(expected), "{bad:?}");
    }
}

#[tokio::test]
async fn a_bad_line_stops_it_with_all_before_and_none_after() {
    let table = plain_table().await;
    let text = format!("{}{{\"pk\":\n{}", lines(0..499), lines(600..700));
    let imported = import(&table, text, OnError::Stop).await;
    assert_eq!((imported.written, imported.bad[0].line), (499, 500));
    let error = imported
        .into_result("items.jsonl", OnError::Stop)
        .unwrap_err();
    assert!(matches!(error, Error::Partial { .. }), "{error}");
    assert!(
        error.to_string().starts_with("items.jsonl:500: EOF"),
        "{error}"
    );
    assert_eq!(all_items(&table).await.len(), 499);
}

#[tokio::test]
async fn or_the_rest_goes_on_and_each_is_named() {
    let table = plain_table().await;
    let text = format!(
        "nonsense\n{}{{\"pk\":{{\"S\":\"1\"}}}}\n{}",
        lines(0..30),
        lines(30..60)
    );
    let imported = import(&table, text, OnError::Continue).await;
    let bad: Vec<_> = imported.bad.iter().map(|bad| bad.line).collect();
    assert_eq!((imported.written, bad), (60, vec![1, 32]));
    let error = imported.into_result("f", OnError::Continue).unwrap_err();
    let Error::Partial { not_done, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(not_done[1], "f:32: the item has no \"sk\"");
}

#[tokio::test]
async fn a_first_line_that_is_bad_is_an_error_of_its_own() {
    let table = plain_table().await;
    for (text, expected) in [
        (b"\x1f\x8b\x08rest".to_vec(), "compressed"),
        (b"{\"pk\":\"\xff\"}".to_vec(), "UTF-8"),
        (b"\"x\"".to_vec(), "expected an item such as"),
        (
            b"{\n  \"Item\": {}\n}".to_vec(),
            "one object over several lines",
        ),
        (b"[1]".to_vec(), "begins with `{`"),
        (b"[".to_vec(), "cut off"),
        (b"[] x".to_vec(), "after the end of the array"),
        (b"[{\"pk\": {\"S\": \"[\"}".to_vec(), "cut off"),
        (b"[{]".to_vec(), "key must be a string"),
        (
            format!(
                "{{\"pk\":{{\"S\":\"1\"}},\"sk\":{{\"S\":\"1\"}},\"a\":{{\"S\":\"{}\"}}}}",
                "x".repeat(410_000)
            )
            .into_bytes(),
            "400 KB",
        ),
        (vec![b'x'; 5_000_000], "more than"),
    ] {
        let error = import(&table, text, OnError::Stop)
            .await
            .into_result("f", OnError::Stop)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("f:1: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_line_that_is_far_too_long_is_skipped_whole() {
    let table = plain_table().await;
    let text = format!("{}\n{}", "x".repeat(9_000_000), lines(0..3));
    let imported = import(&table, text, OnError::Continue).await;
    assert_eq!((imported.written, imported.bad_total), (3, 1));
}

#[tokio::test]
async fn many_bad_lines_are_counted_and_not_kept() {
    let table = plain_table().await;
    let imported = import(&table, "x\n".repeat(5_000), OnError::Continue).await;
    assert_eq!((imported.bad.len(), imported.bad_total), (100, 5_000));
    let Err(Error::NotDone { not_done, .. }) = imported.into_result("f", OnError::Continue) else {
        panic!();
    };
    assert_eq!(not_done[100], "and 4900 more lines");
}

#[tokio::test]
async fn a_dry_run_reads_and_writes_nothing() {
    let table = plain_table().await;
    let source = BufReader::new(Cursor::new(format!("{}x\n", lines(0..40))));
    let dry = ImportOptions {
        dry_run: true,
        on_error: OnError::Continue,
        ..ImportOptions::default()
    };
    let imported = table.import(source, &dry, &mut |_| {}).await;
    assert_eq!((imported.written, imported.bad[0].line), (40, 41));
    let error = imported.into_result("-", OnError::Continue).unwrap_err();
    let told = "items of - that would be written: 40; bad lines: 1";
    assert_eq!(error.to_string(), told);
    assert!(all_items(&table).await.is_empty());
}

#[tokio::test]
async fn nothing_is_lost_when_the_table_is_busy() {
    let table = plain_table().await;
    let proxy = FaultProxy::start(endpoint(), |n, _| match n % 5 {
        0 => Fault::Exception("ProvisionedThroughputExceededException"),
        1 => Fault::HandBack(3),
        2 => Fault::CutAfter,
        _ => Fault::None,
    })
    .await;
    let through_proxy = table_at(&proxy.url, table.name()).await;
    let imported = import(&through_proxy, lines(0..600), OnError::Stop).await;
    let imported = imported.into_result("-", OnError::Stop).unwrap();
    assert_eq!(imported.written, 600);
    assert_eq!(all_items(&table).await.len(), 600);
}

#[tokio::test]
async fn where_to_go_on_is_before_all_that_is_not_written() {
    let table = plain_table().await;
    // Half of the first call waits to be sent again when a line of another is
    // refused.
    let proxy = FaultProxy::start(endpoint(), |n, _| match n {
        0 => Fault::HandBack(2),
        1 | 6.. => Fault::Exception("ValidationException"),
        _ => Fault::None,
    })
    .await;
    let through_proxy = table_at(&proxy.url, table.name()).await;
    let imported = import(&through_proxy, lines(1..101), OnError::Stop).await;
    assert!(imported.bad_total > 0, "{imported:?}");
    let error = imported.into_result("-", OnError::Stop).unwrap_err();
    let Error::Partial { not_done, .. } = error else {
        panic!("{error}");
    };
    let line = not_done[0].strip_prefix("some lines of - from line ");
    let line = line.and_then(|line| line.strip_suffix(" on")).unwrap();
    let line: usize = line.parse().unwrap();
    let written = all_items(&table).await;
    let first = (1..).find(|n| {
        let sk = format!("{n:06}");
        !written.iter().any(|item| key(item).1 == sk)
    });
    assert_eq!(first, Some(line), "{not_done:?}");
}

/// A disk that fails.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the disk fails"))
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_on_is_one_more_line() {
    let table = plain_table().await;
    for dry_run in [true, false] {
        for count in [0, 3] {
            let source = BufReader::new(Cursor::new(lines(0..count)).chain(Broken));
            let options = ImportOptions {
                dry_run,
                ..ImportOptions::default()
            };
            let imported = table.import(source, &options, &mut |_| {}).await;
            let count = count as u64;
            assert_eq!((imported.read, imported.written), (count + 1, count));
            assert_eq!(imported.bad[0].line, count + 1);
        }
    }
}

#[tokio::test]
async fn a_pipe_that_stays_open_does_not_hold_up_an_error() {
    let table = no_table().await;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(lines(0..200).as_bytes()).unwrap();
    let imported = table
        .import(BufReader::new(reader), &options(OnError::Stop), &mut |_| {})
        .await;
    let error = imported.into_result("-", OnError::Stop).unwrap_err();
    assert!(matches!(error, Error::TableNotFound { .. }), "{error}");
    drop(writer);
}

#[test]
fn the_line_above_has_every_type() {
    for name in ["S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"] {
        assert!(EVERY_TYPE.contains(&format!("{{\"{name}\":")), "{name}");
    }
    assert!(parse_typed(EVERY_TYPE).is_ok());
}

#[tokio::test]
async fn an_answer_that_is_not_the_last_is_told() {
    let item = r#"{"pk":{"S":"MSG#1"},"sk":{"S":"1"}}"#;
    for (end, goes_on) in [
        ("", false),
        (r#","NextToken": null"#, false),
        (r#","Count":1,"NextToken":"e30=""#, true),
        (r#","LastEvaluatedKey":{"pk":{"S":"}"}}"#, true),
    ] {
        let text = format!("{{\"Items\": [{item}]{end}}}");
        let table = plain_table().await;
        let imported = import(&table, text.clone(), OnError::Stop).await;
        assert_eq!((imported.written, imported.goes_on), (1, goes_on), "{text}");
        let last = format!("{text}\n{{\"Items\": []}}");
        assert!(!import(&table, last, OnError::Stop).await.goes_on);
    }
}
