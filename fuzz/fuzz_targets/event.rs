//! The reader of stream events: what is no event is told with its line.

#![no_main]

use cruddur_core::stream::StreamEvent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match StreamEvent::parse(text) {
        Ok(event) => {
            let _ = event.table();
        }
        Err((line, message)) => {
            assert!(line >= 1 && line <= text.split('\n').count() as u64);
            assert!(!message.is_empty());
        }
    }
});
