//! Which user of the pool is which user here: a handle is the same as a
//! `preferred_username`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::{iter, mem};

use futures_util::future;
use postgres::Client;
use postgres::types::{ToSql, Type};
use serde::Serialize;

use super::client::{Database, Problem};
use super::marker;
use crate::cognito::Account;
use crate::{Error, Result};

/// What became of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The id was another, or still `MOCK`; it is the pool's now.
    Changed,
    /// The id was the pool's already.
    Unchanged,
    /// The pool has a user with this handle, and this database has not.
    NoSuchHandleHere,
    /// This database has a user with this handle, or with none, and the pool has
    /// not.
    NoSuchHandleThere,
    /// The pool's user has no `preferred_username`, so nobody knows who it is.
    NoHandleThere,
    /// The pool's user has no `sub`, so there is no id to take.
    NoIdThere,
    /// Several users of the pool have this handle; none of them was taken.
    Ambiguous,
}

/// One user and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// The handle, where there is one.
    pub handle: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The id that stood here before.
    pub before: Option<String>,
    /// The pool's id; of an ambiguous handle that of this entry's user.
    pub after: Option<String>,
    /// What the pool calls its user, where the handle cannot tell.
    pub username: Option<String>,
}

/// What stands for an id that is not known yet.
const PLACEHOLDER: &str = "MOCK";

impl Matched {
    /// Whether taking the pool's id would write over another one.
    pub fn overwrites(&self) -> bool {
        let before = self.before.as_deref();
        self.outcome == Outcome::Changed && before.is_some_and(|id| id != PLACEHOLDER)
    }

    /// By handle, those without one last.
    fn place(&self) -> impl Ord {
        let handle = self.handle.as_deref();
        (handle.is_none(), handle, self.username.as_deref())
    }

    fn of_account(account: Account, outcome: Outcome) -> Matched {
        let handle_tells = outcome == Outcome::NoSuchHandleHere;
        Matched {
            handle: account.handle,
            outcome,
            before: None,
            after: account.sub,
            username: Some(account.username).filter(|_| !handle_tells),
        }
    }
}

impl Database {
    /// Finds out who of the pool is who here, and whose id here is another. `pool`
    /// hands over its users as they arrive; those here are read meanwhile, and
    /// nothing is written.
    ///
    /// The result, by handle, has an entry for each user of the pool and each user
    /// here, one for both where they are the same, and none for one here whose
    /// handle leads to no single id of the pool.
    ///
    /// # Errors
    ///
    /// Those of `pool` and of connecting; [`crate::Error::SchemaNotLoaded`].
    pub async fn match_cognito_ids(
        &self,
        pool: impl AsyncFnOnce(&mut dyn FnMut(Account)) -> Result<()>,
    ) -> Result<Vec<Matched>> {
        let matching = RefCell::new(Matching::default());
        let here = async {
            let here = self.with(users_here).await?;
            matching.borrow_mut().read(here);
            Ok(())
        };
        let mut take = |account| matching.borrow_mut().take(account);
        future::try_join(pool(&mut take), here).await?;
        Ok(matching.into_inner().result())
    }

    /// Gives each user whose outcome is [`Outcome::Changed`] the pool's id, all by
    /// one statement. One whose id is no longer the one that was found is left alone.
    ///
    /// # Errors
    ///
    /// Those of connecting; [`crate::Error::Refused`] for production's database
    /// without `--prod`; [`crate::Error::Partial`] where users were left alone who
    /// have not the pool's id either.
    pub async fn set_cognito_ids(&self, matched: &Arc<Vec<Matched>>) -> Result<()> {
        let (database, matched) = (self.clone(), Arc::clone(matched));
        self.with_retries(move |client| {
            marker::guard(client, &database)?;
            set(client, &database, &matched)
        })
        .await
    }
}

/// A user here, and whom the pool has of that handle.
struct Here {
    handle: Option<String>,
    id: Option<String>,
    there: Option<Account>,
}

