//! Measures each attempt at a store, the SDK's own retries included.

use std::time::Instant;

use aws_sdk_s3::config::{
    ConfigBag, Intercept, RuntimeComponents,
    interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
};
use aws_smithy_runtime::client::retries::classifiers::run_classifiers_on_ctx;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::{
    metrics::{self, Dependency},
    problem::Cause,
};

/// Counts the attempts of a client at this dependency.
#[derive(Debug)]
pub(super) struct Attempts(pub(super) Dependency);

/// When an attempt began.
#[derive(Debug)]
struct Begun(Instant);

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), Cause> {
        state.interceptor_state().store_put(Begun(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        attempt: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), Cause> {
        // A link is signed, but nothing is sent and nothing comes back.
        if let Some(&Begun(at)) = state.load::<Begun>()
            && attempt.output_or_error().is_some()
        {
            // What the SDK would try again is the store's fault, and nothing else is.
            let action = run_classifiers_on_ctx(components.retry_classifiers(), attempt.inner());
            metrics::attempted(self.0, at.elapsed(), action.should_retry());
        }
        Ok(())
    }
}
