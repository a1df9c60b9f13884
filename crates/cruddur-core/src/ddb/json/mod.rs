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
mod typed;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::item::Item;

pub(crate) use number::check as check_number;
pub use typed::parse_typed;

/// Appends an item as DynamoDB's typed JSON, on one line.
pub fn write_typed(out: &mut Vec<u8>, item: &Item) {
    write_object(out, item, &typed_value);
}

/// Appends an item as plain JSON, on one line.
pub fn write_plain(out: &mut Vec<u8>, item: &Item) {
    write_object(out, item, &plain_value);
}

/// Appends one value as plain JSON, on one line.
pub fn write_plain_value(out: &mut Vec<u8>, value: &AttributeValue) {
    plain_value(out, value);
}

type WriteValue = dyn Fn(&mut Vec<u8>, &AttributeValue);

fn write_object(out: &mut Vec<u8>, item: &Item, value_of: &WriteValue) {
    let mut entries: Vec<_> = item.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| (rank(name), *name));
    out.push(b'{');
    for (position, (name, value)) in entries.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        value_of(out, value);
    }
    out.push(b'}');
}

/// The keys come first, since they say what the rest is about.
fn rank(name: &str) -> u8 {
    match name {
        "pk" => 0,
        "sk" => 1,
        _ => 2,
    }
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

fn typed_value(out: &mut Vec<u8>, value: &AttributeValue) {
    use AttributeValue as V;
    let string = |out: &mut Vec<u8>, text: &String| write_string(out, text);
    let mut tag = |name: &str| {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    match value {
        V::S(text) => {
            tag("S");
            write_string(out, text);
        }
        V::N(digits) => {
            tag("N");
            write_string(out, digits);
        }
        V::B(bytes) => {
            tag("B");
            write_base64(out, bytes.as_ref());
        }
        V::Ss(texts) => {
            tag("SS");
            write_array(out, texts, string);
        }
        V::Ns(numbers) => {
            tag("NS");
            write_array(out, numbers, string);
        }
        V::Bs(blobs) => {
            tag("BS");
            write_array(out, blobs, |out, bytes| write_base64(out, bytes.as_ref()));
        }
        V::M(map) => {
            tag("M");
            write_object(out, map, &typed_value);
        }
        V::L(list) => {
            tag("L");
            write_array(out, list, typed_value);
        }
        V::Bool(value) => {
            tag("BOOL");
            write_bool(out, *value);
        }
        V::Null(value) => {
            tag("NULL");
            write_bool(out, *value);
        }
        // A type that DynamoDB had not when the SDK was made: nothing of it is
        // known but that it is there.
        _ => out.push(b'{'),
    }
    out.push(b'}');
}

fn plain_value(out: &mut Vec<u8>, value: &AttributeValue) {
    use AttributeValue as V;
    match value {
        V::S(text) => write_string(out, text),
        V::N(digits) => write_number(out, digits),
        V::B(bytes) => write_base64(out, bytes.as_ref()),
        V::Ss(texts) => write_array(out, texts, |out, text| write_string(out, text)),
        V::Ns(numbers) => write_array(out, numbers, |out, digits| write_number(out, digits)),
        V::Bs(blobs) => write_array(out, blobs, |out, bytes| write_base64(out, bytes.as_ref())),
        V::M(map) => write_object(out, map, &plain_value),
        V::L(list) => write_array(out, list, plain_value),
        V::Bool(value) => write_bool(out, *value),
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// The digits as they are where JSON can spell them so, else as a string.
fn write_number(out: &mut Vec<u8>, digits: &str) {
    if number::is_json(digits) {
        out.extend_from_slice(digits.as_bytes());
    } else {
        write_string(out, digits);
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

/// Appends a JSON string with its quotes. Only what JSON demands is escaped.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (position, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean..position]);
        clean = position + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
