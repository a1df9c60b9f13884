//! The JSON form of a conversation.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::ddb::json::without_place;
use crate::ddb::limits::MAX_ITEM_SIZE;
use crate::{Error, Result};

/// A conversation between two people, as a file holds it:
///
/// ```json
/// {
///   "message_group_uuid": "5ae290ed-55d1-47a0-bc6d-fe2bc2700399",
///   "users": ["andrewbrown", "bayko"],
///   "messages": [
///     { "handle": "andrewbrown", "message": "Have you seen it?" },
///     { "handle": "bayko", "message": "Twice." }
///   ]
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The file's name, for errors.
    pub file: String,
    /// The message group.
    pub message_group_uuid: Uuid,
    /// The handles of the two people.
    pub users: [String; 2],
    /// What they wrote, in order.
    pub messages: Vec<Line>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which of the two users wrote it: 0 or 1.
    pub speaker: usize,
    /// What.
    pub message: String,
    /// Where it stands in the file, from 1.
    pub line: u64,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with message_group_uuid, users and messages"
)]
struct File<'a> {
    #[serde(borrow)]
    message_group_uuid: &'a RawValue,
    #[serde(borrow)]
    users: &'a RawValue,
    #[serde(borrow, deserialize_with = "one_or_more")]
    messages: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with handle and message")]
struct Entry {
    handle: String,
    message: String,
}

impl Conversation {
    /// Reads a conversation; `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the line, for text that is not JSON, an unknown or
    /// missing field, a uuid that is none, a speaker who is not one of the two
    /// users, no messages, an empty message, one too large for DynamoDB.
    pub fn parse(file: &str, text: &str) -> Result<Conversation> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader {
            file,
            text,
            offset: 0,
            line: 1,
        };
        let json: File<'_> =
            serde_json::from_str(text).map_err(|error| reader.json_error(1, &error))?;
        let message_group_uuid = reader.uuid(json.message_group_uuid)?;
        let users = reader.users(json.users)?;
        let messages = json
            .messages
            .into_iter()
            .map(|raw| reader.message(raw, &users))
            .collect::<Result<_>>()?;
        Ok(Conversation {
            file: file.to_owned(),
            message_group_uuid,
            users,
            messages,
        })
    }

    /// The uuid of the message at a position, from 0: always the same.
    pub fn message_uuid(&self, position: usize) -> Uuid {
        Uuid::new_v5(&self.message_group_uuid, position.to_string().as_bytes())
    }

    /// An error about a line of the file.
    pub(super) fn error(&self, line: u64, message: String) -> Error {
        Error::Input {
            file: self.file.clone(),
            line: Some(line),
            message,
        }
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<&'de RawValue>, D::Error> {
    let messages = Vec::deserialize(json)?;
    match messages.is_empty() {
        true => Err(D::Error::custom("the conversation has no messages")),
        false => Ok(messages),
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    offset: usize,
    line: u64,
}

impl Reader<'_> {
    fn rewind(&mut self) {
        (self.offset, self.line) = (0, 1);
    }

    /// The line on which a part of the text begins.
    fn line_of(&mut self, raw: &RawValue) -> u64 {
        let offset = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        if offset < self.offset {
            self.rewind();
        }
        let between = self.text.as_bytes().get(self.offset..offset);
        let breaks = between.unwrap_or_default().iter().filter(|&&b| b == b'\n');
        self.line += breaks.count() as u64;
        self.offset = offset;
        self.line
    }

    fn uuid(&mut self, raw: &RawValue) -> Result<Uuid> {
        let line = self.line_of(raw);
        let text: String = self.part(line, raw)?;
        Uuid::try_parse(&text).map_err(|_| self.error(line, format!("{text:?} is not a uuid")))
    }

    fn users(&mut self, raw: &RawValue) -> Result<[String; 2]> {
        let line = self.line_of(raw);
        let users: Vec<String> = self.part(line, raw)?;
        let count = users.len();
        let users: [String; 2] = users.try_into().map_err(|_| {
            let message = format!("a conversation is between two users, not {count}");
            self.error(line, message)
        })?;
        if users[0] == users[1] || users.iter().any(String::is_empty) {
            let message = "a conversation is between two different users".to_owned();
            return Err(self.error(line, message));
        }
        Ok(users)
    }

    fn message(&mut self, raw: &RawValue, users: &[String; 2]) -> Result<Line> {
        let line = self.line_of(raw);
        let entry: Entry = self.part(line, raw)?;
        let Some(speaker) = users.iter().position(|user| *user == entry.handle) else {
            let message = format!(
                "{:?} is neither {} nor {}, whose conversation it is",
                entry.handle, users[0], users[1]
            );
            return Err(self.error(line, message));
        };
        if entry.message.trim().is_empty() {
            return Err(self.error(line, "the message is empty".to_owned()));
        }
        if entry.message.len() > MAX_ITEM_SIZE {
            return Err(self.error(line, too_large(entry.message.len())));
        }
        Ok(Line {
            speaker,
            message: entry.message,
            line,
        })
    }

    fn part<'de, T: Deserialize<'de>>(&self, line: u64, raw: &'de RawValue) -> Result<T> {
        serde_json::from_str(raw.get()).map_err(|error| self.json_error(line, &error))
    }

    fn json_error(&self, first_line: u64, error: &serde_json::Error) -> Error {
        let message = without_place(error);
        let line = first_line + (error.line() as u64).saturating_sub(1);
        let message = match error.classify() {
            serde_json::error::Category::Data => message,
            _ => format!("this is not JSON: {message}"),
        };
        self.error(line, message)
    }

    fn error(&self, line: u64, message: String) -> Error {
        Error::Input {
            file: self.file.to_owned(),
            line: Some(line),
            message,
        }
    }
}

