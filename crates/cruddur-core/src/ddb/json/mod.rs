//! Items as JSON, in two forms.
//!
//! * [`write_typed`] and [`parse_typed`]: DynamoDB's own typed JSON,
//!   `{"pk":{"S":"MSG#…"},"n":{"N":"1"}}`, which holds every type exactly.
//! * [`write_plain`]: JSON as programs like it. A number stands there with its
//!   very digits, binary as base64, and a set as an array.
//!
//! Both write `pk` and `sk` first and the other names in the order of their
//! bytes, so that the same item always is the same text.

mod number;
mod text;
mod typed;
mod value;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) use number::{Number, check as check_number};
pub use text::Text;
pub use typed::parse_typed;
pub(crate) use typed::{parse_array, parse_element, without_place};
pub use value::{Attributes, Value};

/// Appends an item as DynamoDB's typed JSON, on one line.
pub fn write_typed<'a>(out: &mut Vec<u8>, item: impl Into<Attributes<'a>>) {
    write_object(out, &item.into(), typed_value);
}

/// Appends an item as plain JSON, on one line.
pub fn write_plain<'a>(out: &mut Vec<u8>, item: impl Into<Attributes<'a>>) {
    write_object(out, &item.into(), write_plain_value);
}

type WriteValue = fn(&mut Vec<u8>, &Value<'_>);

fn write_object(out: &mut Vec<u8>, attributes: &Attributes<'_>, write: WriteValue) {
    out.push(b'{');
    for (position, (name, value)) in attributes.entries().iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}

fn write_array<T>(out: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(b']');
}

fn typed_value(out: &mut Vec<u8>, value: &Value<'_>) {
    let mut tag = |name: &str| {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    match value {
        Value::S(text) => {
            tag("S");
            write_text(out, text);
        }
        Value::N(digits) => {
            tag("N");
            write_text(out, digits);
        }
        Value::B(bytes) => {
            tag("B");
            write_base64(out, bytes);
        }
        Value::Ss(texts) => {
            tag("SS");
            write_array(out, texts, write_text);
        }
        Value::Ns(numbers) => {
            tag("NS");
            write_array(out, numbers, write_text);
        }
        Value::Bs(blobs) => {
            tag("BS");
            write_array(out, blobs, |out, bytes| write_base64(out, bytes));
        }
        Value::M(map) => {
            tag("M");
            write_object(out, map, typed_value);
        }
        Value::L(list) => {
            tag("L");
            write_array(out, list, typed_value);
        }
        Value::Bool(value) => {
            tag("BOOL");
            write_bool(out, *value);
        }
        Value::Null => {
            tag("NULL");
            write_bool(out, true);
        }
    }
    out.push(b'}');
}

/// Appends one value as plain JSON, on one line.
pub fn write_plain_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::S(text) => write_text(out, text),
        Value::N(digits) => write_number(out, digits),
        Value::B(bytes) => write_base64(out, bytes),
        Value::Ss(texts) => write_array(out, texts, write_text),
        Value::Ns(numbers) => write_array(out, numbers, write_number),
        Value::Bs(blobs) => write_array(out, blobs, |out, bytes| write_base64(out, bytes)),
        Value::M(map) => write_object(out, map, write_plain_value),
        Value::L(list) => write_array(out, list, write_plain_value),
        Value::Bool(value) => write_bool(out, *value),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// The digits as they are where JSON can spell them so, else as a string.
fn write_number(out: &mut Vec<u8>, digits: &Text<'_>) {
    if number::is_json(digits) {
        out.extend_from_slice(digits.as_bytes());
    } else {
        write_text(out, digits);
    }
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // Base64 needs exactly the space just made: four characters for three bytes.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

fn write_text(out: &mut Vec<u8>, text: &Text<'_>) {
    match text {
        Text::OfJson(text) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        Text::Any(text) => write_string(out, text),
    }
}

/// Appends a JSON string with its quotes. Only what JSON demands is escaped.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Most parts have nothing to escape, which all of their bytes tell at once.
    for part in text.as_bytes().chunks(32) {
        if part.iter().fold(false, |any, &byte| any | is_escaped(byte)) {
            part.iter().for_each(|&byte| write_byte(out, byte));
        } else {
            out.extend_from_slice(part);
        }
    }
    out.push(b'"');
}

fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        ..b' ' => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        _ => out.push(byte),
    }
}

#[cfg(test)]
mod tests;
