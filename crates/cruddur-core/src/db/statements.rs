//! Where one SQL statement of a file ends and the next begins.
//!
//! A file is sent one statement at a time, since the server names a position
//! for some errors only (not for a duplicate key, say), and the person wants a
//! line for each. The rules are those of psql, which reads the same files.

/// A statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Its text, from its first word to its semicolon.
    pub text: &'a str,
    /// The line its first word stands on, counted from 1.
    pub line: u64,
    /// Its first two words in capitals, which say what it does.
    pub words: Vec<String>,
}

/// What stands in a file outside of SQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MetaCommand {
    /// Its line.
    pub line: u64,
    /// Its first word, such as `\c`.
    pub word: String,
}

/// Splits a file.
///
/// # Errors
///
/// A line that only psql understands.
pub(super) fn split(sql: &str) -> Result<Vec<Statement<'_>>, MetaCommand> {
    let mut scanner = Scanner {
        sql,
        at: 0,
        counted: (0, 1),
    };
    let mut statements = Vec::new();
    while let Some(statement) = scanner.statement()? {
        statements.push(statement);
    }
    Ok(statements)
}

/// How many lines end in a text.
pub(super) fn line_ends(sql: &str) -> u64 {
    sql.bytes().filter(|&byte| byte == b'\n').count() as u64
}

struct Scanner<'a> {
    sql: &'a str,
    at: usize,
    /// A place and its line: where counting goes on.
    counted: (usize, u64),
}

/// What a statement has shown of itself so far.
#[derive(Default)]
struct Progress {
    start: Option<usize>,
    words: Vec<String>,
    parentheses: usize,
    /// How deep in `begin atomic … end` of a function's body, in which
    /// semicolons do not end the statement.
    bodies: usize,
}

impl<'a> Scanner<'a> {
    fn statement(&mut self) -> Result<Option<Statement<'a>>, MetaCommand> {
        let mut progress = Progress::default();
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            if self.skip_blank() {
                continue;
            }
            if c == '\\' {
                let word = self.rest().split_whitespace().next().unwrap_or("\\");
                let word = word.to_owned();
                let line = self.line_of(start);
                return Err(MetaCommand { line, word });
            }
            if c == ';' && progress.parentheses == 0 && progress.bodies == 0 {
                self.at += 1;
                match progress.start {
                    Some(start) => return Ok(Some(self.finish(start, progress.words))),
                    None => continue,
                }
            }
            progress.start.get_or_insert(start);
            self.token(c, &mut progress);
        }
        let words = progress.words;
        Ok(progress.start.map(|start| self.finish(start, words)))
    }

    /// The line of a place at or after the last one that was asked for.
    fn line_of(&mut self, place: usize) -> u64 {
        let (counted, line) = self.counted;
        let line = line + line_ends(&self.sql[counted..place]);
        self.counted = (place, line);
        line
    }

    fn finish(&mut self, start: usize, mut words: Vec<String>) -> Statement<'a> {
        words.truncate(2);
        Statement {
            text: self.sql[start..self.at].trim_end(),
            line: self.line_of(start),
            words,
        }
    }

    /// Passes white space or a comment.
    fn skip_blank(&mut self) -> bool {
        let rest = self.rest();
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            // One without an end is the server's to refuse: what stands in it may
            // have been meant as statements.
            comment(rest).unwrap_or(0)
        } else {
            rest.len() - rest.trim_start().len()
        };
        self.at += length;
        length > 0
    }

    /// Passes one token, which begins with `c`.
    fn token(&mut self, c: char, progress: &mut Progress) {
        let rest = self.rest();
        self.at += match c {
            '\'' => quoted(rest, '\'', false),
            '"' => quoted(rest, '"', false),
            'e' | 'E' if rest[1..].starts_with('\'') => 1 + quoted(&rest[1..], '\'', true),
            '$' => dollar_quoted(rest).unwrap_or(1),
            '(' => {
                progress.parentheses += 1;
                1
            }
            ')' => {
                progress.parentheses = progress.parentheses.saturating_sub(1);
                1
            }
            c if is_word(c) => {
                let word = word(rest);
                progress.word(word);
                word.len()
            }
            c => c.len_utf8(),
        };
    }

    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }
}

