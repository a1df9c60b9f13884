//! Files of SQL: the schema and the seed, or others in their place.

mod load;

use std::borrow::Cow;

use super::statements::{self, Statement, line_ends};
use crate::{Error, Result};

pub use load::Loaded;

/// A file of SQL.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name, as errors call it.
    pub file: String,
    /// What it holds.
    pub sql: Cow<'static, str>,
}

impl Script {
    /// The schema that is compiled in.
    pub fn schema() -> Script {
        Script {
            file: "sql/schema.sql".to_owned(),
            sql: include_str!("../../../../sql/schema.sql").into(),
        }
    }

    /// The seed data that are compiled in.
    pub fn seed() -> Script {
        Script {
            file: "sql/seed.sql".to_owned(),
            sql: include_str!("../../../../sql/seed.sql").into(),
        }
    }

    /// A person's own file.
    pub fn new(file: impl Into<String>, sql: String) -> Script {
        Script {
            file: file.into(),
            sql: sql.into(),
        }
    }

    /// Then what it does is known, its blocks of code included.
    fn is_compiled_in(&self) -> bool {
        matches!(self.sql, Cow::Borrowed(_))
    }

    fn error(&self, line: u64, message: impl Into<String>) -> Error {
        Error::Input {
            file: self.file.clone(),
            line: Some(line),
            message: message.into(),
        }
    }

    /// The statements to run in one transaction.
    ///
    /// A file may begin with `begin` and end with `commit`: that is what
    /// happens to it anyway. Anywhere else they would leave half of it in the
    /// database when the other half fails, so they are refused.
    fn statements(&self) -> Result<Vec<Statement<'_>>> {
        let sql = self.sql.trim_start_matches('\u{feff}');
        if let Some(at) = sql.find('\0') {
            return Err(self.error(1 + line_ends(&sql[..at]), "a zero byte is not SQL"));
        }
        let mut all = statements::split(sql).map_err(|meta| {
            let word = meta.word;
            self.error(
                meta.line,
                format!(
                    "{word} is a command of psql, not SQL; run this file with psql, or take it out"
                ),
            )
        })?;
        let opens = |s: &Statement| {
            is_one_of(
                s,
                &[
                    "BEGIN",
                    "BEGIN TRANSACTION",
                    "BEGIN WORK",
                    "START TRANSACTION",
                ],
            )
        };
        let closes = |s: &Statement| {
            is_one_of(
                s,
                &[
                    "COMMIT",
                    "COMMIT TRANSACTION",
                    "COMMIT WORK",
                    "END",
                    "END TRANSACTION",
                    "END WORK",
                ],
            )
        };
        if all.len() >= 2 && all.first().is_some_and(opens) && all.last().is_some_and(closes) {
            all.pop();
            all.remove(0);
        }
        match all.iter().find_map(|s| Some((s, refusal(s)?))) {
            Some((statement, why)) => Err(self.error(statement.line, why)),
            None => Ok(all),
        }
    }
}

fn is_one_of(statement: &Statement, words: &[&str]) -> bool {
    words.contains(&statement.words.join(" ").as_str())
}

/// Why a statement cannot be part of a file, if it cannot.
fn refusal(statement: &Statement) -> Option<&'static str> {
    let word = |index: usize| statement.words.get(index).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("ROLLBACK", "TO") => None,
        ("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT", _)
        | ("PREPARE", "TRANSACTION") => Some(
            "the whole file is one transaction; only its first statement may begin one, \
             and only its last may commit it",
        ),
        ("COPY", _) if statement.text.to_uppercase().contains("STDIN") => Some(
            "data inside of the file are for psql to read; use INSERT, or run this file with psql",
        ),
        ("COPY", _) if statement.text.to_uppercase().contains("STDOUT") => {
            Some("what this prints is for psql to show; run this file with psql, or take it out")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sql: &str) -> Result<Vec<u64>, (Option<u64>, String)> {
        let script = Script::new("x.sql", sql.to_owned());
        match script.statements() {
            Ok(statements) => Ok(statements.iter().map(|s| s.line).collect()),
            Err(Error::Input { line, message, .. }) => Err((line, message)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_transaction_around_the_whole_file_is_what_happens_anyway() {
        assert_eq!(lines("begin;\nselect 1;\ncommit;"), Ok(vec![2]));
        assert_eq!(lines("START TRANSACTION;\nselect 1;\nend"), Ok(vec![2]));
        assert_eq!(lines("savepoint a;\nrollback to a;"), Ok(vec![1, 2]));
    }

    #[test]
    fn a_transaction_in_the_middle_is_refused_with_its_line() {
        for (sql, line) in [
            ("select 1;\ncommit;\nselect 2", 2),
            ("begin;\nselect 1;", 1),
            ("begin;\ncommit;\nbegin;\ncommit;", 2),
            ("begin isolation level serializable;\nselect 1;\ncommit;", 1),
            ("select 1;\nrollback;", 2),
            ("select 1;\n\\c other", 2),
            ("select 1;\ncopy t from stdin;\n1\n", 2),
            ("select 1;\nCopy (select 1) to StdOut;", 2),
            ("select 1;\n\0", 2),
        ] {
            assert_eq!(lines(sql).unwrap_err().0, Some(line), "{sql}");
        }
    }

    #[test]
    fn the_files_compiled_in_are_whole() {
        assert!(!Script::schema().statements().unwrap().is_empty());
        assert!(!Script::seed().statements().unwrap().is_empty());
    }
}
