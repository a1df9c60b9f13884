//! Clients of AWS services, made for a [`Target`], and their errors in this
//! library's words.
//!
//! A client costs only what its endpoint needs: no TLS for `http://`, no
//! look-up of credentials or region outside production.

mod aside;
mod checksum;
mod clock;
mod connect;
mod still_trying;

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
pub(crate) use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
pub(crate) use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use chrono::{DateTime, Utc};

pub(crate) use aside::{Aside, List};
use checksum::body;
pub(crate) use clock::{ServerClock, ahead};
use connect::http_client;
pub use still_trying::OnRetry;
pub(crate) use still_trying::StillTrying;

use crate::target::{Credentials, DUMMY_KEY, Endpoint, Target};
use crate::{Error, Result, Service};

/// What a client of one service is built from.
pub(crate) struct Connection {
    /// The address as errors name it.
    pub at: String,
    pub endpoint_url: Option<String>,
    pub region: Region,
    pub credentials: SharedCredentialsProvider,
    pub http_client: SharedHttpClient,
    pub still_trying: StillTrying,
}

impl Connection {
    /// Gathers what a client of `service` needs, without any request unless
    /// the SDK's credential chain has to be asked.
    pub async fn new(target: &Target, service: Service) -> Result<Connection> {
        let endpoint = match service {
            Service::Cognito => target.cognito.clone()?.value,
            _ => target.dynamodb.clone()?.value,
        };
        let region = target.region.clone()?.value;
        let at = endpoint.display(service, &region);
        let credentials = match target.credentials(&endpoint) {
            Credentials::Environment => SharedCredentialsProvider::new(Keys::new(
                target.variable("AWS_ACCESS_KEY_ID").unwrap_or_default(),
                target.variable("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
                target.variable("AWS_SESSION_TOKEN").map(str::to_owned),
                None,
                "environment",
            )),
            Credentials::Dummy => {
                SharedCredentialsProvider::new(Keys::new(DUMMY_KEY, DUMMY_KEY, None, None, "dummy"))
            }
            Credentials::Profile(name) => of_profile(target, name, &region)?,
            Credentials::Chain => chain(target, &region).await?,
            Credentials::Missing => {
                return Err(Error::NotConfigured {
                    what: format!("AWS_ACCESS_KEY_ID, which {service} at {at} needs,"),
                    set: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
                });
            }
        };
        Ok(Connection {
            still_trying: StillTrying::new(target.on_retry.clone(), service, &at),
            http_client: http_client(target, &endpoint)?,
            endpoint_url: match endpoint {
                Endpoint::Url(url) => Some(url),
                Endpoint::Aws => None,
            },
            at,
            region: Region::new(region),
            credentials,
        })
    }
}

/// What those who find credentials ask the AWS services with.
fn provider_config(target: &Target, region: &str) -> Result<ProviderConfig> {
    // With TLS, also where the service that they are for has none.
    let http_client = http_client(target, &Endpoint::Aws)?;
    Ok(ProviderConfig::without_region()
        .with_region(Some(Region::new(region.to_owned())))
        .with_http_client(http_client))
}

fn of_profile(target: &Target, name: String, region: &str) -> Result<SharedCredentialsProvider> {
    let config = provider_config(target, region)?;
    let builder = ProfileFileCredentialsProvider::builder().configure(&config);
    Ok(SharedCredentialsProvider::new(
        builder.profile_name(name).build(),
    ))
}

/// Production's credentials come from wherever the AWS CLI would find them.
async fn chain(target: &Target, region: &str) -> Result<SharedCredentialsProvider> {
    let config = provider_config(target, region)?;
    let mut builder = DefaultCredentialsChain::builder().configure(config);
    if let Some(profile) = target.profile_of_environment() {
        builder = builder.profile_name(profile);
    }
    Ok(SharedCredentialsProvider::new(builder.build().await))
}

/// The SDK's behavior this code was written and tested against.
pub(crate) fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// How often a request is tried, and how long it waits in between: up to about
/// ten seconds in all, since a throttled table recovers within seconds.
pub(crate) fn retry_config() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(8)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(5))
}

/// For those who want to know how things are now.
pub(crate) fn few_retries() -> RetryConfig {
    retry_config().with_max_attempts(2)
}

/// A busy server may need long for one answer; one that takes requests and
/// never answers is not to hold anyone for all of the tries.
pub(crate) fn timeout_config() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(60))
        .operation_timeout(Duration::from_secs(120))
        .build()
}

/// For those who want to know how things are now.
pub(crate) fn short_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(5))
        .build()
}

