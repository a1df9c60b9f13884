//! Compares answers with the checksum that DynamoDB sends with each of them.
//!
//! AWS's SDKs for Go and Java do so; the one for Rust leaves it to others.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

/// A client, or a connector, whose answers are what the server sent, and all of
/// it: one that is damaged fails as one that is cut off does, and is asked for
/// again.
#[derive(Debug)]
pub(super) struct Checked<T>(pub T);

impl HttpClient for Checked<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Checked(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Checked<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = body(&mut answer).await?;
            let checksum = answer.headers().get("x-amz-crc32");
            let checksum = checksum.and_then(|text| text.parse::<u32>().ok());
            if checksum.is_some_and(|expected| crc32fast::hash(&body) != expected) {
                return Err(ConnectorError::io("the answer's checksum is wrong".into()));
            }
            *answer.body_mut() = SdkBody::from(body);
            Ok(answer)
        })
    }
}

/// All of an answer's body, which is taken out of it.
pub(super) async fn body(answer: &mut HttpResponse) -> Result<Bytes, ConnectorError> {
    let body = ByteStream::new(answer.take_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?;
    Ok(body.into_bytes())
}