impl Progress {
    fn word(&mut self, word: &str) {
        let word = word.to_uppercase();
        // `create function … begin atomic case … end; end;`, as psql does it.
        let is_routine = matches!(self.words.first().map(String::as_str), Some("CREATE"))
            && self.words[1..]
                .iter()
                .any(|word| matches!(word.as_str(), "FUNCTION" | "PROCEDURE"));
        if is_routine && self.parentheses == 0 {
            match word.as_str() {
                "BEGIN" => self.bodies += 1,
                "CASE" if self.bodies > 0 => self.bodies += 1,
                "END" => self.bodies = self.bodies.saturating_sub(1),
                _ => {}
            }
        }
        // `create or replace function` has the word in the fourth place.
        if self.words.len() < 4 {
            self.words.push(word);
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

/// A word, in which a `$` may stand but not begin.
fn word(text: &str) -> &str {
    let end = text.find(|c| !is_word(c) && c != '$');
    &text[..end.unwrap_or(text.len())]
}

/// The length of a comment, which may hold others; none where it has no end.
fn comment(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// The length of what is quoted. A doubled quote reads as two texts in a row,
/// which comes to the same.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut escaped = true; // The opening quote does not close.
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == quote {
            return at + c.len_utf8();
        } else {
            escaped = backslashes && c == '\\';
        }
    }
    text.len()
}

/// The length of a text between `$tag$` and `$tag$`, if one begins here.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = text[1..].find('$')? + 2;
    let tag = &text[..tag_end];
    let name = &tag[1..tag_end - 1];
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_word) {
        return None;
    }
    let body = &text[tag_end..];
    Some(match body.find(tag) {
        Some(end) => tag_end + end + tag.len(),
        None => text.len(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(sql: &str) -> Vec<(u64, &str)> {
        let statements = split(sql).unwrap();
        statements.iter().map(|s| (s.line, s.text)).collect()
    }

    #[test]
    fn statements_end_at_their_semicolons_and_begin_at_their_first_word() {
        assert_eq!(
            texts("-- a;\nselect 1;\n\n/* b; /* c; */ ; */ select 2 ; ; select\n3"),
            [(2, "select 1;"), (4, "select 2 ;"), (4, "select\n3")]
        );
        assert_eq!(texts(" \n-- nothing"), []);
        assert_eq!(
            texts("select 1;\n/* a\nselect 2;"),
            [(1, "select 1;"), (2, "/* a\nselect 2;")]
        );
    }

    #[test]
    fn quoted_semicolons_do_not_end_a_statement() {
        for sql in [
            r"select ';' || 'it''s;';",
            r"select E'\';';",
            r"select 'a\';",
            r#"select 1 as "a;""b";"#,
            "select $$;'$$, $tag$ $$ ; $tag$;",
            "select $1; ",
            "create rule r as on insert to t do (select 1; select 2);",
            "create function f() returns int begin atomic select case when true then 1 end; end;",
            "create or replace procedure p() begin atomic select 1; end;",
            "do $$ begin perform 1; end $$;",
            "select 'é;🌊';",
        ] {
            assert_eq!(texts(sql), [(1, sql.trim_end())], "{sql}");
        }
    }

    #[test]
    fn a_transactions_words_are_told_from_a_functions() {
        let statements = split("begin; select 1; start  /* a */ transaction; commit").unwrap();
        let words: Vec<_> = statements.iter().map(|s| s.words.join(" ")).collect();
        assert_eq!(words, ["BEGIN", "SELECT 1", "START TRANSACTION", "COMMIT"]);
    }

    #[test]
    fn psqls_own_commands_are_named_with_their_line() {
        let found = split("select '\\x';\n\\c other\n").unwrap_err();
        assert_eq!(
            found,
            MetaCommand {
                line: 2,
                word: "\\c".to_owned()
            }
        );
    }

    fn says_nothing(sql: &str) -> bool {
        let is_blank = |c: char| c.is_whitespace() || c == ';' || c == '\u{feff}';
        sql.chars().all(is_blank) || sql.contains("--") || sql.contains("/*")
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_a_panic_and_without_loss(sql in ".{0,200}") {
            if let Ok(statements) = split(&sql) {
                let mut end = 0;
                for statement in statements {
                    let start = statement.text.as_ptr() as usize - sql.as_ptr() as usize;
                    prop_assert!(says_nothing(&sql[end..start]), "{:?}", &sql[end..start]);
                    prop_assert_eq!(statement.line, 1 + line_ends(&sql[..start]));
                    end = start + statement.text.len();
                }
                prop_assert!(says_nothing(&sql[end..]), "{:?}", &sql[end..]);
            }
        }

        #[test]
        fn what_looks_like_sql_is_split_without_a_panic(
            sql in "[ ;'\"$a/*\\-\n()eEé\\\\]{0,80}|(begin|end|case|create|function|;|\n| |\\$a\\$|')*"
        ) {
            let _ = split(&sql);
        }
    }
}
