//! The grammar of DynamoDB's numbers, which are text on the wire.

/// DynamoDB keeps 38 digits; more is an error there.
const MAX_DIGITS: usize = 38;
/// The largest magnitude is 9.9…E+125 and the smallest 1E-130 (AWS: "Supported
/// data types and naming rules in Amazon DynamoDB").
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;

/// Whether the digits are a JSON number as they stand.
pub(super) fn is_json(text: &str) -> bool {
    let Some(parts) = Parts::of(text.strip_prefix('-').unwrap_or(text)) else {
        return false;
    };
    let whole_is_json =
        !parts.whole.is_empty() && (parts.whole.len() == 1 || !parts.whole.starts_with('0'));
    whole_is_json && parts.fraction.is_none_or(|digits| !digits.is_empty())
}

/// Says what is wrong with a number, where DynamoDB would refuse it.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let number = Number::of(text).ok_or_else(|| format!("{text:?} is not a number"))?;
    let significant = number.digits.len();
    if significant > MAX_DIGITS {
        return Err(format!(
            "{text} has {significant} significant digits, and DynamoDB keeps {MAX_DIGITS}"
        ));
    }
    if significant > 0 && !EXPONENTS.contains(&number.magnitude) {
        return Err(format!(
            "{text} is beyond DynamoDB's numbers, 1E-130 to 9.9E+125"
        ));
    }
    Ok(())
}

/// A number, the same for all the forms it can be written in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    negative: bool,
    /// The power of ten of the first significant digit.
    magnitude: i64,
    /// The significant digits; none for zero.
    digits: String,
}

impl Number {
    /// Reads one; `None` where it is none.
    pub fn of(text: &str) -> Option<Number> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let parts = Parts::of(unsigned)?;
        let fraction = parts.fraction.unwrap_or_default();
        if parts.whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let all = format!("{}{fraction}", parts.whole);
        let leading = all.len() - all.trim_start_matches('0').len();
        let digits = all.trim_matches('0').to_owned();
        let before_point = i64::try_from(parts.whole.len()).ok()?;
        let magnitude = before_point - 1 - i64::try_from(leading).ok()?;
        Some(match digits.is_empty() {
            true => Number {
                negative: false,
                magnitude: 0,
                digits,
            },
            false => Number {
                negative: text.starts_with('-'),
                magnitude: parts.exponent.saturating_add(magnitude),
                digits,
            },
        })
    }
}

struct Parts<'a> {
    whole: &'a str,
    fraction: Option<&'a str>,
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Parts<'a>> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let exponent = match exponent {
            None => 0,
            Some(text) => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                if digits.is_empty() || !all_digits(digits) {
                    return None;
                }
                // Too long for an i64 is far beyond any exponent there is.
                text.parse().unwrap_or(i64::MAX)
            }
        };
        (all_digits(whole) && all_digits(fraction.unwrap_or_default())).then_some(Parts {
            whole,
            fraction,
            exponent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers_are_told_from_the_rest() {
        for text in ["0", "-0", "12", "1.50", "1e5", "-1.2E-130", "10"] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "", "-", ".5", "5.", "+5", "05", "1e", "NaN", "0x1", "--1", "1_0",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn a_number_is_the_same_in_all_its_forms() {
        for (one, other) in [
            ("1", "+01.0"),
            ("1", "10e-1"),
            ("-0", "0E5"),
            ("-12.50", "-125E-1"),
        ] {
            assert_eq!(Number::of(one), Number::of(other), "{one} {other}");
        }
        for (one, other) in [("1", "-1"), ("1", "10"), ("1", "1.01"), ("0", "1")] {
            assert_ne!(Number::of(one), Number::of(other), "{one} {other}");
        }
        assert_eq!(Number::of("."), None);
    }

    #[test]
    fn what_dynamodb_refuses_is_said_beforehand() {
        for text in [
            "0",
            "-0.0",
            ".5",
            "+5",
            "05",
            "12345678901234567890123456789012345678",
            "9.9E+125",
            "1E-130",
            "0E999",
            "100000000000000000000000000000000000000000000",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "one",
            "1E126",
            "1E-131",
            "1E99999999999999999999",
            "123456789012345678901234567890123456789",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
