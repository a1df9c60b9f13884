//! Loads a file in one transaction, and finds out what it did.

use std::collections::BTreeSet;

use postgres::error::{DbError, SqlState};
use postgres::{Client, SimpleQueryMessage, Transaction};
use serde::Serialize;

use super::Script;
use crate::db::client::{Database, Problem};
use crate::db::marker::{self, Environment};
use crate::db::statements::{Statement, line_ends};
use crate::{Error, Result, Service};

/// What loading a file did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// How many statements it has.
    pub statements: usize,
    /// How many rows were written.
    pub rows: u64,
    /// Tables, columns and so on that were not there before, such as
    /// `table public.users`.
    pub created: Vec<String>,
    /// Those that are not there any more.
    pub dropped: Vec<String>,
    /// Whether it may have done what none of these tells, as TRUNCATE does.
    #[serde(skip)]
    pub untold: bool,
    /// What the database is marked as, after a schema.
    #[serde(skip)]
    pub marked: Option<Environment>,
}

impl Loaded {
    /// Whether it certainly changed nothing.
    pub fn is_unchanged(&self) -> bool {
        self.rows == 0 && self.created.is_empty() && self.dropped.is_empty() && !self.untold
    }
}

impl Database {
    /// Loads a schema, and writes the marker that says whether the database is
    /// development's or production's, unless there is one.
    ///
    /// Another run that loads a file is waited for a minute, and a lock that
    /// another session holds 5 seconds, unless the file sets another
    /// `lock_timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with file and line for what the server does not take;
    /// nothing of the file stays then. [`Error::Service`] with code `55P03`
    /// where another session kept its lock. [`Error::Refused`] for a database
    /// that is production's without `--prod`.
    pub async fn load_schema(&self, script: Script, dry_run: bool) -> Result<Loaded> {
        let production = self.is_production();
        self.load(script, dry_run, move |transaction| {
            marker::write(transaction, production).map(Some)
        })
        .await
    }

    /// Loads seed data.
    ///
    /// # Errors
    ///
    /// As [`Database::load_schema`]; [`Error::SchemaNotLoaded`] where the
    /// tables are not there.
    pub async fn load_seed(&self, script: Script, dry_run: bool) -> Result<Loaded> {
        self.load(script, dry_run, |_| Ok(None)).await
    }

    async fn load(
        &self,
        script: Script,
        dry_run: bool,
        mark: impl Fn(&mut Transaction<'_>) -> Result<Option<Environment>, Problem> + Send + 'static,
    ) -> Result<Loaded> {
        script.statements()?;
        let database = self.clone();
        self.with_retries(move |client| {
            let mut transaction = begin(client)?;
            marker::guard(&mut transaction, &database)?;
            let before = objects(&mut transaction)?;
            let has_tables = has_tables(&mut transaction)?;
            let mut loaded = Loaded {
                statements: 0,
                rows: 0,
                created: Vec::new(),
                dropped: Vec::new(),
                untold: false,
                marked: None,
            };
            for statement in script.statements()? {
                let rows = run(&mut transaction, &statement)
                    .map_err(|error| explain(&database, &script, &statement, error, has_tables))?;
                loaded.statements += 1;
                loaded.rows += rows;
                loaded.untold |= !script.is_compiled_in() && !is_told(&statement);
            }
            let after = objects(&mut transaction)?;
            loaded.created = without_parts_of_tables(after.difference(&before));
            loaded.dropped = without_parts_of_tables(before.difference(&after));
            loaded.marked = mark(&mut transaction)?;
            if dry_run {
                transaction.rollback()?;
            } else {
                transaction.commit()?;
            }
            Ok(loaded)
        })
        .await
    }
}

/// Begins a transaction that no other run of a file overlaps, and that does not
/// wait for other sessions for long.
fn begin(client: &mut Client) -> Result<Transaction<'_>, postgres::Error> {
    let mut transaction = client.transaction()?;
    transaction.batch_execute(include_str!("../../../../../sql/db/lock.sql"))?;
    Ok(transaction)
}

