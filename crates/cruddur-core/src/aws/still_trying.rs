//! Tells a person who waits why nothing comes: requests fail, and are sent again, or
//! nobody answers them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Once, Weak};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::{chain_of, is_refused, root_cause};
use crate::Service;

/// How long nothing has to succeed before it is told.
const LONG: Duration = Duration::from_secs(2);
/// How long one request has to go unanswered before it is told. Some of a busy
/// server take seconds.
const SILENT: Duration = Duration::from_secs(10);

/// Is called with a sentence when a service has not let anything through for a
/// while and is still being tried. The default tells nobody.
#[derive(Clone)]
pub struct OnRetry(Arc<dyn Fn(&str) + Send + Sync>);

impl OnRetry {
    /// Calls `tell`.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> OnRetry {
        OnRetry(Arc::new(tell))
    }
}

impl Default for OnRetry {
    fn default() -> OnRetry {
        OnRetry::new(|_| ())
    }
}

impl fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRetry")
    }
}

/// Watches every try of one client's requests, whether the SDK or this library
/// makes the next one.
#[derive(Debug, Clone)]
pub(crate) struct StillTrying {
    on_retry: OnRetry,
    service: Service,
    at: String,
    failures: Arc<Mutex<Failures>>,
    watched: Arc<Once>,
}

/// Those since something last succeeded.
#[derive(Debug, Default)]
struct Failures {
    /// When the first of them began.
    begun: Option<Instant>,
    /// Why the last of them failed.
    cause: Option<String>,
    told: bool,
}

impl Failures {
    /// Gives what is to be told, once: why this is not the first try for long.
    fn try_begins(&mut self, now: Instant) -> Option<String> {
        let begun = *self.begun.get_or_insert(now);
        if self.told || now - begun < LONG {
            return None;
        }
        let cause = self.cause.take();
        self.told = cause.is_some();
        cause
    }

    /// Whether it is to be told that nothing has come back for very long.
    fn is_silent(&mut self, now: Instant) -> bool {
        let long = self.begun.is_some_and(|begun| now - begun >= SILENT);
        let silent = long && !self.told;
        self.told |= silent;
        silent
    }
}

impl StillTrying {
    pub fn new(on_retry: OnRetry, service: Service, at: &str) -> StillTrying {
        StillTrying {
            on_retry,
            service,
            at: at.to_owned(),
            failures: Arc::default(),
            watched: Arc::new(Once::new()),
        }
    }

    /// Looks from time to time, as long as there is a client.
    async fn watch(on_retry: OnRetry, what: String, failures: Weak<Mutex<Failures>>) {
        loop {
            tokio::time::sleep(SILENT / 10).await;
            let Some(failures) = failures.upgrade() else {
                return;
            };
            let silent = |mut failures: MutexGuard<Failures>| failures.is_silent(Instant::now());
            if failures.lock().is_ok_and(silent) {
                (on_retry.0)(&format!("still waiting for {what} to answer"));
            }
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for StillTrying {
    fn name(&self) -> &'static str {
        "still trying"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.watched.call_once(|| {
            let what = format!("{} at {}", self.service, self.at);
            let failures = Arc::downgrade(&self.failures);
            tokio::spawn(StillTrying::watch(self.on_retry.clone(), what, failures));
        });
        let begins = |mut failures: MutexGuard<Failures>| failures.try_begins(Instant::now());
        if let Some(cause) = self.failures.lock().ok().and_then(begins) {
            let (service, at) = (self.service, &self.at);
            (self.on_retry.0)(&format!("still trying {service} at {at}: {cause}"));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(mut failures) = self.failures.lock() else {
            return Ok(());
        };
        match context.output_or_error() {
            // Nobody tries again where nobody listens.
            Some(Err(error)) if chain_of(error).any(is_refused) => failures.cause = None,
            Some(Err(error)) => match context.response() {
                Some(response) if is_about_what_was_asked(response) => {
                    *failures = Failures::default();
                }
                Some(response) => failures.cause = Some(answer(response)),
                None => failures.cause = Some(root_cause(error)),
            },
            _ => *failures = Failures::default(),
        }
        Ok(())
    }
}

/// What a server answered instead of what it was asked for.
fn answer(response: &HttpResponse) -> String {
    match code(response) {
        Some(code) => format!("it answers {code}"),
        None => format!("it answers HTTP {}", response.status()),
    }
}

/// Whether a server that is well says so, of a table or of others' writes.
fn is_about_what_was_asked(response: &HttpResponse) -> bool {
    let answers = [
        "ConditionalCheckFailedException",
        "ResourceInUseException",
        "ResourceNotFoundException",
        "TransactionCanceledException",
    ];
    code(response).is_some_and(|code| answers.contains(&&*code))
}

fn code(response: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(response.body().bytes()?).ok()?;
    let code = body["__type"].as_str()?.rsplit('#').next()?;
    Some(code.to_owned()).filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_try_after_a_long_time_is_told_once() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        let mut fails = |from: Instant| {
            let told = failures.try_begins(from);
            failures.cause = Some("it fails".to_owned());
            told
        };
        assert_eq!(fails(begun), None);
        assert_eq!(fails(begun + LONG / 2), None);
        assert_eq!(fails(begun + LONG).as_deref(), Some("it fails"));
        assert_eq!(fails(begun + LONG * 2), None);
    }

    #[test]
    fn what_is_not_answered_for_very_long_is_told_once() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        assert!(!failures.is_silent(begun + SILENT));
        failures.try_begins(begun);
        assert!(!failures.is_silent(begun + SILENT / 2));
        assert!(failures.is_silent(begun + SILENT));
        assert!(!failures.is_silent(begun + SILENT * 2));
        failures = Failures::default();
        failures.try_begins(begun + SILENT);
        assert!(!failures.is_silent(begun + SILENT));
    }

    #[test]
    fn tries_at_the_same_time_are_no_further_tries() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        assert_eq!(failures.try_begins(begun), None);
        assert_eq!(failures.try_begins(begun + LONG * 2), None);
    }

    #[test]
    fn an_answer_about_a_table_is_no_failure() {
        let answered = |code: &str| {
            let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}"}}"#);
            let status = http::StatusCode::BAD_REQUEST.into();
            is_about_what_was_asked(&HttpResponse::new(status, body.into()))
        };
        assert!(answered("ResourceNotFoundException"));
        assert!(answered("TransactionCanceledException"));
        assert!(!answered("ThrottlingException"));
        assert!(!answered(""));
    }
}