/// The users here, by handle.
fn users_here(client: &mut Client) -> Result<Vec<Here>, Problem> {
    let query = include_str!("../../../../sql/users/cognito_user_ids.sql");
    let row = client.query_typed_one(query, &[])?;
    let handles: Vec<Option<String>> = row.get("handles");
    let ids: Vec<Option<String>> = row.get("ids");
    let users = handles.into_iter().zip(ids);
    let mut users: Vec<Here> = users.map(|(handle, id)| Here::alone(handle, id)).collect();
    users.sort_by(|a, b| a.handle.cmp(&b.handle));
    Ok(users)
}

impl Here {
    fn alone(handle: Option<String>, id: Option<String>) -> Here {
        let there = None;
        Here { handle, id, there }
    }

    fn matched(self) -> Matched {
        let after = self.there.and_then(|account| account.sub);
        Matched {
            outcome: match &after {
                None => Outcome::NoSuchHandleThere,
                id if *id == self.id => Outcome::Unchanged,
                _ => Outcome::Changed,
            },
            handle: self.handle,
            before: self.id,
            after,
            username: None,
        }
    }
}

/// Who is who, as far as it is known. The pool's pages take long enough to find a
/// user here for each of theirs before the next one arrives.
#[derive(Default)]
struct Matching {
    /// Those here, by handle, once they are read.
    here: Vec<Here>,
    /// The pool's users that are still to be found here, or that cannot be: they
    /// have no id, no handle, one that nobody has here, or one that another one has.
    others: Vec<Account>,
}

impl Matching {
    fn read(&mut self, here: Vec<Here>) {
        self.here = here;
        for account in mem::take(&mut self.others) {
            self.take(account);
        }
    }

    fn take(&mut self, account: Account) {
        let same = of_handle(&mut self.here, account.handle.as_deref());
        let is_free = same.first().is_some_and(|user| user.there.is_none());
        if !is_free || account.sub.is_none() {
            self.others.push(account);
            return;
        }
        let found = iter::repeat_n(account, same.len());
        for (user, account) in same.iter_mut().zip(found) {
            user.there = Some(account);
        }
    }

    /// What there is to say of each.
    fn result(self) -> Vec<Matched> {
        let mut others: HashMap<Option<String>, Vec<Account>> = HashMap::new();
        for account in self.others {
            let handle = account.handle.clone();
            others.entry(handle).or_default().push(account);
        }
        let alone = self.here.into_iter().filter_map(|user| {
            let Some(accounts) = others
                .get_mut(&user.handle)
                .filter(|_| user.handle.is_some())
            else {
                return Some(user.matched());
            };
            // What there is to say of this one is said of the pool's, of which the
            // one that was found is another.
            let found = user.there.filter(|one| !accounts.contains(one));
            accounts.extend(found);
            None
        });
        let mut matched: Vec<Matched> = alone.collect();
        for (handle, accounts) in others {
            let outcome = match &accounts[..] {
                _ if handle.is_none() => Outcome::NoHandleThere,
                [account] if account.sub.is_none() => Outcome::NoIdThere,
                [_] => Outcome::NoSuchHandleHere,
                _ => Outcome::Ambiguous,
            };
            matched.extend(
                accounts
                    .into_iter()
                    .map(|one| Matched::of_account(one, outcome)),
            );
        }
        matched.sort_by(|a, b| a.place().cmp(&b.place()));
        matched
    }
}

/// The users of a handle, in a list that is sorted by it.
fn of_handle<'a>(users: &'a mut [Here], handle: Option<&str>) -> &'a mut [Here] {
    if handle.is_none() {
        return &mut [];
    }
    let from = users.partition_point(|user| user.handle.as_deref() < handle);
    let same = |user: &&Here| user.handle.as_deref() == handle;
    let count = users[from..].iter().take_while(same).count();
    &mut users[from..from + count]
}

