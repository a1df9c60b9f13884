//! Times as they stand in keys, and as people give them.
//!
//! A key's time is UTC with six digits of fraction and a numeric offset,
//! `2023-03-24T09:45:01.561513+00:00`, so that the order of texts is the order
//! of times and Python's `%Y-%m-%dT%H:%M:%S.%f%z` reads it.

use chrono::{DateTime, Datelike, FixedOffset, SecondsFormat, SubsecRound as _, Utc};
use serde::Serializer;

use crate::{Error, Result};

/// Formats an instant as it stands in a key. Digits below a microsecond are cut.
pub fn to_key(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// Writes an instant into JSON as it stands in a key.
pub(crate) fn as_key<S: Serializer>(
    time: &DateTime<Utc>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_key(*time))
}

/// An instant by its seconds since 1970, as AWS's services tell one. The fraction
/// has not more than six digits that count: today's seconds leave no room for more.
pub(crate) fn from_seconds(seconds: f64) -> Option<DateTime<Utc>> {
    let whole = seconds.floor();
    // A number outside of i64 becomes its nearest, which is no time either.
    let nanoseconds = ((seconds - whole) * 1e9) as u32;
    let time = DateTime::from_timestamp(whole as i64, nanoseconds)?;
    Some(time.round_subsecs(6))
}

/// Reads a time of any offset, as older items carry them, to the microsecond: what
/// is cut from a message's time could not stand in the keys of its group, which
/// would be behind it for ever. A leap second is the one after it, since Python's
/// seconds end at 59.
///
/// `None` where the text is no time, and for one outside of the years 0001 to
/// 9999, which a key cannot say and Python cannot read.
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::<FixedOffset>::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?
        .to_utc();
    let time = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    (1..=9999).contains(&time.year()).then_some(time)
}

/// Reads a time that a person gave: RFC 3339, such as `2023-03-24T09:45:01Z`.
///
/// # Errors
///
/// [`Error::Usage`] for anything else.
pub fn parse_given(text: &str) -> Result<DateTime<Utc>> {
    parse_instant(text).ok_or_else(|| {
        Error::Usage(format!(
            "{text:?} is not a time such as 2023-03-24T09:45:01Z"
        ))
    })
}

/// A year of keys: four digits, 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Year(i32);

impl std::str::FromStr for Year {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(year @ 1..=9999) if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Year(year))
            }
            _ => Err("a year has four digits, such as 2023".to_owned()),
        }
    }
}

impl std::fmt::Display for Year {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn seconds_may_have_a_fraction_and_be_of_any_year() {
        let micros = |seconds| from_seconds(seconds).map(|time| time.timestamp_micros());
        assert_eq!(micros(1_679_651_101.0), Some(1_679_651_101_000_000));
        assert_eq!(micros(1_679_651_101.561513), Some(1_679_651_101_561_513));
        assert_eq!(micros(-0.25), Some(-250_000));
        assert_eq!(micros(0.9999999), Some(1_000_000));
        assert_eq!(micros(1e300), None);
    }

    #[test]
    fn a_key_has_six_digits_and_a_numeric_offset() {
        let time = Utc.with_ymd_and_hms(2023, 3, 24, 9, 45, 1).unwrap();
        assert_eq!(to_key(time), "2023-03-24T09:45:01.000000+00:00");
        let time = parse_instant("2023-03-24T09:45:01.561513789Z").unwrap();
        assert_eq!(to_key(time), "2023-03-24T09:45:01.561513+00:00");
    }

    #[test]
    fn any_offset_is_read_as_its_instant() {
        let key = "2023-03-24T09:45:01.561513+00:00";
        for text in [
            "2023-03-24T05:45:01.561513-04:00",
            "2023-03-24T05:45:01.561513-0400",
            "2023-03-24T09:45:01.561513Z",
        ] {
            assert_eq!(to_key(parse_instant(text).unwrap()), key, "{text}");
        }
        assert_eq!(parse_instant("yesterday"), None);
    }

    #[test]
    fn what_a_key_cannot_say_is_no_time() {
        for text in [
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "9999-12-31T23:59:60Z",
            "10000-01-01T00:00:00+0000",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
        let leap = parse_instant("2016-12-31T23:59:60.25Z").unwrap();
        assert_eq!(to_key(leap), "2017-01-01T00:00:00.250000+00:00");
    }

    #[test]
    fn a_year_is_four_digits() {
        assert_eq!("2023".parse(), Ok(Year(2023)));
        for text in ["20x3", "0000", "23", "+202", "02023", ""] {
            assert!(text.parse::<Year>().is_err(), "{text}");
        }
    }
}