/// Finds the credentials that sign requests to `service`, and tells when they
/// expire, where that is known.
///
/// # Errors
///
/// [`Error::Credentials`] where none are found, and what else the target lacks.
pub async fn credentials_expiry(
    target: &Target,
    service: Service,
) -> Result<Option<DateTime<Utc>>> {
    let connection = Connection::new(target, service).await?;
    let found = connection.credentials.provide_credentials().await;
    let found = found.map_err(|error| Error::Credentials {
        service,
        at: connection.at,
        cause: why_no_credentials(&error),
    })?;
    Ok(found.expiry().map(DateTime::from))
}

/// Does not try again where nobody listens: a person who forgot to start the
/// server wants to hear it at once, and `cruddur wait` is there for waiting.
#[derive(Debug)]
pub(crate) struct NobodyListens;

impl ClassifyRetry for NobodyListens {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let refused = context
            .output_or_error()
            .and_then(|result| result.err())
            .and_then(|error| error.as_connector_error())
            .is_some_and(|error| chain_of(error).any(is_refused));
        if refused {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "nobody listens"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

pub(crate) fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

pub(crate) fn chain_of<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The last cause, which is the one that says something: "Connection refused".
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    chain_of(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn why_no_credentials(error: &(dyn StdError + 'static)) -> String {
    let cause = root_cause(error);
    // How to build the SDK, and a list of all that it tried, a line each, say little
    // to whoever runs this.
    if cause.contains("credentials-login") {
        "the profile is one of `aws login`, whose sessions cannot be read here".to_owned()
    } else if cause.starts_with("no credentials found in chain") {
        "no credentials are in the environment, in the profile or in the instance metadata"
            .to_owned()
    } else if cause == "the credential provider was not enabled" {
        "the profile is not there, or has no credentials".to_owned()
    } else {
        cause
    }
}

/// Says why an SDK call failed. What a service's own exception means to an
/// operation (a table that is not there, say) is the caller's to pick out first,
/// with [`code_of`].
pub(crate) fn error<E>(service: Service, at: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let at = at.to_owned();
    match &error {
        SdkError::ServiceError(context) => {
            let message = context.err().message().unwrap_or("no reason given");
            match context.err().code() {
                None => Error::WrongServer {
                    service,
                    at,
                    cause: format!("it answered HTTP {}", context.raw().status()),
                },
                // What another AWS service, or its stand-in, answers.
                Some("UnknownOperationException" | "InvalidAction") => Error::WrongServer {
                    service,
                    at,
                    cause: message.to_owned(),
                },
                Some(code) if is_about_credentials(code) => Error::Credentials {
                    service,
                    at,
                    cause: format!("{code}: {message}"),
                },
                Some(code) => Error::Service {
                    service,
                    at,
                    code: code.to_owned(),
                    message: shortened(message),
                },
            }
        }
        SdkError::ResponseError(context) => Error::WrongServer {
            service,
            at,
            cause: format!(
                "its answer (HTTP {}) cannot be read",
                context.raw().status()
            ),
        },
        // The credential providers fail on the way to the connection, too.
        _ if chain_of(&error).any(|e| e.is::<CredentialsError>()) => Error::Credentials {
            service,
            at,
            cause: why_no_credentials(&error),
        },
        _ => Error::Unreachable {
            service,
            at,
            cause: root_cause(&error),
        },
    }
}

/// Without the middle, where it is long: some engines put all of a request into
/// what they say about it.
pub(crate) fn shortened(message: &str) -> String {
    const KEPT: usize = 160;
    let length = message.chars().count();
    if length <= 2 * KEPT + 10 {
        return message.to_owned();
    }
    let begin = message.chars().take(KEPT);
    let end = message.chars().skip(length - KEPT);
    begin.chain(" … ".chars()).chain(end).collect()
}

/// Says that a service's pages lead in a circle, so that none of them is the last.
pub(crate) fn repeats_itself(service: Service, at: &str) -> Error {
    Error::WrongServer {
        service,
        at: at.to_owned(),
        cause: "it answers with the same page again and again".to_owned(),
    }
}

/// Says that a service's answer is not what it should be.
pub(crate) fn unreadable(service: Service, at: &str, cause: &str) -> Error {
    Error::WrongServer {
        service,
        at: at.to_owned(),
        cause: format!("its answer cannot be read: {cause}"),
    }
}

/// The name of the exception with which the service answered, if it did.
pub(crate) fn code_of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(|error| error.code())
}

fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "NotAuthorizedException"
            | "UnrecognizedClientException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_keep_both_ends() {
        let short = "é".repeat(300);
        assert_eq!(shortened(&short), short);
        let long = format!("what {} why", "é".repeat(1000));
        let shown = shortened(&long);
        assert!(shown.starts_with("what é") && shown.ends_with("é why"));
        assert_eq!(shown.chars().count(), 323);
    }
}
