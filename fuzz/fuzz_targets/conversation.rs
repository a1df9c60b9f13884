//! The reader of conversation files: every error names a line of the file.

#![no_main]

use cruddur_core::Error;
use cruddur_core::ddb::seed::Conversation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines = text.split('\n').count() as u64;
    match Conversation::parse("f", text) {
        Ok(conversation) => assert!(conversation.messages.iter().all(|m| m.line <= lines)),
        Err(Error::Input {
            line: Some(line), ..
        }) => assert!((1..=lines).contains(&line)),
        Err(other) => panic!("without a line: {other:?}"),
    }
});
