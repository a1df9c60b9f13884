//! Users.

use chrono::{DateTime, NaiveDateTime, Utc};
use postgres::types::Type;
use postgres::{Client, Row};
use serde::Serialize;
use uuid::Uuid;

use super::client::{Database, Problem, text};
use crate::ddb::item::Person;
use crate::{Error, Result};

/// How many handles that come close are named.
const CLOSE_HANDLES: usize = 3;

/// A row of `public.users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its key.
    pub uuid: Uuid,
    /// The name people type.
    pub handle: String,
    /// The name people read.
    pub display_name: String,
    /// The address.
    pub email: String,
    /// The pool's `sub`, or `MOCK` until that is known.
    pub cognito_user_id: String,
    /// When the user was made, where that is known.
    pub created_at: Option<DateTime<Utc>>,
}

/// How a user is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By the name people type.
    Handle(String),
    /// By the pool's `sub`.
    CognitoId(String),
}

impl Who {
    fn handle(&self) -> Option<&str> {
        match self {
            Who::Handle(handle) => Some(handle),
            Who::CognitoId(_) => None,
        }
    }

    fn cognito_id(&self) -> Option<&str> {
        match self {
            Who::Handle(_) => None,
            Who::CognitoId(id) => Some(id),
        }
    }
}

impl Database {
    /// Users by handle: all, or the one with this handle.
    ///
    /// # Errors
    ///
    /// [`Error::UserNotFound`] for a handle that is not there;
    /// [`Error::SchemaNotLoaded`].
    pub async fn users(&self, handle: Option<&str>) -> Result<Vec<User>> {
        let handle = handle.map(checked).transpose()?;
        let database = self.clone();
        self.with(move |client| {
            let query = include_str!("../../../../sql/users/list.sql");
            let rows = client.query_typed(query, &[text(&handle)])?;
            match handle {
                Some(handle) if rows.is_empty() => {
                    Err(not_found(client, &database, &handle)?.into())
                }
                _ => rows.iter().map(user).collect(),
            }
        })
        .await
    }

    /// What others see of a user.
    ///
    /// # Errors
    ///
    /// As [`Database::users`]; [`Error::Failed`] where several have it, as they may
    /// in a table of old.
    pub async fn person_by_handle(&self, handle: &str) -> Result<Person> {
        let handle = checked(handle)?;
        let database = self.clone();
        self.with(move |client| {
            let query = include_str!("../../../../sql/users/short.sql");
            match &client.query_typed(query, &[text(&handle)])?[..] {
                [] => Err(not_found(client, &database, &handle)?.into()),
                [row] => person(row),
                _ => Err(many_have(&database, &Who::Handle(handle)).into()),
            }
        })
        .await
    }

    /// What others see of several users, in the order of their handles and by
    /// one query.
    ///
    /// # Errors
    ///
    /// As [`Database::person_by_handle`], for the first handle of which that is so.
    pub async fn people_by_handles(&self, handles: &[&str]) -> Result<Vec<Person>> {
        let handles: Vec<String> = handles.iter().map(|h| checked(h)).collect::<Result<_>>()?;
        let database = self.clone();
        self.with(move |client| {
            let query = include_str!("../../../../sql/users/by_handles.sql");
            let rows = client.query_typed(query, &[(&handles, Type::TEXT_ARRAY)])?;
            let found = rows.iter().map(person).collect::<Result<Vec<_>, _>>()?;
            let mut people = Vec::with_capacity(handles.len());
            for handle in &handles {
                let mut same = found.iter().filter(|person| person.handle == *handle);
                match (same.next(), same.next()) {
                    (Some(person), None) => people.push(person.clone()),
                    (None, _) => return Err(not_found(client, &database, handle)?.into()),
                    _ => return Err(many_have(&database, &Who::Handle(handle.clone())).into()),
                }
            }
            Ok(people)
        })
        .await
    }

