//! Moves message groups forward, each to a message.
//!
//! A group's items stand at the time of its last message, which is part of
//! their key, so moving one means to delete it and to put it elsewhere. What
//! keeps this right whoever else is at work, and wherever it is cut off:
//!
//! * One transaction deletes and puts for all participants: there is no state
//!   in between that anyone could see or be left with.
//! * A deletion has the condition that the item is still the one that was read,
//!   and a transaction puts one item a participant only where it deletes at
//!   least one. So the number of items can fall to one, never rise and never
//!   reach none, whatever the reading was worth.
//! * An item moves only to a later instant.
//!
//! Reading is by the index first, which may lag. What it lacks is looked up in
//! the table: each item names the *other* person, so one item is enough to know
//! whose are missing. After a canceled transaction everything is read from the
//! table, consistently.
//!
//! Several groups share a transaction, which is less work for a server than one
//! for each. Where theirs is canceled, each has its own.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};

use crate::ddb::Table;
use crate::ddb::groups::{GroupItem, participants};
use crate::ddb::transaction::{Actions, MAX_ACTIONS, Outcome, Resent};
use crate::{Error, Result};
use plan::Plan;

/// How many groups of two participants fill a transaction.
pub(super) const TOGETHER: usize = MAX_ACTIONS / 4;
/// How many of them are read at once, or tried by themselves. Four requests keep
/// a local server busy, and AWS takes many more.
const AT_ONCE: usize = 4;
/// How often a group is tried by itself before it is left to whoever asked.
const MOVES: u32 = 12;
/// From how many free keys a group takes one whose first choice was taken again:
/// more than there are groups that look for one at once.
const CHOICE: usize = 32;
/// How often a group that nobody seems to take part in is looked for again: the
/// index may not have heard of it yet.
const LOOKS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The message that a group is brought to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub group: String,
    pub at: DateTime<Utc>,
    pub text: String,
    /// The sender, who takes part and is so known even if the index lags.
    pub sender: Option<String>,
}

/// What became of a group.
#[derive(Debug)]
pub(crate) enum Advance {
    /// Items were written for so many participants.
    Moved(usize),
    /// Every item was there already, or later.
    Unchanged,
    /// Nobody takes part in the group.
    Unknown,
    /// Others kept writing to the same items until the tries were used up.
    Contended,
}

/// Finds out what each group needs, going by the index. No group may be there
/// twice.
pub(crate) async fn plan<'a>(table: &'a Table, groups: &'a [Newest]) -> Planned<'a> {
    let plans = stream::iter(groups)
        .map(|newest| by_index(table, newest))
        .buffered(AT_ONCE);
    Planned {
        groups,
        plans: plans.collect().await,
    }
}

/// What groups need, or why nobody knows; `None` where nobody takes part in one.
pub(crate) struct Planned<'a> {
    groups: &'a [Newest],
    plans: Vec<Result<Option<Plan<'a>>>>,
}

