//! What has to be done so that a conversation stands in the table. Decided
//! here without any request, from what was found there.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Datelike as _, Duration, SubsecRound, Utc};
use uuid::Uuid;

use super::conversation::{Conversation, Line, too_large};
use crate::ddb::item::{Message, MessageGroup, Person};
use crate::ddb::limits::{MAX_ITEM_SIZE, item_size};
use crate::time;
use crate::{Error, Result};

/// A message that stands in the group.
#[derive(Debug, Clone)]
pub struct Found {
    pub sk: String,
    /// `None` where the key is no time.
    pub at: Option<DateTime<Utc>>,
    /// Its position, where its uuid says that it was seeded.
    pub position: Option<usize>,
    pub message: String,
}

/// A group item that stands in a participant's list.
#[derive(Debug, Clone)]
pub struct FoundGroup {
    pub sk: String,
    pub at: Option<DateTime<Utc>>,
}

/// What stands in the table of one group.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    pub messages: Vec<Found>,
    /// What stands in the list of each of the two people.
    pub lists: [List; 2],
}

/// The group items in one person's list of conversations.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Those of this group.
    pub ours: Vec<FoundGroup>,
    /// The sort keys of those of other groups.
    pub others: HashSet<String>,
}

/// When the conversation shall end.
#[derive(Debug, Clone, Copy)]
pub struct When {
    pub ending_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
    /// Move it there even if it stands elsewhere.
    pub refresh: bool,
}

/// A participant's group item: what it shall be, and what it replaces.
#[derive(Debug, Clone)]
pub struct Move {
    pub owner: String,
    /// `None` where only stale ones are in the way.
    pub put: Option<MessageGroup>,
    /// The sort keys of items that it takes the place of.
    pub delete: Vec<String>,
}

/// What has to be done, in this order: a crash after any step leaves something
/// that the next run completes.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub schedule: Schedule<'a>,
    /// The positions of the messages to put.
    pub puts: Vec<usize>,
    pub moves: Vec<Move>,
    /// The sort keys of messages of an older seeding.
    pub deletes: Vec<String>,
    /// Whether any message of the conversation was there.
    pub was_begun: bool,
    /// The sort key of each of the two people's group item afterwards.
    pub groups_after: [String; 2],
}

impl Plan<'_> {
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.moves.is_empty() && self.deletes.is_empty()
    }
}

/// The positions by the uuids that stand for them. More messages than the file
/// has may have been seeded, when it was longer; no more than were `found`. None
/// are needed where nothing was.
pub fn positions(conversation: &Conversation, found: usize) -> HashMap<Uuid, usize> {
    let count = match found {
        0 => 0,
        found => found.max(conversation.messages.len()),
    };
    (0..count)
        .map(|position| (conversation.message_uuid(position), position))
        .collect()
}

/// A conversation and its people, from a moment on: one message a minute.
#[derive(Debug, Clone, Copy)]
pub struct Schedule<'a> {
    conversation: &'a Conversation,
    people: &'a [Person; 2],
    start: DateTime<Utc>,
}

impl Schedule<'_> {
    /// When the message at a position is written.
    fn at(&self, position: usize) -> DateTime<Utc> {
        self.start + minutes(position)
    }

    pub fn first_at(&self) -> DateTime<Utc> {
        self.start
    }

    pub fn last_at(&self) -> DateTime<Utc> {
        self.at(self.conversation.messages.len() - 1)
    }

    /// The position of the message whose key is that of one that was found.
    fn position_of(&self, found: &Found) -> Option<usize> {
        let since = (found.at? - self.start).num_minutes();
        let position = usize::try_from(since).ok()?;
        let known = position < self.conversation.messages.len();
        (known && time::to_key(self.at(position)) == found.sk).then_some(position)
    }

    pub fn message(&self, position: usize) -> Message {
        let line = &self.conversation.messages[position];
        self.said(position, line.speaker, line.message.clone())
    }

    fn said(&self, position: usize, speaker: usize, message: String) -> Message {
        Message {
            message_group_uuid: self.conversation.message_group_uuid.to_string(),
            created_at: self.at(position),
            message_uuid: self.conversation.message_uuid(position),
            message,
            sender: self.people[speaker].clone(),
        }
    }

    /// Makes sure that DynamoDB takes each message.
    fn check_sizes(&self) -> Result<()> {
        // But for the text, all of a person's messages take the same.
        let others =
            [0, 1].map(|speaker| item_size(&self.said(0, speaker, String::new()).attributes()));
        let size = |line: &Line| others[line.speaker] + line.message.len();
        let lines = &self.conversation.messages;
        match lines.iter().find(|line| size(line) > MAX_ITEM_SIZE) {
            Some(line) => Err(self.conversation.error(line.line, too_large(size(line)))),
            None => Ok(()),
        }
    }
}