    /// The two people of a message, by one query.
    ///
    /// # Errors
    ///
    /// As [`Database::person_by_handle`]; [`Error::NotFound`] where no user has an
    /// id.
    pub async fn sender_and_receiver(
        &self,
        sender: &Who,
        receiver: &Who,
    ) -> Result<(Person, Person)> {
        for who in [sender, receiver] {
            checked(who.handle().or(who.cognito_id()).unwrap_or_default())?;
        }
        let (sender, receiver) = (sender.clone(), receiver.clone());
        let database = self.clone();
        self.with(move |client| {
            let query = include_str!("../../../../sql/users/create_message_users.sql");
            let parameters = [
                sender.handle(),
                sender.cognito_id(),
                receiver.handle(),
                receiver.cognito_id(),
            ];
            let rows = client.query_typed(query, &parameters.each_ref().map(text))?;
            let mut one = |kind: &str, who: &Who| -> Result<Person, Problem> {
                let mut found = rows.iter().filter(|row| row.get::<_, &str>("kind") == kind);
                match (found.next(), found.next(), who) {
                    (Some(row), None, _) => person(row),
                    (Some(_), Some(_), who) => Err(many_have(&database, who).into()),
                    (None, _, Who::CognitoId(id)) => Err(no_such_id(&database, id).into()),
                    (None, _, Who::Handle(handle)) => {
                        Err(not_found(client, &database, handle)?.into())
                    }
                }
            };
            Ok((one("sender", &sender)?, one("receiver", &receiver)?))
        })
        .await
    }
}

/// The server's texts cannot hold a zero byte, so nothing is called so.
fn checked(text: &str) -> Result<String> {
    if text.contains('\0') {
        return Err(Error::Usage(format!("{text:?} holds a zero byte")));
    }
    Ok(text.to_owned())
}

fn user(row: &Row) -> Result<User, Problem> {
    Ok(User {
        uuid: uuid(row)?,
        handle: row.get("handle"),
        display_name: row.get("display_name"),
        email: row.get("email"),
        cognito_user_id: row.get("cognito_user_id"),
        created_at: row
            .get::<_, Option<NaiveDateTime>>("created_at")
            .map(|at| at.and_utc()),
    })
}

fn person(row: &Row) -> Result<Person, Problem> {
    Ok(Person {
        uuid: uuid(row)?.to_string(),
        display_name: row.get("display_name"),
        handle: row.get("handle"),
    })
}

/// Tables of older versions may take a row without one.
fn uuid(row: &Row) -> Result<Uuid, Problem> {
    let missing = || {
        let handle: &str = row.get("handle");
        Error::Failed(format!(
            "the user {handle:?} has no uuid in the table users"
        ))
    };
    Ok(row.get::<_, Option<Uuid>>("uuid").ok_or_else(missing)?)
}

fn no_such_id(database: &Database, id: &str) -> Error {
    let (name, at) = (database.name(), database.at());
    Error::NotFound(format!(
        "no user has the Cognito id {id:?} in database {name} at {at}"
    ))
}

fn many_have(database: &Database, who: &Who) -> Error {
    let (name, at) = (database.name(), database.at());
    let what = match who {
        Who::Handle(handle) => format!("the handle {handle:?}"),
        Who::CognitoId(id) => format!("the Cognito id {id:?}"),
    };
    Error::Failed(format!(
        "several users have {what} in database {name} at {at}"
    ))
}

fn not_found(
    client: &mut Client,
    database: &Database,
    handle: &str,
) -> Result<Error, postgres::Error> {
    let query = include_str!("../../../../sql/users/close_handles.sql");
    let typed = handle.trim().trim_start_matches('@');
    let rows = client.query_typed(query, &[text(&typed)])?;
    Ok(Error::UserNotFound {
        handle: handle.to_owned(),
        at: format!("database {} at {}", database.name(), database.at()),
        close: closest(typed, rows.iter().map(|row| row.get(0)).collect()),
    })
}

/// The handles that a person may have meant, the likeliest first.
fn closest(typed: &str, handles: Vec<String>) -> Vec<String> {
    let typed = typed.to_lowercase();
    let longest = typed.chars().count();
    let mut close: Vec<(usize, String)> = handles
        .into_iter()
        .filter_map(|handle| {
            let other = handle.to_lowercase();
            let away = distance(&typed, &other);
            let part = longest >= 2 && (other.starts_with(&typed) || typed.starts_with(&other));
            // Of one letter nothing is left where it is another.
            let few = away < longest && away <= longest.div_ceil(3);
            (few || part).then_some((away, handle))
        })
        .collect();
    close.sort();
    close.truncate(CLOSE_HANDLES);
    close.into_iter().map(|(_, handle)| handle).collect()
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_that_come_close_are_named_the_closest_first() {
        let all = || {
            ["andrewbrown", "bayko", "londo", "baykos"]
                .map(str::to_owned)
                .to_vec()
        };
        assert_eq!(closest("bayk", all()), ["bayko", "baykos"]);
        assert_eq!(closest("Londo", all()), ["londo"]);
        assert_eq!(closest("andrew", all()), ["andrewbrown"]);
        assert_eq!(closest("zathras", all()), [""; 0]);
        assert_eq!(closest("", all()), [""; 0]);
        assert_eq!(closest("x", vec!["y".to_owned()]), [""; 0]);
    }

    #[test]
    fn the_distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }
}