impl Planned<'_> {
    /// What would become of each group, in their order.
    pub(crate) fn foretold(self) -> Vec<Result<Advance>> {
        let foretold = |plan: Option<Plan>| match plan {
            None => Advance::Unknown,
            Some(plan) if plan.moved == 0 => Advance::Unchanged,
            Some(plan) => Advance::Moved(plan.moved),
        };
        let plans = self.plans.into_iter();
        plans.map(|plan| plan.map(foretold)).collect()
    }

    /// Brings every participant's item of each group to its newest message. Says
    /// what became of each group, in their order.
    pub(crate) async fn carry_out(mut self, table: &Table) -> Vec<Result<Advance>> {
        let mut actions = Actions::default();
        for plan in self.plans.iter_mut().flatten().flatten() {
            actions.append(&mut plan.actions);
        }
        let written = &together(table, actions).await;
        stream::iter(self.groups.iter().zip(self.plans))
            .map(|(newest, plan)| async move {
                match plan? {
                    Some(plan) if plan.moved == 0 => Ok(Advance::Unchanged),
                    Some(plan) if *written.as_ref().map_err(Error::clone)? && !plan.cut => {
                        Ok(Advance::Moved(plan.moved))
                    }
                    _ => alone(table, newest).await,
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }
}

/// What a group needs, going by the index; `None` where nobody takes part.
async fn by_index<'a>(table: &'a Table, newest: &'a Newest) -> Result<Option<Plan<'a>>> {
    let mut people = BTreeSet::from_iter(newest.sender.clone());
    let items = read(table, newest, &mut people, false).await?;
    let plan = |items| Plan::new(table, newest, items, &BTreeMap::new());
    Ok(Some(items).filter(|items| !items.is_empty()).map(plan))
}

/// Writes what several groups need in one transaction. Says whether it could,
/// or whether each has to be tried by itself.
async fn together(table: &Table, actions: Actions) -> Result<bool> {
    match actions.len() {
        0 => return Ok(true),
        1..=MAX_ACTIONS => {}
        _ => return Ok(false),
    }
    match table.transact(actions, Resent::Canceled, None).await {
        Ok(outcome) => Ok(matches!(outcome, Outcome::Written(_))),
        Err(Error::Service { code, .. }) if is_too_much(&code) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether it may be for the others that a group was not written: one of them
/// cannot be, or two want the same key, or all are larger than a transaction may
/// be, or than what a table with few capacity units takes at a time.
fn is_too_much(code: &str) -> bool {
    matches!(
        code,
        "ValidationException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingException"
    )
}

/// Brings one group to its newest message, reading its items anew as often as
/// others write to them in between.
async fn alone(table: &Table, newest: &Newest) -> Result<Advance> {
    let mut people = BTreeSet::from_iter(newest.sender.clone());
    let mut shifts = BTreeMap::new();
    let mut looks = 0;
    let mut consistent = false;
    for attempt in 0..MOVES {
        pause(attempt).await;
        let items = read(table, newest, &mut people, consistent).await?;
        if items.is_empty() {
            looks += 1;
            if looks == LOOKS {
                return Ok(Advance::Unknown);
            }
            continue;
        }
        let plan = Plan::new(table, newest, items, &shifts);
        if plan.moved == 0 {
            return Ok(Advance::Unchanged);
        }
        consistent = true;
        match table.transact(plan.actions, Resent::Canceled, None).await? {
            Outcome::Written(_) if plan.cut => {}
            Outcome::Written(_) => return Ok(Advance::Moved(plan.moved)),
            Outcome::Throttled(error) if attempt + 1 == MOVES => return Err(error),
            Outcome::Throttled(_) => {}
            // Another group of the same person stands at the very microsecond:
            // nothing of it may be lost, so this one goes beside it. There may be
            // many, where messages were written by a program.
            Outcome::Canceled(failed) => {
                for owner in failed.iter().filter_map(|index| plan.puts.get(index)) {
                    let choice = match shifts.contains_key(owner) {
                        true => CHOICE,
                        false => 1,
                    };
                    let shift = table.free_after(owner, newest.at, choice).await?;
                    shifts.insert(owner.clone(), shift);
                }
            }
        }
    }
    Ok(Advance::Contended)
}

/// Waits, longer with each attempt and by chance, so that two who collided do
/// not collide again.
async fn pause(attempt: u32) {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << attempt.min(10))
        .min(LONGEST_PAUSE);
    tokio::time::sleep(longest.mul_f64(rand::random())).await;
}

/// The group's items: as the index has them, but from the table for everyone
/// whom the index lacks, or for all.
async fn read(
    table: &Table,
    newest: &Newest,
    people: &mut BTreeSet<String>,
    consistent: bool,
) -> Result<Vec<GroupItem>> {
    let mut items = table.group_items_by_index(&newest.group).await?;
    let indexed = participants(&items);
    if consistent {
        people.extend(indexed);
        items.clear();
    } else if !indexed.is_empty() {
        // The items know who takes part; the sender may have left.
        *people = BTreeSet::from_iter(indexed);
    }
    let mut asked: BTreeSet<String> = items.iter().map(|item| item.owner.clone()).collect();
    // What is found may name someone who was not known before.
    while let Some(person) = people.difference(&asked).next().cloned() {
        let found = table.group_items_of(&person, &newest.group).await?;
        people.extend(participants(&found));
        items.extend(found);
        asked.insert(person);
    }
    Ok(items)
}