fn set(client: &mut Client, database: &Database, matched: &[Matched]) -> Result<(), Problem> {
    let changed = || matched.iter().filter(|m| m.outcome == Outcome::Changed);
    let handles: Vec<&Option<String>> = changed().map(|m| &m.handle).collect();
    let after: Vec<&Option<String>> = changed().map(|m| &m.after).collect();
    let before: Vec<&Option<String>> = changed().map(|m| &m.before).collect();
    if handles.is_empty() {
        return Ok(());
    }
    let columns: [&(dyn ToSql + Sync); 3] = [&handles, &after, &before];
    let columns = columns.map(|column| (column, Type::TEXT_ARRAY));
    let statement = include_str!("../../../../sql/users/set_cognito_user_ids.sql");
    let written = client.execute_typed(statement, &columns)?;
    if written >= handles.len() as u64 {
        return Ok(());
    }
    // Fewer may also be a second try after a first whose answer was lost.
    let query = include_str!("../../../../sql/users/other_cognito_user_ids.sql");
    let left = client.query_typed(query, &columns[..2])?;
    let not_done: Vec<String> = left.iter().map(|row| row.get("handle")).collect();
    if not_done.is_empty() {
        return Ok(());
    }
    let (name, at) = (database.name(), database.at());
    let message = format!(
        "Cognito ids that others changed meanwhile in database {name} at {at} stay as they are"
    );
    Err(Error::Partial { message, not_done }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(handle: Option<&str>, id: &str) -> Here {
        Here::alone(handle.map(str::to_owned), Some(id.to_owned()))
    }

    fn account(handle: Option<&str>, sub: Option<&str>, username: &str) -> Account {
        Account {
            handle: handle.map(str::to_owned),
            sub: sub.map(str::to_owned),
            username: username.to_owned(),
        }
    }

    #[test]
    fn users_are_matched_in_whatever_order_they_arrive() {
        let here = || {
            vec![
                user(Some("bayko"), "b"),
                user(Some("double"), "MOCK"),
                user(Some("londo"), "old"),
                user(Some("londo"), "l"),
                user(Some("sheridan"), "MOCK"),
                user(Some("vir"), "MOCK"),
                user(None, "MOCK"),
            ]
        };
        let mut accounts = vec![
            account(Some("bayko"), Some("b"), "1"),
            account(Some("double"), Some("d2"), "2"),
            account(Some("double"), Some("d3"), "3"),
            account(Some("kosh"), None, "4"),
            account(Some("londo"), Some("l"), "5"),
            account(None, Some("n"), "6"),
            account(Some("sheridan"), None, "10"),
            account(Some("twice"), Some("t7"), "7"),
            account(Some("twice"), None, "8"),
            account(Some("zathras"), Some("z"), "9"),
        ];
        let expected = [
            "bayko Unchanged b b -",
            "double Ambiguous - d2 2",
            "double Ambiguous - d3 3",
            "kosh NoIdThere - - 4",
            "londo Changed old l -",
            "londo Unchanged l l -",
            "sheridan NoIdThere - - 10",
            "twice Ambiguous - t7 7",
            "twice Ambiguous - - 8",
            "vir NoSuchHandleThere MOCK - -",
            "zathras NoSuchHandleHere - z -",
            "- NoSuchHandleThere MOCK - -",
            "- NoHandleThere - n 6",
        ];
        for _ in 0..2 {
            for before in 0..=accounts.len() {
                let mut matching = Matching::default();
                let (early, late) = accounts.split_at(before);
                early.iter().cloned().for_each(|one| matching.take(one));
                matching.read(here());
                late.iter().cloned().for_each(|one| matching.take(one));
                let result = matching.result();
                let text = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
                let said: Vec<String> = result
                    .iter()
                    .map(|m| {
                        let [handle, before, after] = [&m.handle, &m.before, &m.after].map(text);
                        let username = text(&m.username);
                        format!("{handle} {:?} {before} {after} {username}", m.outcome)
                    })
                    .collect();
                assert_eq!(said, expected, "{before} before");
            }
            accounts.reverse();
        }
    }
}
