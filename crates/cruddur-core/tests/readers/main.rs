//! What people and other programs hand in, made up at random: nothing panics or
//! hangs, and every error says where it is.
//!
//! `PROPTEST_CASES=100000 cargo test -p cruddur-core --test readers` tries that
//! many of each. `fuzz/` has the same readers under libFuzzer.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use proptest::prelude::*;

mod conversation;
mod event;
mod import;
mod time;
mod url;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(2_000, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A change to a text that was right.
#[derive(Debug, Clone)]
struct Edit {
    /// Where, as a share of its length.
    at: f64,
    /// How many characters go.
    cut: usize,
    /// What comes instead.
    put: String,
}

/// Some edits, of pieces that mean something to a reader and of any others.
fn edits(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<Edit>> {
    let put = prop_oneof![
        4 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just(String::new()),
    ];
    let cut = prop_oneof![4 => 0..4_usize, 1 => 0..200_usize];
    let edit = (0.0..1.0, cut, put).prop_map(|(at, cut, put)| Edit { at, cut, put });
    prop::collection::vec(edit, 0..5)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for edit in edits {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a short text"
        )]
        let start = (edit.at * characters.len() as f64) as usize;
        let end = (start + edit.cut).min(characters.len());
        characters.splice(start..end, edit.put.chars());
    }
    characters.into_iter().collect()
}

/// How many lines a text has; one that ends with a line break has an empty last.
fn lines(text: &str) -> u64 {
    text.split('\n').count() as u64
}

/// Pieces of JSON, broken and whole.
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "\n",
    "\r\n",
    " ",
    "\u{feff}",
    "\0",
    "🌊",
    "[[[[",
    "{\"S\":\"\"}",
];
