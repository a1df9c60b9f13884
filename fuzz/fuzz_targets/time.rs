//! The codec of keys' times: what is read is written in the one form, and that
//! is read as the same instant.

#![no_main]

use cruddur_core::time::{parse_instant, to_key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(time) = parse_instant(text) else {
        return;
    };
    let key = to_key(time);
    assert_eq!(key.len(), "2023-03-24T09:45:01.561513+00:00".len(), "{key}");
    let again = parse_instant(&key).expect("a key is a time");
    assert_eq!(again.timestamp_micros(), time.timestamp_micros());
    assert_eq!(to_key(again), key);
});
