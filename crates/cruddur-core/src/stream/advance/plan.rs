//! What brings one message group forward.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::Newest;
use crate::ddb::Table;
use crate::ddb::groups::GroupItem;
use crate::ddb::item::{Item, string, text};
use crate::ddb::transaction::{Actions, Condition, MAX_ACTIONS};
use crate::time;

/// How many actions a participant needs at most, but for items that are too many.
const EACH: usize = 2;

/// The actions, or some of them, of the transaction that brings a group forward.
pub(super) struct Plan<'a> {
    table: &'a Table,
    newest: &'a Newest,
    pub actions: Actions,
    /// Whose item is put at a new key, by the number of the action.
    pub puts: BTreeMap<usize, String>,
    /// How many participants it writes for.
    pub moved: usize,
    /// Whether it leaves something for another transaction.
    pub cut: bool,
}

impl<'a> Plan<'a> {
    /// What a group with these items needs. `shifts` has, by owner, how many
    /// microseconds later than the message an item goes.
    pub fn new(
        table: &'a Table,
        newest: &'a Newest,
        items: Vec<GroupItem>,
        shifts: &BTreeMap<String, i64>,
    ) -> Self {
        let mut plan = Plan {
            table,
            newest,
            actions: Actions::default(),
            puts: BTreeMap::new(),
            moved: 0,
            cut: false,
        };
        let owners = by_owner(items);
        let mut others = owners.len();
        for (owner, items) in owners {
            others -= 1;
            if plan.actions.len() + EACH > MAX_ACTIONS {
                plan.cut = true;
                break;
            }
            let shift = shifts.get(&owner).copied().unwrap_or_default();
            let room = MAX_ACTIONS.saturating_sub(EACH * others);
            plan.participant(owner, items, shift, room);
        }
        plan
    }

    /// Adds what one participant needs: the latest item at the newest message,
    /// and no other. What goes has to find room within the first `room` actions: the
    /// rest is for the other participants.
    fn participant(&mut self, owner: String, mut items: Vec<GroupItem>, shift: i64, room: usize) {
        let newest = self.newest;
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
            let free = Condition::absent_or_of_group(&newest.group);
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
            if self.actions.len() >= room {
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

fn by_owner(items: Vec<GroupItem>) -> BTreeMap<String, Vec<GroupItem>> {
    let mut owners: BTreeMap<String, Vec<GroupItem>> = BTreeMap::new();
    for item in items {
        owners.entry(item.owner.clone()).or_default().push(item);
    }
    owners
}

/// A group item as it was, at another time and with another text.
fn at_message(item: &Item, sk: String, message: &str) -> Item {
    let mut item = item.clone();
    item.insert("sk".to_owned(), string(sk));
    item.insert("message".to_owned(), string(message));
    item
}
