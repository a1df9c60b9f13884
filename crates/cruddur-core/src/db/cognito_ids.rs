//! Which user of the pool is which user here: a handle is the same as a
//! `preferred_username`.

use std::collections::{BTreeMap, BTreeSet};

use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row};
use serde::Serialize;

use super::client::{Database, Problem};
use super::marker;
use crate::Result;
use crate::cognito::PoolUser;

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

impl Database {
    /// Gives each user the id of the pool's user with the same handle, all by
    /// one statement; `dry_run` only says what it would do.
    ///
    /// The result has an entry for each user of the pool and each user here,
    /// by handle.
    ///
    /// # Errors
    ///
    /// Those of connecting; [`crate::Error::SchemaNotLoaded`];
    /// [`crate::Error::Refused`] for production's database without `--prod`.
    pub async fn update_cognito_ids(
        &self,
        pool_users: &[PoolUser],
        dry_run: bool,
    ) -> Result<Vec<Matched>> {
        let pool = Pool::sort(pool_users);
        let database = self.clone();
        self.with_retries(move |client| {
            if !dry_run {
                marker::guard(client, &database)?;
            }
            let mut matched = update(client, &pool, !dry_run)?;
            matched.extend(pool.others.iter().cloned());
            matched.sort_by(|a, b| place(a).cmp(&place(b)));
            Ok(matched)
        })
        .await
    }
}

/// The pool's users, sorted by whether one can tell who they are.
struct Pool {
    handles: Vec<String>,
    subs: Vec<String>,
    /// Handles that the pool has, but not in a way that gives an id.
    unusable: BTreeSet<String>,
    others: Vec<Matched>,
}

impl Pool {
    fn sort(users: &[PoolUser]) -> Pool {
        let mut by_handle: BTreeMap<&str, Vec<&PoolUser>> = BTreeMap::new();
        let mut pool = Pool {
            handles: Vec::new(),
            subs: Vec::new(),
            unusable: BTreeSet::new(),
            others: Vec::new(),
        };
        for user in users {
            match user.handle.as_deref() {
                Some(handle) => by_handle.entry(handle).or_default().push(user),
                None => pool.others.push(other(user, Outcome::NoHandleThere)),
            }
        }
        for (handle, users) in by_handle {
            match users.as_slice() {
                [PoolUser { sub: Some(sub), .. }] => {
                    pool.handles.push(handle.to_owned());
                    pool.subs.push(sub.clone());
                }
                several => {
                    pool.unusable.insert(handle.to_owned());
                    let outcome = match several {
                        [_] => Outcome::NoIdThere,
                        _ => Outcome::Ambiguous,
                    };
                    let several = several.iter().map(|user| other(user, outcome));
                    pool.others.extend(several);
                }
            }
        }
        pool
    }

    /// What a row of the database says; nothing of a user here whom the pool has
    /// among the others.
    fn matched(&self, row: &Row) -> Option<Matched> {
        let handle: Option<String> = row.get("handle");
        let before: Option<String> = row.get("before");
        let after: Option<String> = row.get("after");
        let outcome = match (row.get("here"), &after) {
            (false, _) => Outcome::NoSuchHandleHere,
            (true, None) if handle.as_ref().is_some_and(|h| self.unusable.contains(h)) => {
                return None;
            }
            (true, None) => Outcome::NoSuchHandleThere,
            (true, Some(_)) if before == after => Outcome::Unchanged,
            (true, Some(_)) => Outcome::Changed,
        };
        Some(Matched {
            handle,
            outcome,
            before,
            after,
            username: None,
        })
    }
}

/// By handle, and those without one last.
fn place(matched: &Matched) -> impl Ord + '_ {
    let handle = matched.handle.as_deref();
    (handle.is_none(), handle, matched.username.as_deref())
}

fn other(user: &PoolUser, outcome: Outcome) -> Matched {
    Matched {
        handle: user.handle.clone(),
        outcome,
        before: None,
        after: user.sub.clone(),
        username: Some(user.username.clone()),
    }
}

fn update(client: &mut Client, pool: &Pool, write: bool) -> Result<Vec<Matched>, Problem> {
    let query = include_str!("../../../../sql/users/update_cognito_user_ids.sql");
    // With the types given, the whole is one trip to the server and one
    // transaction of its own.
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&pool.handles, Type::TEXT_ARRAY),
        (&pool.subs, Type::TEXT_ARRAY),
        (&write, Type::BOOL),
    ];
    let rows = client.query_typed_raw(query, parameters)?;
    Ok(rows.filter_map(|row| Ok(pool.matched(&row))).collect()?)
}