/// Says that a message's item would be too large.
pub(super) fn too_large(size: usize) -> String {
    format!("the message takes {size} bytes, and DynamoDB takes {MAX_ITEM_SIZE} (400 KB) an item")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "{\"message_group_uuid\":\"5ae290ed-55d1-47a0-bc6d-fe2bc2700399\",\n\"users\":[\"andrewbrown\",\"bayko\"],\n\"messages\":[\n";

    #[test]
    fn the_built_in_conversation_is_sound() {
        let conversation = &crate::ddb::seed::built_in().unwrap()[0];
        assert_eq!(conversation.users, ["andrewbrown", "bayko"]);
        assert!(conversation.messages.len() >= 40);
        let all: String = conversation
            .messages
            .iter()
            .map(|line| line.message.as_str())
            .collect();
        for mark in ["\"", "'", "\n"] {
            assert!(all.contains(mark), "{mark:?}");
        }
        assert!(all.chars().any(|c| u32::from(c) > 0x1f000), "an emoji");
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let long = "x".repeat(MAX_ITEM_SIZE + 1);
        let said = r#"{"handle":"andrewbrown","message":"hi"}"#;
        for (text, line, expected) in [
            (String::new(), 1, "EOF"),
            ("hello".into(), 1, "expected value"),
            (
                "[]".into(),
                1,
                "expected an object with message_group_uuid, users",
            ),
            ("[1]".into(), 1, "expected"),
            (HEAD.to_owned(), 4, "EOF"),
            (
                format!("{HEAD}{said}]\n,\"mood\":1}}"),
                5,
                "unknown field `mood`",
            ),
            (
                format!("{HEAD}{said},\n{{\"handle\":\"londo\",\"message\":\"hi\"}}]}}"),
                5,
                "\"londo\" is neither andrewbrown nor bayko",
            ),
            (
                format!("{HEAD}{{\"handle\":\"bayko\",\"message\":\" \\n\"}}]}}"),
                4,
                "empty",
            ),
            (
                format!("{HEAD}{{\"handle\":\"bayko\",\n\"text\":\"hi\"}}]}}"),
                5,
                "unknown field `text`",
            ),
            (
                format!("{HEAD}{{\"handle\":\"bayko\"}}]}}"),
                4,
                "missing field `message`",
            ),
            (
                format!("{HEAD}{{\"handle\":\"bayko\",\"message\":\"{long}\"}}]}}"),
                4,
                "400 KB",
            ),
            (format!("{HEAD}]}}"), 4, "the conversation has no messages"),
            (
                HEAD.replace(
                    "[
", "5}",
                ),
                3,
                "invalid type: integer `5`",
            ),
            (
                format!("{HEAD}{said}]}}").replace("5ae290ed-", "5ae29-"),
                1,
                "is not a uuid",
            ),
            (
                format!("{HEAD}{said}]}}").replace("\"bayko\"", "\"bayko\",\"londo\""),
                2,
                "two users, not 3",
            ),
            (
                format!("{HEAD}{said}]}}").replace("\"bayko\"", "\"andrewbrown\""),
                2,
                "two different",
            ),
        ] {
            let error = Conversation::parse("f.json", &text)
                .unwrap_err()
                .to_string();
            let place = format!("f.json:{line}: ");
            assert!(error.starts_with(&place), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Conversation::parse("f", &text);
            let _ = Conversation::parse("f", &format!("{HEAD}{text}]}}"));
        }
    }
}
