//! Which user of the pool is which user here: a handle is the same as a
//! `preferred_username`.

use std::cmp::Ordering;
use std::future::Future;
use std::iter;
use std::sync::Arc;

use futures_util::future;
use postgres::Client;
use postgres::types::{ToSql, Type};
use serde::Serialize;

use super::client::{Database, Problem};
use super::marker;
use crate::Result;
use crate::cognito::Account;

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
}

impl Database {
    /// Finds out who of the pool is who here, and whose id here is another. The
    /// users here are read while those of the `pool` are on their way, and nothing
    /// is written.
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
        pool: impl Future<Output = Result<Vec<Account>>>,
    ) -> Result<Arc<[Matched]>> {
        let here = self.with(|client| {
            let query = include_str!("../../../../sql/users/cognito_user_ids.sql");
            let row = client.query_typed_one(query, &[])?;
            let handles: Vec<Option<String>> = row.get("handles");
            let ids: Vec<Option<String>> = row.get("ids");
            let users = handles.into_iter().zip(ids).map(|(handle, id)| User {
                handle,
                username: None,
                id,
            });
            let mut users: Vec<User> = users.collect();
            // While the pool's are on their way there is time for it.
            users.sort_by(by_handle);
            Ok(users)
        });
        let (pool, mut users) = future::try_join(pool, here).await?;
        users.extend(pool.into_iter().map(|account| User {
            handle: account.handle,
            username: Some(account.username),
            id: account.sub,
        }));
        Ok(compare(users).into())
    }

    /// Gives each user whose outcome is [`Outcome::Changed`] the pool's id, all by
    /// one statement. One that has it by now is left alone.
    ///
    /// # Errors
    ///
    /// Those of connecting; [`crate::Error::Refused`] for production's database
    /// without `--prod`.
    pub async fn set_cognito_ids(&self, matched: &Arc<[Matched]>) -> Result<()> {
        let (database, matched) = (self.clone(), Arc::clone(matched));
        self.with_retries(move |client| {
            marker::guard(client, &database)?;
            set(client, &matched)
        })
        .await
    }
}

/// A user here, or of the pool.
struct User {
    handle: Option<String>,
    /// What the pool calls its user; none here.
    username: Option<String>,
    /// The pool's id, or what is known of it here.
    id: Option<String>,
}

impl User {
    fn here(&mut self, outcome: Outcome, after: Option<String>) -> Matched {
        Matched {
            handle: self.handle.take(),
            outcome,
            before: self.id.take(),
            after,
            username: None,
        }
    }

    fn there(&mut self, outcome: Outcome) -> Matched {
        Matched {
            handle: self.handle.take(),
            outcome,
            before: None,
            after: self.id.take(),
            username: self.username.take(),
        }
    }
}

/// By handle, those without one last; of the same handle those here come first.
fn by_handle(one: &User, other: &User) -> Ordering {
    fn place(user: &User) -> impl Ord {
        let handle = user.handle.as_deref();
        (handle.is_none(), handle, user.username.as_deref())
    }
    place(one).cmp(&place(other))
}

/// What there is to say of each, in that order.
fn compare(mut users: Vec<User>) -> Vec<Matched> {
    users.sort_by(by_handle);
    let mut matched = Vec::with_capacity(users.len());
    for same in users.chunk_by_mut(|a, b| a.handle == b.handle) {
        let has_handle = same[0].handle.is_some();
        let (here, there) = same.split_at_mut(same.partition_point(|u| u.username.is_none()));
        match there {
            _ if there.is_empty() || !has_handle => {
                let unknown = |user: &mut User| user.here(Outcome::NoSuchHandleThere, None);
                matched.extend(here.iter_mut().map(unknown));
                let nobody = |user: &mut User| user.there(Outcome::NoHandleThere);
                matched.extend(there.iter_mut().map(nobody));
            }
            [user] if user.id.is_none() => matched.push(user.there(Outcome::NoIdThere)),
            [user] if here.is_empty() => matched.push(Matched {
                username: None,
                ..user.there(Outcome::NoSuchHandleHere)
            }),
            [user] => {
                let ids = iter::repeat_n(user.id.take(), here.len());
                matched.extend(here.iter_mut().zip(ids).map(|(one, id)| {
                    let outcome = match one.id == id {
                        true => Outcome::Unchanged,
                        false => Outcome::Changed,
                    };
                    one.here(outcome, id)
                }));
            }
            several => {
                let ambiguous = |user: &mut User| user.there(Outcome::Ambiguous);
                matched.extend(several.iter_mut().map(ambiguous));
            }
        }
    }
    matched
}

fn set(client: &mut Client, matched: &[Matched]) -> Result<(), Problem> {
    let changed = matched.iter().filter(|m| m.outcome == Outcome::Changed);
    let (handles, subs): (Vec<&str>, Vec<&str>) = changed
        .filter_map(|m| m.handle.as_deref().zip(m.after.as_deref()))
        .unzip();
    if handles.is_empty() {
        return Ok(());
    }
    let statement = include_str!("../../../../sql/users/set_cognito_user_ids.sql");
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&handles, Type::TEXT_ARRAY), (&subs, Type::TEXT_ARRAY)];
    client.execute_typed(statement, &parameters)?;
    Ok(())
}
