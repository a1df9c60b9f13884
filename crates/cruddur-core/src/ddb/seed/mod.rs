//! Conversations for an empty table.
//!
//! A message's uuid is derived from its group and its position, so a message
//! that was seeded is known again wherever it stands, and the time of any one
//! of them tells the times of all, since they lie a minute apart. That is how a
//! second run finds nothing to do, how a run after a crash completes what is
//! there, and how a refresh leaves nothing old behind. Messages that people
//! wrote into the group are never touched.

mod conversation;
mod plan;
mod table;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::Table;
use super::batch::WriteOptions;
use super::item::Person;
use crate::{Error, Result, time};

pub use conversation::{Conversation, Line};
use plan::{Plan, When};

/// The conversations that every copy of the program has with it.
const BUILT_IN: [(&str, &str); 1] = [(
    "seeds/andrewbrown-bayko.json",
    include_str!("../../../../../seeds/andrewbrown-bayko.json"),
)];

/// How often it looks again where others write into the same group, or where
/// something was taken away.
const ROUNDS: usize = 6;

/// The conversations that are seeded unless others are named.
///
/// # Errors
///
/// None, or the copy was built from a broken file.
pub fn built_in() -> Result<Vec<Conversation>> {
    BUILT_IN
        .iter()
        .map(|(file, text)| Conversation::parse(file, text))
        .collect()
}

/// How [`Table::seed`] goes about it.
#[derive(Debug, Clone)]
pub struct SeedOptions {
    /// When the last message was written; not in the future. A conversation
    /// that is already there keeps its time unless `refresh` is set.
    pub ending_at: DateTime<Utc>,
    /// The time at which the call begins. No message may lie in the future.
    pub now: DateTime<Utc>,
    /// Move a conversation that is already there to `ending_at`.
    pub refresh: bool,
    /// Only find out what would be done.
    pub dry_run: bool,
    /// Write capacity units a second that writing keeps to. Above zero.
    pub max_capacity: Option<f64>,
}

/// What was done to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedState {
    /// It is new.
    Created,
    /// All of it was there.
    AlreadyThere,
    /// Something was missing, or left over, from a run that was cut short.
    Completed,
    /// It was moved.
    Refreshed,
}

/// What became of a conversation, or would with `dry_run`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seeded {
    /// The message group.
    pub message_group_uuid: Uuid,
    /// The handles of the two people.
    pub users: [String; 2],
    /// How many messages the conversation has.
    pub messages: usize,
    /// What was done.
    pub state: SeedState,
    /// Messages and group items that were written.
    pub written: u64,
    /// Old ones that were deleted.
    pub deleted: u64,
    /// When the first message was written.
    #[serde(serialize_with = "time::as_key")]
    pub first_at: DateTime<Utc>,
    /// When the last one was.
    #[serde(serialize_with = "time::as_key")]
    pub last_at: DateTime<Utc>,
    /// Write capacity units; 0 where they are not asked for, as in
    /// [`Written`](super::batch::Written).
    pub consumed_capacity: f64,
}

impl Table {
    /// Makes a conversation stand in the table: each message, and a group item
    /// for each of the two `people` (in the order of the conversation's users)
    /// with the last message of the group.
    ///
    /// `progress` is called with the number of messages written and the number
    /// there are to write.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a time in the future, [`Error::Input`] for a message
    /// that is too large, [`Error::TableNotFound`], [`Error::Failed`] where the
    /// file has grown so that only a refresh makes room, [`Error::Partial`].
    pub async fn seed(
        &self,
        conversation: &Conversation,
        people: &[Person; 2],
        options: &SeedOptions,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Seeded> {
        if options.ending_at > options.now {
            return Err(Error::Usage(
                "a conversation cannot end in the future".to_owned(),
            ));
        }
        let mut written = None;
        let seeded = self.seed_in_rounds(conversation, people, options, progress, &mut written);
        seeded.await.map_err(|error| match &written {
            Some(written) => partly(written, error),
            None => error,
        })
    }

    /// Seeds until everything stands as it should; `result` has what was done so far.
    async fn seed_in_rounds(
        &self,
        conversation: &Conversation,
        people: &[Person; 2],
        options: &SeedOptions,
        progress: &mut (dyn FnMut(u64, u64) + Send),
        result: &mut Option<Seeded>,
    ) -> Result<Seeded> {
        let mut when = When {
            ending_at: options.ending_at,
            now: options.now,
            refresh: options.refresh,
        };
        let write = WriteOptions {
            max_capacity: options.max_capacity,
            ..WriteOptions::default()
        };
        let begun_at = Instant::now();
        for _ in 0..ROUNDS {
            let survey = self.survey(conversation, people).await?;
            // What stands there may be that of a run that began after this one.
            when.now = options.now + begun_at.elapsed();
            let plan = plan::plan(conversation, people, &survey, when)?;
            let seeded = result.get_or_insert_with(|| begun(conversation, &plan, when));
            seeded.first_at = plan.schedule.first_at();
            seeded.last_at = plan.schedule.last_at();
            if options.dry_run {
                add_intentions(seeded, &plan);
                return Ok(seeded.clone());
            }
            if plan.is_empty() {
                return Ok(seeded.clone());
            }
            let applied = self.apply(conversation, &plan, &write, seeded, progress);
            // Another run may have seeded the same group meanwhile.
            if applied.await? && self.stands(conversation, people, &plan).await? {
                return Ok(seeded.clone());
            }
            when.refresh = false;
        }
        Err(Error::Failed(format!(
            "conversation {} in table {} at {} is being changed by others all the time",
            conversation.message_group_uuid, self.name, self.at
        )))
    }
}

fn begun(conversation: &Conversation, plan: &Plan<'_>, when: When) -> Seeded {
    Seeded {
        message_group_uuid: conversation.message_group_uuid,
        users: conversation.users.clone(),
        messages: conversation.messages.len(),
        state: match plan.was_begun {
            _ if plan.is_empty() => SeedState::AlreadyThere,
            true if when.refresh => SeedState::Refreshed,
            true => SeedState::Completed,
            false => SeedState::Created,
        },
        written: 0,
        deleted: 0,
        first_at: plan.schedule.first_at(),
        last_at: plan.schedule.last_at(),
        consumed_capacity: 0.0,
    }
}

/// The error of a run that had written something when it came to it.
fn partly(seeded: &Seeded, error: Error) -> Error {
    if seeded.written + seeded.deleted == 0 || matches!(error, Error::Partial { .. }) {
        return error;
    }
    let group = seeded.message_group_uuid;
    Error::Partial {
        message: format!("{} items were written, then: {error}", seeded.written),
        not_done: vec![format!("what else conversation {group} needs")],
    }
}

fn add_intentions(seeded: &mut Seeded, plan: &Plan<'_>) {
    let put = |moved: &&plan::Move| moved.put.is_some();
    seeded.written = (plan.puts.len() + plan.moves.iter().filter(put).count()) as u64;
    let stale: usize = plan.moves.iter().map(|moved| moved.delete.len()).sum();
    seeded.deleted = (plan.deletes.len() + stale) as u64;
}
