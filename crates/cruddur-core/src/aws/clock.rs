//! What time it is at the server.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use chrono::{DateTime, TimeDelta, Utc};

/// Reads the time that a server gives with its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerClock(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    sent: Option<SystemTime>,
    ahead: Option<TimeDelta>,
}

impl ServerClock {
    /// How far the server's clock is ahead of this machine's.
    pub fn ahead(&self) -> Option<TimeDelta> {
        self.0.lock().ok()?.ahead
    }
}

#[dyn_dispatch_hint]
impl Intercept for ServerClock {
    fn name(&self) -> &'static str {
        "server clock"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Ok(mut times) = self.0.lock() {
            times.sent = Some(SystemTime::now());
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        if let (Ok(mut times), Some(date)) = (self.0.lock(), date) {
            // The header has whole seconds: half of one is missing on average.
            let server = date.to_utc() + TimeDelta::milliseconds(500);
            let sent = times.sent.unwrap_or_else(SystemTime::now);
            times.ahead = Some(ahead(server, sent.into()));
        }
        Ok(())
    }
}

/// How far a server's clock is ahead of this machine's, when it told the time
/// between a question sent at `sent` and now.
pub(crate) fn ahead(server: DateTime<Utc>, sent: DateTime<Utc>) -> TimeDelta {
    let now = Utc::now();
    server - (sent + (now - sent) / 2)
}
