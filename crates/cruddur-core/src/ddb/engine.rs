//! Which engine answers, where that decides how to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Learns from an answer whether the embedded engine gave it.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    embedded: Arc<AtomicBool>,
}

impl Engine {
    /// Whether an answer seen so far says that it is the embedded engine's.
    pub fn is_embedded(&self) -> bool {
        self.embedded.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Engine {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let server = context.response().headers().get("server");
        if server.is_some_and(|server| server.starts_with("Dynoxide/")) {
            self.embedded.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
