//! Databases as a whole: creating and dropping them, and who is connected.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Client;
use postgres::error::SqlState;
use serde::Serialize;

use super::client::{Database, Problem, text};
use super::marker;
use crate::{Error, Result};

/// Where one connects to create or drop another database; the second where the
/// first is not there.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
/// What belongs to the server itself.
const OF_THE_SERVER: [&str; 3] = ["postgres", "template0", "template1"];
/// How long a session that has just been closed may still be listed.
const GRACE: Duration = Duration::from_millis(500);

/// One who is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The server's process for it.
    pub pid: i32,
    /// The database.
    pub database: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// What the program calls itself.
    pub application: String,
    /// Its address; none on a Unix socket.
    pub client: Option<String>,
    /// What it does: `active`, `idle`, `idle in transaction`.
    pub state: Option<String>,
    /// When it connected.
    pub since: Option<DateTime<Utc>>,
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().unwrap_or("unknown");
        write!(f, "pid {}, user {user}", self.pid)?;
        if !self.application.is_empty() {
            write!(f, ", application {}", self.application)?;
        }
        Ok(())
    }
}

/// What a database holds; what is dropped is shown first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// How many users, where the table is there.
    pub users: Option<i64>,
    /// How many activities, where the table is there.
    pub activities: Option<i64>,
}

impl Database {
    /// Whether the server has the database. Asks the database itself: not every
    /// role, and not every pooler, lets one into another.
    ///
    /// # Errors
    ///
    /// Those of connecting, and [`Error::Usage`] where the URL names none.
    pub async fn exists(&self) -> Result<bool> {
        self.url().named_database()?;
        match self.with(|_| Ok(())).await {
            Ok(()) => Ok(true),
            Err(Error::DatabaseNotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Creates the database if it is not there, and says whether it did.
    ///
    /// # Errors
    ///
    /// Those of connecting; [`Error::Service`] where the user may not.
    pub async fn create(&self) -> Result<bool> {
        if self.exists().await? {
            return Ok(false);
        }
        let name = self.url().named_database()?.to_owned();
        self.maintain(move |client| {
            let statement = format!("create database {}{}", quoted(&name), encoding(client)?);
            match client.batch_execute(&statement) {
                // Another run was faster.
                Err(error) if is_duplicate(&error) => Ok(false),
                result => Ok(result.map(|()| true)?),
            }
        })
        .await
    }

    /// Drops the database if it is there, and says whether it was. `force` ends
    /// the sessions of those who are connected.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseInUse`] where others are connected and `force` is not
    /// given; [`Error::Refused`] for a database of the server's own, and for
    /// production's without `--prod`.
    pub async fn drop(&self, force: bool) -> Result<bool> {
        let name = self.url().named_database()?.to_owned();
        if !self.may_be_dropped(force).await? {
            return Ok(false);
        }
        let database = self.clone();
        self.maintain(move |client| {
            let how = if force { " with (force)" } else { "" };
            let statement = format!("drop database if exists {}{how}", quoted(&name));
            match client.batch_execute(&statement) {
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => {
                    unused(client, &database, &name)?;
                    Err(error.into())
                }
                result => Ok(result.map(|()| true)?),
            }
        })
        .await
    }

    /// Checks what [`Database::drop`] checks without dropping; `false` where
    /// the database is not there.
    ///
    /// # Errors
    ///
    /// As [`Database::drop`].
    pub async fn may_be_dropped(&self, force: bool) -> Result<bool> {
        let name = self.url().named_database()?.to_owned();
        if OF_THE_SERVER.contains(&name.as_str()) {
            return Err(Error::Refused(format!(
                "{name} at {} belongs to the server itself",
                self.at()
            )));
        }
        let database = self.clone();
        let guarded = self
            .with(move |client| marker::guard(client, &database))
            .await;
        match guarded {
            Ok(()) => {}
            Err(Error::DatabaseNotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        if !force {
            let database = self.clone();
            self.maintain(move |client| unused(client, &database, &name))
                .await?;
        }
        Ok(true)
    }

    /// What the database holds.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn contents(&self) -> Result<Contents> {
        self.with(|client| {
            let tables =
                client.query_typed_one(include_str!("../../../../sql/db/tables.sql"), &[])?;
            let mut count = |table, query| match tables.get(table) {
                true => Ok(Some(client.query_typed_one(query, &[])?.get(0))),
                false => Ok::<_, postgres::Error>(None),
            };
            Ok(Contents {
                users: count("users", include_str!("../../../../sql/users/count.sql"))?,
                activities: count(
                    "activities",
                    include_str!("../../../../sql/activities/count.sql"),
                )?,
            })
        })
        .await
    }

    /// Who is connected to the database, or to any of the server.
    ///
    /// # Errors
    ///
    /// Those of connecting; [`Error::DatabaseNotFound`].
    pub async fn sessions(&self, of_all: bool) -> Result<Vec<Session>> {
        let work = move |client: &mut Client| {
            if of_all {
                return Ok(sessions(client, None)?);
            }
            let query = include_str!("../../../../sql/db/name.sql");
            let name: String = client.query_typed_one(query, &[])?.get(0);
            Ok(sessions(client, Some(&name))?)
        };
        match self.with(work).await {
            Err(Error::DatabaseNotFound { .. }) if of_all => self.maintain(work).await,
            result => result,
        }
    }

    /// Runs `work` on a database that is not the one in question.
    pub(super) async fn maintain<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Client) -> Result<T, Problem> + Clone + Send + 'static,
    ) -> Result<T> {
        let [first, second] = MAINTENANCE;
        match self.sibling(first).with(work.clone()).await {
            Err(Error::DatabaseNotFound { database, .. }) if database == first => {
                self.sibling(second).with(work).await
            }
            result => result,
        }
    }
}

/// Messages and names are Unicode; a server that was set up without a locale
/// would make a database that is not.
fn encoding(client: &mut Client) -> Result<&'static str, Problem> {
    let template = client.query_typed_one(include_str!("../../../../sql/db/template.sql"), &[])?;
    Ok(if template.get(0) {
        ""
    } else {
        " template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"
    })
}

fn sessions(client: &mut Client, database: Option<&str>) -> Result<Vec<Session>, postgres::Error> {
    let query = include_str!("../../../../sql/db/sessions.sql");
    let rows = client.query_typed(query, &[text(&database)])?;
    Ok(rows
        .iter()
        .map(|row| Session {
            pid: row.get("pid"),
            database: row.get("database"),
            user: row.get("user"),
            application: row
                .get::<_, Option<String>>("application")
                .unwrap_or_default(),
            client: row.get("client"),
            state: row.get("state"),
            since: row.get("since"),
        })
        .collect())
}

/// Waits for sessions that are about to end, and fails if others are left.
fn unused(client: &mut Client, database: &Database, name: &str) -> Result<(), Problem> {
    let step = GRACE / 10;
    let mut left = sessions(client, Some(name))?;
    for _ in 0..10 {
        if left.is_empty() {
            return Ok(());
        }
        std::thread::sleep(step);
        left = sessions(client, Some(name))?;
    }
    Err(Error::DatabaseInUse {
        database: name.to_owned(),
        at: database.at(),
        sessions: left.iter().map(ToString::to_string).collect(),
    }
    .into())
}

fn is_duplicate(error: &postgres::Error) -> bool {
    [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION]
        .iter()
        .any(|code| error.code() == Some(code))
}

/// A name as it stands in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
