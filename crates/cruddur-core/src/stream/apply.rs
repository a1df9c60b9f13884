//! Pattern **E** over a batch of records: each group once, to its newest message.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use super::advance::{self, Advance, Newest, TOGETHER};
use super::record::{Change, ChangeKind, StreamRecord};
use crate::ddb::Table;
use crate::ddb::item::{Item, MESSAGE_PREFIX, text};
use crate::{Error, time};

/// How many transactions are put together at once: with fewer, the embedded
/// engine waits for the next.
const PLANNED: usize = 4;
/// How many are sent at once: of more, DynamoDB Local gives one up that waits for
/// the others.
const SENT: usize = 2;

/// What became of a batch of records.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Applied {
    /// The groups whose items were moved, or mended.
    pub moved: Vec<MovedGroup>,
    /// How many groups stood at their newest message already, or later.
    pub unchanged: usize,
    /// How many records are not new messages.
    pub ignored: usize,
    /// The records that were not applied.
    pub failures: Vec<Failure>,
}

/// A group that was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedGroup {
    /// Which.
    pub message_group_uuid: String,
    /// The time of its newest message in the batch.
    #[serde(serialize_with = "time::as_key")]
    pub last_message_at: DateTime<Utc>,
    /// For how many participants: fewer than two if others have left.
    pub participants: usize,
}

/// A record that was not applied, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The record; empty where it carries no number.
    pub sequence_number: String,
    /// Why.
    pub reason: String,
    /// What went wrong around the record, where the record is not to blame.
    #[serde(skip)]
    pub cause: Option<Error>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sequence_number.as_str() {
            "" => write!(f, "a record without a sequence number: {}", self.reason),
            number => write!(f, "record {number}: {}", self.reason),
        }
    }
}

impl Applied {
    /// The first failure for which no record is to blame: the batch has to be
    /// applied again once that is over.
    pub fn cause(&self) -> Option<&Error> {
        self.failures.iter().find_map(|f| f.cause.as_ref())
    }

    /// The lowest sequence number of a record that failed. The empty one, of a
    /// record that carries none, is lower than any.
    pub fn lowest_failure(&self) -> Option<&str> {
        let numbers = self.failures.iter().map(|f| f.sequence_number.as_str());
        // Decimal digits of up to 40 places: the longer number is the larger.
        numbers.min_by_key(|number| (number.len(), *number))
    }
}

/// Brings the group items of every group in the batch to its newest message.
///
/// What is not an inserted message is ignored, and so is what this function
/// writes itself. The messages of one group cost one move, whatever their
/// order. A record that fails is told of under [`Applied::failures`] and does
/// not hold up the others; applying any record again changes nothing.
pub async fn apply(table: &Table, records: &[StreamRecord]) -> Applied {
    each_group(table, records, false).await
}

/// What [`apply`] would do now, going by the index. Writes nothing.
pub async fn foretell(table: &Table, records: &[StreamRecord]) -> Applied {
    each_group(table, records, true).await
}

async fn each_group(table: &Table, records: &[StreamRecord], dry_run: bool) -> Applied {
    let mut applied = Applied::default();
    let (numbers, newest): (Vec<_>, Vec<_>) =
        newest_by_group(records, &mut applied).into_values().unzip();
    let mut advanced = stream::iter(newest.chunks(TOGETHER))
        .map(|groups| advance::plan(table, groups))
        .buffered(PLANNED)
        .map(|planned| async move {
            match dry_run {
                true => planned.foretold(),
                false => planned.carry_out(table).await,
            }
        })
        .buffered(SENT)
        .map(stream::iter)
        .flatten()
        .zip(stream::iter(newest.iter().zip(numbers)));
    while let Some((result, (newest, number))) = advanced.next().await {
        applied.add(table, newest, number, result);
    }
    applied.failures.sort_by(|a, b| {
        let place = |f: &Failure| (f.sequence_number.len(), f.sequence_number.clone());
        place(a).cmp(&place(b))
    });
    applied
}

/// By group, the newest message of it in a batch, and the number of the record
/// that tells of it.
fn newest_by_group(
    records: &[StreamRecord],
    applied: &mut Applied,
) -> BTreeMap<String, (String, Newest)> {
    let mut groups: BTreeMap<String, (String, Newest)> = BTreeMap::new();
    for record in records {
        let sequence_number = record.sequence_number.clone();
        let message = match &record.change {
            Ok(change) => message_of(change).map_err(str::to_owned),
            Err(reason) => Err(reason.clone()),
        };
        match message {
            Ok(Some(newest)) => {
                let known = groups.get(&newest.group);
                if known.is_none_or(|(_, known)| known.at < newest.at) {
                    groups.insert(newest.group.clone(), (sequence_number, newest));
                }
            }
            Ok(None) => applied.ignored += 1,
            Err(reason) => applied.fail(sequence_number, reason, None),
        }
    }
    groups
}

/// The message that a change inserts; `None` where it is another change.
fn message_of(change: &Change) -> Result<Option<Newest>, &'static str> {
    let item = change.new_image.as_ref().unwrap_or(&change.keys);
    let group = text(item, "pk").and_then(|pk| pk.strip_prefix(MESSAGE_PREFIX));
    let inserted = change.kind == ChangeKind::Insert;
    match group {
        Some(group) if inserted => newest(group, change.new_image.as_ref()).map(Some),
        None if inserted && item.is_empty() => Err("it has neither keys nor a new image"),
        _ => Ok(None),
    }
}

fn newest(group: &str, image: Option<&Item>) -> Result<Newest, &'static str> {
    let item = image.ok_or("it has no new image; the table's stream has to carry NEW_IMAGE")?;
    let at = text(item, "sk").ok_or("the message has no sort key")?;
    Ok(Newest {
        group: group.to_owned(),
        at: time::parse_instant(at).ok_or("the message's sort key is no time")?,
        text: text(item, "message")
            .ok_or("the message has no text")?
            .to_owned(),
        sender: text(item, "user_uuid").map(str::to_owned),
    })
}

impl Applied {
    fn add(
        &mut self,
        table: &Table,
        newest: &Newest,
        number: String,
        result: crate::Result<Advance>,
    ) {
        let group = &newest.group;
        match result {
            Ok(Advance::Moved(participants)) => self.moved.push(MovedGroup {
                message_group_uuid: group.clone(),
                last_message_at: newest.at,
                participants,
            }),
            Ok(Advance::Unchanged) => self.unchanged += 1,
            Ok(Advance::Unknown) => {
                let reason = format!("nobody takes part in the message group {group}");
                self.fail(number, reason, None);
            }
            Ok(Advance::Contended) => {
                let reason =
                    format!("others kept writing to the items of the message group {group}");
                let cause = table.error_of("TransactionConflict", &reason);
                self.fail(number, reason, Some(cause));
            }
            // DynamoDB says this of an item: it is too large, say.
            Err(Error::Service { code, message, .. }) if code == "ValidationException" => {
                self.fail(number, message, None);
            }
            Err(error) => self.fail(number, error.to_string(), Some(error)),
        }
    }

    fn fail(&mut self, sequence_number: String, reason: String, cause: Option<Error>) {
        self.failures.push(Failure {
            sequence_number,
            reason,
            cause,
        });
    }
}
