use cruddur_core::Error;
use cruddur_core::ddb::seed::Conversation;
use proptest::prelude::*;
use uuid::Uuid;

use crate::{JSON, config, edited, edits, lines};

#[derive(Debug, Clone)]
struct File {
    group: Uuid,
    messages: Vec<(bool, String)>,
    pretty: bool,
}

impl File {
    fn text(&self) -> String {
        let messages = self.messages.iter().map(|(first, message)| {
            let handle = if *first { "andrewbrown" } else { "bayko" };
            serde_json::json!({"handle": handle, "message": message})
        });
        let json = serde_json::json!({
            "message_group_uuid": self.group,
            "users": ["andrewbrown", "bayko"],
            "messages": messages.collect::<Vec<_>>(),
        });
        match self.pretty {
            true => format!("{json:#}"),
            false => json.to_string(),
        }
    }
}

fn file() -> impl Strategy<Value = File> {
    let message = (any::<bool>(), "\\PC{0,20}x\\PC{0,20}\n?");
    (
        any::<[u8; 16]>(),
        prop::collection::vec(message, 1..6),
        any::<bool>(),
    )
        .prop_map(|(group, messages, pretty)| File {
            group: Uuid::from_bytes(group),
            messages,
            pretty,
        })
}

/// It is read, or the error names one of its lines.
fn read_or_refused(text: &str) -> Result<(), TestCaseError> {
    let last = lines(text);
    match Conversation::parse("f", text) {
        Ok(conversation) => {
            for message in conversation.messages {
                prop_assert!((1..=last).contains(&message.line));
            }
        }
        Err(Error::Input {
            line: Some(line), ..
        }) => prop_assert!((1..=last).contains(&line)),
        Err(other) => prop_assert!(false, "no line: {other}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_refused_with_its_line(text in any::<String>()) {
        read_or_refused(&text)?;
    }

    #[test]
    fn what_is_written_is_read(file in file()) {
        let read = Conversation::parse("f", &file.text()).unwrap();
        prop_assert_eq!(read.message_group_uuid, file.group);
        let messages = read.messages.into_iter();
        let messages: Vec<_> = messages.map(|line| (line.speaker == 0, line.message)).collect();
        prop_assert_eq!(messages, file.messages);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line(file in file(), edits in edits(JSON)) {
        read_or_refused(&edited(&file.text(), &edits))?;
    }
}
