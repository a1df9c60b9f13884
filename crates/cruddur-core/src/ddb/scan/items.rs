//! The items of a page, as they came over the wire.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::aws::{self, HttpResponse};
use crate::ddb::json::{self, Attributes};
use crate::ddb::retry;

/// The JSON of a page's items.
pub(super) struct Items(Bytes);

impl Items {
    /// How many bytes of JSON it is.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The items that it stands for.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them.
    pub fn read(&self) -> Result<Vec<Attributes<'_>>, String> {
        let text = std::str::from_utf8(&self.0).map_err(|error| error.to_string())?;
        json::parse_array(text)
    }
}

/// A client whose answers come without their items, which are taken aside.
///
/// The SDK would make a map of each item and a string of each attribute, which
/// takes longer than all else that a scan does.
pub(super) struct PageClient {
    pub client: Client,
    aside: Arc<Mutex<Option<Items>>>,
}

impl PageClient {
    /// Each of its requests is sent once.
    pub fn new(client: &Client) -> PageClient {
        let aside = Arc::default();
        let mut config = retry::without_retries(client).config().to_builder();
        if let Some(client) = client.config().http_client() {
            config.set_http_client(Some(SharedHttpClient::new(TakesItems {
                inner: client,
                aside: Arc::clone(&aside),
            })));
        }
        PageClient {
            client: Client::from_conf(config.build()),
            aside,
        }
    }

    /// The items of the last answer; none where it had no list of them.
    pub fn take(&self) -> Option<Items> {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        aside.take()
    }
}

/// Sends requests by another client, or connector, and takes the items out of
/// the answers.
#[derive(Debug)]
struct TakesItems<T> {
    inner: T,
    aside: Arc<Mutex<Option<Items>>>,
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({} bytes)", self.bytes())
    }
}

impl HttpClient for TakesItems<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(TakesItems {
            inner: self.inner.http_connector(settings, components),
            aside: Arc::clone(&self.aside),
        })
    }
}

impl HttpConnector for TakesItems<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.inner.call(request);
        let aside = Arc::clone(&self.aside);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if answer.status().is_success() {
                let items = take_items(&mut answer).await?;
                *aside.lock().unwrap_or_else(PoisonError::into_inner) = items;
            }
            Ok(answer)
        })
    }
}

async fn take_items(answer: &mut HttpResponse) -> Result<Option<Items>, ConnectorError> {
    let body = aws::body(answer).await?;
    let split = split(&body);
    // The SDK says what is wrong with one that has no such list.
    let (items, rest) = match split {
        Some((items, rest)) => (Some(items), SdkBody::from(rest)),
        None => (None, SdkBody::from(body)),
    };
    *answer.body_mut() = rest;
    Ok(items)
}

/// How far from the end of an answer the list of items may end: what follows it
/// holds two keys at most, of 3 KB, in which a byte may take six.
const LONGEST_REST: usize = 64 * 1024;

/// An answer's items, and the answer with `null` in their place.
///
/// The next page is asked for with what stands beside the items, so they are
/// passed over here and read while it is under way. If they are an array, and
/// the rest is JSON, then the whole is, and this is what it says.
fn split(body: &Bytes) -> Option<(Items, Vec<u8>)> {
    let from = list_of_items(body)?;
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
            return Some((Items(body.slice(from..=to)), rest));
        }
    }
    None
}

/// Where the list of items begins, which is the first of that name: what may
/// stand before it has attributes of one value only.
fn list_of_items(body: &[u8]) -> Option<usize> {
    let name = br#""Items""#;
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
        let (items, rest) = split(&Bytes::copy_from_slice(body.as_bytes()))?;
        let items = String::from_utf8(items.0.to_vec()).unwrap();
        Some((items, String::from_utf8(rest).unwrap()))
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
    fn a_broken_list_is_noticed_when_it_is_read() {
        let body = Bytes::from_static(br#"{"Items":[{"pk":{"S":"a"},],"Count":1}"#);
        let (items, _) = split(&body).unwrap();
        assert!(items.read().is_err());
    }
}