fn objects(transaction: &mut Transaction<'_>) -> Result<BTreeSet<String>, postgres::Error> {
    let rows = transaction.query_typed(include_str!("../../../../../sql/db/objects.sql"), &[])?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

fn has_tables(transaction: &mut Transaction<'_>) -> Result<bool, postgres::Error> {
    let row = transaction.query_typed_one(include_str!("../../../../../sql/db/tables.sql"), &[])?;
    Ok(row.get("users") && row.get("activities"))
}

/// The columns and indexes of a table come and go with it.
fn without_parts_of_tables<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let names: Vec<&String> = names.collect();
    let tables: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix("table "))
        .collect();
    let is_part = |name: &str| {
        let part = name
            .strip_prefix("column ")
            .map(|column| (column, '.'))
            .or_else(|| name.strip_prefix("index ").map(|index| (index, '_')));
        part.is_some_and(|(part, separator)| {
            tables.iter().any(|table| {
                part.strip_prefix(table)
                    .is_some_and(|rest| rest.starts_with(separator))
            })
        })
    };
    names
        .iter()
        .filter(|name| !is_part(name))
        .map(ToString::to_string)
        .collect()
}

/// Whether what a statement does shows in the rows it wrote and in the names that
/// came and went, and nowhere else.
fn is_told(statement: &Statement) -> bool {
    let words = statement.words.iter().map(String::as_str);
    match words.collect::<Vec<_>>()[..] {
        ["CREATE", "OR", ..] => false,
        [first, ..] => [
            "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "SELECT", "VALUES", "SET",
        ]
        .contains(&first),
        [] => true,
    }
}

/// Runs a statement and says how many rows it wrote.
fn run(transaction: &mut Transaction<'_>, statement: &Statement) -> Result<u64, postgres::Error> {
    let mut reads = false;
    let mut rows = 0;
    for message in transaction.simple_query(statement.text)? {
        match message {
            SimpleQueryMessage::CommandComplete(count) => rows += count,
            SimpleQueryMessage::RowDescription(_) => reads = true,
            _ => {}
        }
    }
    let writes = match statement.words.first().map_or("", String::as_str) {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" => true,
        "WITH" => !reads,
        _ => false,
    };
    Ok(if writes { rows } else { 0 })
}

/// Finds the line of what the server complains about.
fn explain(
    database: &Database,
    script: &Script,
    statement: &Statement,
    error: postgres::Error,
    has_tables: bool,
) -> Problem {
    let Some(answer) = error.as_db_error() else {
        return error.into();
    };
    let code = answer.code().code();
    let line = statement.line + lines_before(statement.text, answer);
    if answer.code() == &SqlState::LOCK_NOT_AVAILABLE {
        let file = &script.file;
        let said = answer.message();
        return Problem::Ours(Error::Service {
            service: Service::Postgres,
            at: database.at(),
            code: code.to_owned(),
            message: format!(
                "another session holds a lock that {file}:{line} needs, so nothing was changed \
                 ({said})"
            ),
        });
    }
    // Not about the file: the connection, the server's means, other sessions.
    let of_server = ["08", "40", "53", "57", "58", "XX"];
    let no_schema = code == "42P01" && !has_tables && script.file == Script::seed().file;
    if no_schema || of_server.iter().any(|class| code.starts_with(class)) {
        return error.into();
    }
    let (said, name, at) = (message(answer), database.name(), database.at());
    let said = format!("{said}, in database {name} at {at}");
    script.error(line, said).into()
}

/// How many lines of the statement lie before the place that the server names,
/// which it counts in characters from 1.
fn lines_before(text: &str, answer: &DbError) -> u64 {
    let Some(postgres::error::ErrorPosition::Original(position)) = answer.position() else {
        return 0;
    };
    let before: String = text.chars().take(*position as usize - 1).collect();
    line_ends(&before)
}

fn message(answer: &DbError) -> String {
    let more = [answer.detail(), answer.hint()];
    let more: String = more
        .iter()
        .flatten()
        .map(|text| format!("; {}", text.trim_end_matches('.')))
        .collect();
    format!("{}{more} ({})", answer.message(), answer.code().code())
}