/// Decides what has to be done.
pub fn plan<'a>(
    conversation: &'a Conversation,
    people: &'a [Person; 2],
    survey: &Survey,
    when: When,
) -> Result<Plan<'a>> {
    let count = conversation.messages.len();
    let is_seeded = |found: &&Found| found.position.is_some_and(|position| position < count);
    // The start that the newest message seeded so far speaks for. An older one
    // is left over from a refresh that did not come to its end.
    let standing = survey
        .messages
        .iter()
        .filter(is_seeded)
        .filter_map(|found| Some(found.at? - minutes(found.position?)))
        .max();
    let start = match standing.filter(|_| !when.refresh) {
        Some(start) => start,
        None => free_start(conversation, survey, when.ending_at),
    };
    let schedule = Schedule {
        conversation,
        people,
        start,
    };
    if start.year() < 1 {
        return Err(Error::Usage(
            "the conversation would begin before the year 0001, at which keys begin".to_owned(),
        ));
    }
    schedule.check_sizes()?;
    let (scheduled, elsewhere): (Vec<&Found>, Vec<&Found>) = survey
        .messages
        .iter()
        .partition(|found| schedule.position_of(found).is_some());
    let present: HashSet<usize> = scheduled
        .iter()
        .filter(|found| schedule.position_of(found) == found.position)
        .filter_map(|found| found.position)
        .collect();
    let puts: Vec<usize> = (0..count)
        .filter(|position| when.refresh || !present.contains(position))
        .collect();
    check(&schedule, survey, &puts, when)?;
    let (old, written): (Vec<&Found>, Vec<&Found>) = elsewhere
        .iter()
        .partition(|found| is_seeded(found) || (when.refresh && found.position.is_some()));
    let last = last_message(&schedule, &written);
    let [(one, one_move), (other, other_move)] =
        [0, 1].map(|owner| group_move(&schedule, survey, owner, &last, when));
    Ok(Plan {
        schedule,
        groups_after: [one, other],
        moves: one_move.into_iter().chain(other_move).collect(),
        puts,
        deletes: old.iter().map(|found| found.sk.clone()).collect(),
        was_begun: standing.is_some(),
    })
}

fn minutes(count: usize) -> Duration {
    Duration::minutes(i64::try_from(count).unwrap_or(i64::MAX / 60_000))
}

/// The start with which the conversation ends at `ending_at`, or so little
/// earlier that none of its keys is that of a message somebody wrote.
fn free_start(
    conversation: &Conversation,
    survey: &Survey,
    ending_at: DateTime<Utc>,
) -> DateTime<Utc> {
    let count = conversation.messages.len();
    let taken = Taken::new(survey);
    let mut start = ending_at.trunc_subsecs(6) - minutes(count - 1);
    while (0..count).any(|position| taken.is_at(start + minutes(position))) {
        start -= Duration::microseconds(1);
    }
    start
}

/// The sort keys of messages that somebody wrote.
struct Taken<'a>(HashSet<&'a str>);

impl Taken<'_> {
    fn new(survey: &Survey) -> Taken<'_> {
        let written = survey.messages.iter().filter(|f| f.position.is_none());
        Taken(written.map(|found| found.sk.as_str()).collect())
    }

    fn is_at(&self, time: DateTime<Utc>) -> bool {
        // Nobody wrote anything, most often, and keys take time to make.
        !self.0.is_empty() && self.0.contains(time::to_key(time).as_str())
    }
}

/// Makes sure that completing the conversation neither reaches into the future,
/// where the file has grown since, nor writes over what somebody wrote.
fn check(schedule: &Schedule<'_>, survey: &Survey, puts: &[usize], when: When) -> Result<()> {
    let conversation = schedule.conversation;
    let refuse = |why: &str| {
        Err(Error::Failed(format!(
            "conversation {} stands in the table without all of {}, and {why}; --refresh moves it",
            conversation.message_group_uuid, conversation.file
        )))
    };
    let mut times = puts.iter().map(|position| schedule.at(*position));
    if times.clone().any(|at| at > when.now) {
        return refuse("what is missing would lie in the future");
    }
    let taken = Taken::new(survey);
    if times.any(|at| taken.is_at(at)) {
        return refuse("somebody wrote a message at the time of a missing one");
    }
    Ok(())
}

/// Time and text of the last message that the group will have, of those of the
/// schedule and the `others` that stay.
fn last_message(schedule: &Schedule<'_>, others: &[&Found]) -> (DateTime<Utc>, String) {
    let seeded = schedule.conversation.messages.last();
    let seeded = seeded.map(|line| (schedule.last_at(), &line.message));
    let others = others.iter().filter_map(|f| Some((f.at?, &f.message)));
    let last = seeded.into_iter().chain(others).max_by_key(|(at, _)| *at);
    last.map(|(at, text)| (at, text.clone()))
        .unwrap_or_default()
}

/// The sort key of the group item that one person shall have, and what has to
/// become of those that are there, if anything. One that is later than it need be
/// stood for a message that was taken away.
fn group_move(
    schedule: &Schedule<'_>,
    survey: &Survey,
    owner: usize,
    (last_at, text): &(DateTime<Utc>, String),
    when: When,
) -> (String, Option<Move>) {
    let List { ours, others } = &survey.lists[owner];
    let mut at = *last_at;
    // Another group of the same person stands at the very microsecond: nothing of
    // it may be lost, so this one goes beside it.
    while others.contains(&time::to_key(at)) {
        at += Duration::microseconds(1);
    }
    let wanted = || MessageGroup {
        message_group_uuid: schedule.conversation.message_group_uuid,
        owner_uuid: schedule.people[owner].uuid.clone(),
        last_message_at: at,
        message: text.clone(),
        other: schedule.people[1 - owner].clone(),
    };
    let key = time::to_key(at);
    let is_there = |group: &&FoundGroup| group.at.is_some_and(|t| (*last_at..=at).contains(&t));
    let stays = ours.iter().find(is_there);
    let stays = stays.filter(|group| !when.refresh || group.sk != key);
    let stays = stays.map(|group| group.sk.clone());
    let put = stays.is_none().then(wanted);
    let keep = stays.unwrap_or(key);
    let delete: Vec<String> = ours
        .iter()
        .filter(|group| group.sk != keep)
        .map(|group| group.sk.clone())
        .collect();
    let moved = (put.is_some() || !delete.is_empty()).then(|| Move {
        owner: schedule.people[owner].uuid.clone(),
        put,
        delete,
    });
    (keep, moved)
}
