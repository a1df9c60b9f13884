use chrono::{DateTime, Utc};
use cruddur_core::time::{Year, parse_instant, to_key};
use proptest::prelude::*;

use crate::{config, edited, edits};

const PIECES: &[&str] = &[
    "T", "t", "Z", "z", "+", "-", ":", ".", " ", "0", "9", "60", "00", "+00:00", "-23:59",
    "+99:99", "99999", "é", "\0",
];

/// Microseconds of the years that a key's four digits can say.
fn micros() -> impl Strategy<Value = i64> {
    -62_135_596_800_000_000..=253_402_300_799_999_999_i64
}

/// What is read is written in the one form, and that is the same instant.
fn comes_back(text: &str) -> Result<(), TestCaseError> {
    let Some(time) = parse_instant(text) else {
        return Ok(());
    };
    let key = to_key(time);
    prop_assert_eq!(key.len(), 32, "{}", key);
    // What Python's datetime takes; its seconds end at 59.
    prop_assert!(&key[..4] != "0000" && &key[17..19] != "60", "{}", key);
    let again = parse_instant(&key).unwrap();
    prop_assert_eq!(again, time);
    prop_assert_eq!(to_key(again), key);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_a_time_or_none(text in any::<String>()) {
        comes_back(&text)?;
    }

    #[test]
    fn every_microsecond_comes_back(micros in micros()) {
        let time = DateTime::from_timestamp_micros(micros).unwrap();
        prop_assert_eq!(parse_instant(&to_key(time)), Some(time));
    }

    #[test]
    fn the_order_of_keys_is_the_order_of_times(one in micros(), other in micros()) {
        let key = |micros| to_key(DateTime::<Utc>::from_timestamp_micros(micros).unwrap());
        prop_assert_eq!(key(one).cmp(&key(other)), one.cmp(&other));
    }

    #[test]
    fn any_offset_is_read_as_its_instant(micros in micros(), minutes in -1439..1440_i32) {
        let time = DateTime::from_timestamp_micros(micros).unwrap();
        let offset = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
        // The local year may have five digits or none, which RFC 3339 cannot say.
        let local = time.with_timezone(&offset);
        if (0..=9999).contains(&chrono::Datelike::year(&local)) {
            prop_assert_eq!(parse_instant(&local.to_rfc3339()), Some(time));
        }
    }

    #[test]
    fn a_broken_time_is_a_time_or_none(micros in micros(), edits in edits(PIECES)) {
        let key = to_key(DateTime::from_timestamp_micros(micros).unwrap());
        comes_back(&edited(&key, &edits))?;
    }

    #[test]
    fn a_year_is_four_digits(text in "\\PC{0,5}") {
        if let Ok(year) = text.parse::<Year>() {
            prop_assert_eq!(year.to_string(), text);
        }
    }
}
