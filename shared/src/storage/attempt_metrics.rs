//! Metrics of each attempt of a request to a store, including the SDK's retries.

use std::time::Instant;

use aws_sdk_s3::config::{
    ConfigBag, Intercept, RuntimeComponents,
    interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
};
use aws_smithy_runtime::client::retries::classifiers::run_classifiers_on_ctx;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::{
    error::BoxError,
    metrics::{self, Dependency},
};

/// An interceptor that records the attempts of an SDK client. The field is the dependency that the
/// client calls.
#[derive(Debug)]
pub(super) struct AttemptMetrics(pub(super) Dependency);

/// The time at which an attempt began.
#[derive(Debug)]
struct StartedAt(Instant);

impl Storable for StartedAt {
    type Storer = StoreReplace<Self>;
}

impl Intercept for AttemptMetrics {
    fn name(&self) -> &'static str {
        "AttemptMetrics"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        state.interceptor_state().store_put(StartedAt(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        attempt: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Presigning counts as an attempt for the SDK, but sends no request and has no response.
        if let Some(&StartedAt(at)) = state.load::<StartedAt>()
            && attempt.output_or_error().is_some()
        {
            // An attempt counts as a fault of the store only if the SDK would retry it.
            let action = run_classifiers_on_ctx(components.retry_classifiers(), attempt.inner());
            metrics::attempted(self.0, at.elapsed(), action.should_retry());
        }
        Ok(())
    }
}
