//! Lists that are taken out of answers before the SDK reads them.
//!
//! The SDK would make a map of each item, and a string of each name and value in
//! it, which takes longer than all else that is done with a long list.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::de::IgnoredAny;

/// The JSON of a list.
#[derive(Debug)]
pub(crate) struct List(Bytes);

impl List {
    /// How many bytes it is.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The JSON itself.
    ///
    /// # Errors
    ///
    /// Where it is no text.
    pub fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.0).map_err(|error| error.to_string())
    }
}

/// Takes the list of a name out of the answers to a request, which leaves `null`
/// to the SDK.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    name: &'static str,
    list: Arc<Mutex<Option<List>>>,
}

impl Aside {
    pub fn new(name: &'static str) -> Aside {
        Aside {
            name,
            list: Arc::default(),
        }
    }

    /// The list of the last answer; none where it had none.
    pub fn take(&self) -> Option<List> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.take()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Aside {
    fn name(&self) -> &'static str {
        "aside"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response_mut();
        if !answer.status().is_success() {
            return Ok(());
        }
        // It is in memory, as every answer is by now.
        let Some(body) = super::body(answer).now_or_never() else {
            return Err("the answer is still on its way".into());
        };
        let body = body?;
        // The SDK says what is wrong with one that has no such list.
        let (list, rest) = match split(self.name, &body) {
            Some((list, rest)) => (Some(list), SdkBody::from(rest)),
            None => (None, SdkBody::from(body)),
        };
        *answer.body_mut() = rest;
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = list;
        Ok(())
    }
}

/// How far from the end of an answer the list may end: what follows it is a
/// token, or two keys at most, of 3 KB, in which a byte may take six.
const LONGEST_REST: usize = 64 * 1024;

/// An answer's list, and the answer with `null` in its place.
///
/// The next page is asked for with what stands beside the list, so that is
/// passed over here and read while the page is under way. If it is an array, and
/// the rest is JSON, then the whole is, and this is what it says.
fn split(name: &str, body: &Bytes) -> Option<(List, Vec<u8>)> {
    let from = beginning(name, body)?;
    let mut to = body.len();
    // A bracket behind the list's is one of a key's text.
    while let Some(before) = body[from..to].iter().rposition(|&byte| byte == b']') {
        to = from + before;
        let after = &body[to + 1..];
        if after.len() > LONGEST_REST {
            break;
        }
        let rest = [&body[..from], b"null", after].concat();
        if serde_json::from_slice::<IgnoredAny>(&rest).is_ok() {
            return Some((List(body.slice(from..=to)), rest));
        }
    }
    None
}

/// Where the list begins, which is the first of that name: what may stand before
/// it has strings, numbers and attributes of one value only.
fn beginning(name: &str, body: &[u8]) -> Option<usize> {
    let name = format!("\"{name}\"");
    let name = name.as_bytes();
    let mut from = 0;
    while let Some(at) = body[from..]
        .windows(name.len())
        .position(|part| part == name)
    {
        from += at + name.len();
        let rest = body[from..].trim_ascii_start();
        let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        if let Some(list) = value.filter(|value| value.starts_with(b"[")) {
            return Some(body.len() - list.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<(String, String)> {
        let (list, rest) = split("Items", &Bytes::copy_from_slice(body.as_bytes()))?;
        let list = list.text().unwrap().to_owned();
        Some((list, String::from_utf8(rest).unwrap()))
    }

    #[test]
    fn the_list_is_found_wherever_it_stands() {
        let list = r#"[{"Items":{"L":[{"S":"]}"}]}},{"pk":{"S":"\"Items\":["}}]"#;
        for (before, after) in [
            (r#"{"#, r#"}"#),
            (r#"{"Count":2,"#, r#","ScannedCount":2}"#),
            (
                r#"{"LastEvaluatedKey":{"Items":{"S":"Items"},"sk":{"S":"\"Items\":[]"}},"#,
                "}",
            ),
            (
                r#"{"#,
                r#","LastEvaluatedKey":{"pk":{"S":"],\"]}"},"sk":{"S":"]]"}},"Count":2}"#,
            ),
            ("{ \"Count\" : 2,\n", "\n, \"ScannedCount\": 2 }\n"),
        ] {
            let name = r#""Items" : "#;
            let found = read(&format!("{before}{name}{list}{after}")).unwrap();
            assert_eq!(found.0, list);
            assert_eq!(found.1, format!("{before}{name}null{after}"));
        }
    }

    #[test]
    fn what_has_no_list_is_left_as_it_is() {
        for body in [
            "",
            "hello",
            "{}",
            r#"{"Count":2}"#,
            r#"{"Items":null}"#,
            r#"{"Items":{}}"#,
            r#"{"Items":[{"pk":{"S":"a"}}"#,
            r#"{"Items":[],"Count":}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn a_broken_list_is_left_to_whoever_reads_it() {
        let list = r#"[{"pk":{"S":"a"},]"#;
        let (found, rest) = read(&format!(r#"{{"Items":{list},"Count":1}}"#)).unwrap();
        assert_eq!(found, list);
        assert_eq!(rest, r#"{"Items":null,"Count":1}"#);
    }
}
