//! Moves one message group forward to a message.
//!
//! The group's items stand at the time of its last message, which is part of
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
//! whose are missing. After a cancelled transaction everything is read from the
//! table, consistently.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ddb::Table;
use crate::ddb::groups::{GroupItem, participants};
use crate::ddb::item::{Item, string, text};
use crate::ddb::transaction::{Actions, Condition, MAX_ACTIONS, Outcome, Resent};
use crate::{Result, time};

/// How often a move is tried before it is left to whoever asked for it.
const MOVES: u32 = 12;
/// How often a group that nobody seems to take part in is looked for: the
/// index may not have heard of it yet.
const LOOKS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The message that a group is brought to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
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

/// Brings every participant's item of `group` to `newest`.
pub(crate) async fn advance(table: &Table, group: &str, newest: &Newest) -> Result<Advance> {
    let mut people = BTreeSet::from_iter(newest.sender.clone());
    let mut shifts = BTreeMap::new();
    let mut looks = 0;
    let mut consistent = false;
    for attempt in 0..MOVES {
        if attempt > 0 {
            pause(attempt).await;
        }
        let items = read(table, group, &mut people, consistent).await?;
        if items.is_empty() {
            looks += 1;
            if looks == LOOKS {
                return Ok(Advance::Unknown);
            }
            continue;
        }
        match write(table, group, newest, items, &mut shifts).await? {
            Step::Done(advance) => return Ok(advance),
            Step::Again => consistent = true,
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
    group: &str,
    people: &mut BTreeSet<String>,
    consistent: bool,
) -> Result<Vec<GroupItem>> {
    let mut items = table.group_items_by_index(group).await?;
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
        let found = table.group_items_of(&person, group).await?;
        people.extend(participants(&found));
        items.extend(found);
        asked.insert(person);
    }
    Ok(items)
}

enum Step {
    Done(Advance),
    Again,
}

/// Writes what has to be written, in one transaction.
async fn write(
    table: &Table,
    group: &str,
    newest: &Newest,
    items: Vec<GroupItem>,
    shifts: &mut BTreeMap<String, i64>,
) -> Result<Step> {
    let mut plan = Plan::new(table, group);
    for (owner, items) in by_owner(items) {
        let shift = shifts.get(&owner).copied().unwrap_or_default();
        plan.participant(owner, items, newest, shift);
    }
    if plan.moved == 0 {
        return Ok(Step::Done(Advance::Unchanged));
    }
    match table.transact(plan.actions, Resent::Canceled).await? {
        Outcome::Written if plan.cut => Ok(Step::Again),
        Outcome::Written => Ok(Step::Done(Advance::Moved(plan.moved))),
        Outcome::Canceled(failed) => {
            // Another group of the same person stands at the very microsecond:
            // nothing of it may be lost, so this one goes beside it.
            for owner in failed.iter().filter_map(|index| plan.puts.get(index)) {
                *shifts.entry(owner.clone()).or_default() += 1;
            }
            Ok(Step::Again)
        }
    }
}

fn by_owner(items: Vec<GroupItem>) -> BTreeMap<String, Vec<GroupItem>> {
    let mut owners: BTreeMap<String, Vec<GroupItem>> = BTreeMap::new();
    for item in items {
        owners.entry(item.owner.clone()).or_default().push(item);
    }
    owners
}

/// The transaction that brings a group forward.
struct Plan<'a> {
    table: &'a Table,
    group: &'a str,
    actions: Actions,
    /// Whose item is put at a new key, by the number of the action.
    puts: BTreeMap<usize, String>,
    /// How many participants it writes for.
    moved: usize,
    /// Whether it leaves something for another transaction.
    cut: bool,
}

impl<'a> Plan<'a> {
    fn new(table: &'a Table, group: &'a str) -> Self {
        Plan {
            table,
            group,
            actions: Actions::default(),
            puts: BTreeMap::new(),
            moved: 0,
            cut: false,
        }
    }

    /// Adds what one participant needs: the latest item at the newest message,
    /// and no other.
    fn participant(
        &mut self,
        owner: String,
        mut items: Vec<GroupItem>,
        newest: &Newest,
        shift: i64,
    ) {
        items.sort_by_cached_key(|item| (item.at(), item.sk.clone()));
        let Some(latest) = items.pop() else { return };
        let behind = latest.at().is_none_or(|at| at < newest.at);
        let reworded = latest.at() == Some(newest.at)
            && text(&latest.item, "message") != Some(newest.text.as_str());
        if !behind && !reworded && items.is_empty() {
            return;
        }
        self.moved += 1;
        if behind {
            let at = newest.at + TimeDelta::microseconds(shift);
            self.delete(&latest);
            self.puts.insert(self.actions.len(), owner);
            let free = Condition::absent_or_of_group(self.group);
            let item = at_message(&latest.item, time::to_key(at), &newest.text);
            self.actions.put(self.table, item, free);
        } else if reworded {
            let item = at_message(&latest.item, latest.sk.clone(), &newest.text);
            let unchanged = Condition::unchanged(&latest.item);
            self.actions.put(self.table, item, unchanged);
        } else {
            // The others go because this one stays, so it has to be there.
            let unchanged = Condition::unchanged(&latest.item);
            self.actions.check(self.table, &latest.item, unchanged);
        }
        for extra in &items {
            // Room for what the next participant needs at least.
            if self.actions.len() + 2 >= MAX_ACTIONS {
                self.cut = true;
                break;
            }
            self.delete(extra);
        }
    }

    fn delete(&mut self, item: &GroupItem) {
        let unchanged = Condition::unchanged(&item.item);
        self.actions.delete(self.table, &item.item, unchanged);
    }
}

/// A group item as it was, at another time and with another text.
fn at_message(item: &Item, sk: String, message: &str) -> Item {
    let mut item = item.clone();
    item.insert("sk".to_owned(), string(sk));
    item.insert("message".to_owned(), string(message));
    item
}
