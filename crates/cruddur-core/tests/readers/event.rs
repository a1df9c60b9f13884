use aws_sdk_dynamodb::types::AttributeValue;
use cruddur_core::stream::{ChangeKind, StreamEvent};
use proptest::prelude::*;

use crate::{JSON, config, edited, edits, lines};

const ARN: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/cruddur-messages/stream/2023";

#[derive(Debug, Clone)]
struct Record {
    name: &'static str,
    number: String,
    at: f64,
    key: String,
    image: bool,
}

fn record() -> impl Strategy<Value = Record> {
    (
        prop::sample::select(&["INSERT", "MODIFY", "REMOVE", "OTHER"][..]),
        "[0-9]{1,40}",
        any::<f64>().prop_filter("JSON has no others", |at| at.is_finite()),
        any::<String>(),
        any::<bool>(),
    )
        .prop_map(|(name, number, at, key, image)| Record {
            name,
            number,
            at,
            key,
            image,
        })
}

#[test]
fn an_event_is_of_the_table_in_its_arn() {
    let event = |arn: &str| {
        StreamEvent::parse(&format!(r#"{{"Records":[{{"eventSourceARN":"{arn}"}}]}}"#)).unwrap()
    };
    let arn = "arn:aws:dynamodb:us-east-1:111122223333:table/cruddur-messages";
    for (table, expected) in [("cruddur-messages", true), (arn, true), ("messages", false)] {
        assert_eq!(event(ARN).is_of(table), expected, "{table}");
        assert!(!event("").is_of(table), "{table}");
    }
}

fn text(records: &[Record]) -> String {
    let records = records.iter().map(|record| {
        let item = serde_json::json!({"pk": {"S": record.key}, "sk": {"S": "1"}});
        let mut body = serde_json::json!({
            "SequenceNumber": record.number,
            "ApproximateCreationDateTime": record.at,
            "Keys": item,
        });
        if record.image {
            body["NewImage"] = item;
        }
        serde_json::json!({"eventName": record.name, "eventSourceARN": ARN, "dynamodb": body})
    });
    let event = serde_json::json!({"Records": records.collect::<Vec<_>>()});
    format!("{event:#}")
}

/// It is read, or the error names one of its lines.
fn read_or_refused(text: &str) -> Result<(), TestCaseError> {
    match StreamEvent::parse(text) {
        Ok(event) => {
            let _ = event.table();
            for record in event.records {
                if let Err(reason) = record.change {
                    prop_assert!(!reason.is_empty());
                }
            }
        }
        Err((line, message)) => {
            prop_assert!((1..=lines(text)).contains(&line), "line {line}");
            prop_assert!(!message.is_empty());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_refused_with_its_line(text in any::<String>()) {
        read_or_refused(&text)?;
        read_or_refused(&format!("{{\"Records\":[{text}]}}"))?;
    }

    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(record(), 0..4)) {
        let event = StreamEvent::parse(&text(&records)).unwrap();
        prop_assert_eq!(event.records.len(), records.len());
        prop_assert_eq!(event.table(), records.first().map(|_| "cruddur-messages"));
        for (read, record) in event.records.iter().zip(&records) {
            prop_assert_eq!(&read.sequence_number, &record.number);
            let change = read.change.as_ref().unwrap();
            prop_assert_eq!(&change.kind, &ChangeKind::of(record.name));
            prop_assert_eq!(&change.keys["pk"], &AttributeValue::S(record.key.clone()));
            prop_assert_eq!(change.new_image.is_some(), record.image);
        }
    }

    #[test]
    fn a_broken_event_is_read_or_refused_with_its_line(
        records in prop::collection::vec(record(), 0..4),
        edits in edits(JSON),
    ) {
        read_or_refused(&edited(&text(&records), &edits))?;
    }
}
