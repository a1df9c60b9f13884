//! The event that AWS Lambda hands to a function for a batch of a stream's
//! records: `{"Records":[…]}`.
//!
//! The shape is AWS's, from "Using AWS Lambda with Amazon DynamoDB", "Example
//! event"; a stream's own answer to `GetRecords` has records of the same shape.
//! They are read one by one, so that one that is broken does not hold up the
//! others.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::{Change, ChangeKind, StreamRecord};
use crate::ddb::json::{Attributes, parse_typed, without_place};
use crate::time;

/// A batch of records, and the stream they are from.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// The stream's ARN, where the event names it.
    pub stream_arn: Option<String>,
    /// The records, in the event's order.
    pub records: Vec<StreamRecord>,
}

impl StreamEvent {
    /// Reads an event.
    ///
    /// # Errors
    ///
    /// Where the text as a whole is no event: the line it goes wrong in,
    /// counted from 1, and a sentence. A record that is wrong is no error but
    /// a [`StreamRecord`] that says so.
    pub fn parse(text: &str) -> Result<StreamEvent, (u64, String)> {
        // Windows editors put a byte order mark before the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw: RawEvent = serde_json::from_str(text).map_err(|error| {
            let line = u64::try_from(error.line()).unwrap_or_default().max(1);
            let message = match error.is_eof() {
                true => "the event ends in the middle of it; it may have been cut off".to_owned(),
                false => without_place(&error),
            };
            (line, message)
        })?;
        Ok(StreamEvent {
            stream_arn: raw.records.iter().find_map(|record| arn(record.get())),
            records: raw.records.iter().map(|raw| record(raw.get())).collect(),
        })
    }

    /// The table whose stream the event is from.
    pub fn table(&self) -> Option<&str> {
        table_of(self.stream_arn.as_deref()?)
    }

    /// Whether it is from the stream of a table, for whose name its ARN may stand.
    pub fn is_of(&self, table: &str) -> bool {
        self.table() == table.rsplit('/').next()
    }
}

/// The table in a stream's ARN:
/// `arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE/stream/LABEL`.
fn table_of(stream_arn: &str) -> Option<&str> {
    let (_, resource) = stream_arn.split_once(":table/")?;
    let (table, _) = resource.split_once("/stream/")?;
    Some(table)
}

/// Reads the records of an answer of the stream's.
///
/// # Errors
///
/// Where the text is no array.
pub(super) fn records(text: &str) -> Result<Vec<StreamRecord>, String> {
    let records: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| without_place(&error))?;
    Ok(records.iter().map(|raw| record(raw.get())).collect())
}

#[derive(Deserialize)]
#[serde(expecting = "an event such as {\"Records\":[…]}")]
struct RawEvent<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

/// What is needed to name a record, whatever else is wrong with it.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "eventSourceARN")]
    arn: Option<String>,
    #[serde(rename = "eventName")]
    name: Option<String>,
    #[serde(borrow)]
    dynamodb: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Number {
    #[serde(rename = "SequenceNumber")]
    sequence_number: Option<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "ApproximateCreationDateTime")]
    at: Option<f64>,
    #[serde(rename = "Keys", borrow)]
    keys: Option<&'a RawValue>,
    #[serde(rename = "NewImage", borrow)]
    new_image: Option<&'a RawValue>,
}

fn arn(record: &str) -> Option<String> {
    serde_json::from_str::<Outline>(record).ok()?.arn
}

fn record(text: &str) -> StreamRecord {
    let outline = serde_json::from_str::<Outline>(text);
    let number = outline.as_ref().ok().and_then(|outline| outline.dynamodb);
    let number = number.and_then(|body| serde_json::from_str::<Number>(body.get()).ok());
    StreamRecord {
        sequence_number: number
            .and_then(|number| number.sequence_number)
            .unwrap_or_default(),
        change: outline
            .map_err(|error| without_place(&error))
            .and_then(change),
    }
}

fn change(outline: Outline) -> Result<Change, String> {
    let body = outline.dynamodb.ok_or("it has no \"dynamodb\"")?;
    let body: Body = serde_json::from_str(body.get()).map_err(|error| without_place(&error))?;
    let item = |name: &str, raw: &RawValue| {
        let parsed = parse_typed(raw.get()).map(Attributes::into_item);
        parsed.map_err(|error| format!("its {name} cannot be read: {error}"))
    };
    Ok(Change {
        kind: ChangeKind::of(&outline.name.ok_or("it has no \"eventName\"")?),
        at: body.at.and_then(time::from_seconds),
        keys: body
            .keys
            .map(|raw| item("Keys", raw))
            .transpose()?
            .unwrap_or_default(),
        new_image: body
            .new_image
            .map(|raw| item("NewImage", raw))
            .transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddb::item::text;

    const ARN: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/cruddur-messages/stream/2023-03-24T00:00:00.000";

    #[test]
    fn a_record_that_is_broken_keeps_its_number_and_the_others_are_read() {
        let event = format!(
            r#"{{"Records":[
              {{"eventName":"INSERT","eventSourceARN":"{ARN}","dynamodb":{{"SequenceNumber":"1",
                "ApproximateCreationDateTime":1.5,"NewImage":{{"pk":{{"S":"MSG#1"}}}}}}}},
              {{"eventName":"INSERT","dynamodb":{{"SequenceNumber":"2","NewImage":{{"pk":"MSG#1"}}}}}},
              {{"dynamodb":{{"SequenceNumber":"3"}}}},
              7
            ]}}"#
        );
        let event = StreamEvent::parse(&event).unwrap();
        assert_eq!(event.table(), Some("cruddur-messages"));
        let numbers: Vec<_> = event.records.iter().map(|r| &r.sequence_number).collect();
        assert_eq!(numbers, ["1", "2", "3", ""]);
        let first = event.records[0].change.as_ref().unwrap();
        assert_eq!(first.kind, ChangeKind::Insert);
        assert_eq!(first.at.unwrap().timestamp_millis(), 1500);
        assert_eq!(text(first.new_image.as_ref().unwrap(), "pk"), Some("MSG#1"));
        for (record, reason) in event.records[1..]
            .iter()
            .zip(["NewImage", "eventName", "7"])
        {
            let error = record.change.as_ref().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_event_that_was_cut_off_says_so_with_its_line() {
        let (line, message) = StreamEvent::parse("{\"Records\":[\n{\"eventName\":").unwrap_err();
        assert_eq!(line, 2);
        assert!(message.contains("cut off"), "{message}");
        let (_, message) = StreamEvent::parse("\u{feff}{}").unwrap_err();
        assert!(message.contains("Records"), "{message}");
    }
}
