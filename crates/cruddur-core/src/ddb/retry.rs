//! What to do when DynamoDB has no time: wait, but not forever.
//!
//! The SDK's own retries give up after a few tries, which is right for a person
//! who waits for one answer and wrong for a long scan or import of a table with
//! few capacity units: there each page may well take half a minute. So those
//! use a client without retries and this instead.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::result::SdkError;
use tokio::time::Instant;

use crate::aws::{self, HttpResponse, ProvideErrorMetadata};

/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(5);
/// The pause after a first failure, on average.
const SHORTEST: Duration = Duration::from_millis(40);

/// The same client, each of whose requests is sent once.
pub(super) fn without_retries(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

/// How things have been going, and how long to pause for it.
#[derive(Debug)]
pub(super) struct Patience {
    failures: u32,
    /// The first failure since something moved on. To wait for work is no failure.
    failing_since: Option<Instant>,
    limit: Duration,
}

impl Patience {
    /// Lasts until nothing has moved on for `limit`.
    pub fn new(limit: Duration) -> Self {
        Patience {
            failures: 0,
            failing_since: None,
            limit,
        }
    }

    /// Something was done.
    pub fn progress(&mut self) {
        self.failing_since = None;
    }

    /// Something was done at this time, elsewhere.
    pub fn progress_at(&mut self, time: Instant) {
        self.failing_since = self.failing_since.map(|since| since.max(time));
    }

    /// Everything that was asked for was done.
    pub fn success(&mut self) {
        self.progress();
        self.failures /= 2;
    }

    /// Something was not done, and is worth another try after the pause that
    /// is returned; `None` when there has been no progress for too long.
    pub fn failure(&mut self) -> Option<Duration> {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.limit {
            return None;
        }
        // Doubling from SHORTEST, each with up to half of it left off at
        // random, so that many writers do not come back in step.
        let pause = SHORTEST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures += 1;
        Some(pause.mul_f64(rand::random_range(0.5..=1.0)))
    }
}

/// Whether the same request may well succeed a little later. Everything that is
/// sent through here can be sent twice without harm.
pub(super) fn is_transient<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(context) => match context.err().code() {
            Some(code) => is_transient_code(code),
            None => context.raw().status().is_server_error(),
        },
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        // A cut connection is worth another try; a port where nobody listens,
        // or keys that cannot be found, are not.
        SdkError::DispatchFailure(failure) => {
            !failure.is_user()
                && !aws::chain_of(error).any(|e| aws::is_refused(e) || e.is::<CredentialsError>())
        }
        _ => false,
    }
}

fn is_transient_code(code: &str) -> bool {
    matches!(
        code,
        "InternalServerError"
            | "InternalFailure"
            | "LimitExceededException"
            | "ProvisionedThroughputExceededException"
            | "ReplicatedWriteConflictException"
            | "RequestLimitExceeded"
            | "RequestTimeoutException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "SlowDown"
            | "ThrottlingException"
            | "TransactionInProgressException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_jitter() {
        let mut patience = Patience::new(Duration::from_secs(60));
        let first = patience.failure().unwrap();
        assert!(first <= SHORTEST && first >= SHORTEST / 2);
        for _ in 0..20 {
            assert!(patience.failure().unwrap() <= LONGEST);
        }
        assert!(patience.failure().unwrap() >= LONGEST / 2);
    }

    #[test]
    fn waiting_for_work_takes_no_patience() {
        let limit = Duration::from_millis(20);
        let mut patience = Patience::new(limit);
        std::thread::sleep(limit);
        assert!(patience.failure().is_some());
        std::thread::sleep(limit);
        assert_eq!(patience.failure(), None);
    }

    #[test]
    fn patience_ends_without_progress() {
        let limit = Duration::from_secs(60);
        let long_ago = |patience: &mut Patience| {
            patience.failing_since = Some(Instant::now() - limit);
        };
        let mut patience = Patience::new(limit);
        assert!(patience.failure().is_some());
        long_ago(&mut patience);
        assert_eq!(patience.failure(), None);
        patience.progress();
        assert!(patience.failure().is_some());
        long_ago(&mut patience);
        patience.progress_at(Instant::now());
        assert!(patience.failure().is_some());
        // What was longer ago takes nothing back.
        patience.progress_at(Instant::now() - limit);
        assert!(patience.failure().is_some());
    }
}
