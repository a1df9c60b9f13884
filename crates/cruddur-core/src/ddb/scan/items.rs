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
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

/// An answer, of which the SDK reads what is not `Items`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow, skip_serializing)]
    items: Option<&'a RawValue>,
    count: Option<u32>,
    #[serde(borrow)]
    last_evaluated_key: Option<&'a RawValue>,
    #[serde(borrow)]
    consumed_capacity: Option<&'a RawValue>,
}

async fn take_items(answer: &mut HttpResponse) -> Result<Option<Items>, ConnectorError> {
    let body = aws::body(answer).await?;
    let (items, rest) = match serde_json::from_slice::<Answer>(&body) {
        Ok(split) => {
            let items = split.items.map(|items| items.get().as_bytes());
            let items = items.map(|items| Items(body.slice_ref(items)));
            (items, serde_json::to_vec(&split).ok())
        }
        // The SDK says what is wrong with it.
        Err(_) => (None, None),
    };
    *answer.body_mut() = match rest {
        Some(rest) => SdkBody::from(rest),
        None => SdkBody::from(body),
    };
    Ok(items)
}
