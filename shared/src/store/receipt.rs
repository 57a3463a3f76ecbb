//! Receipts: what is kept of a create that came with an idempotency key, to answer it again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{customization::Customization, id::Digest};

/// How long a receipt is kept.
const LIFETIME: Duration = Duration::from_hours(24);

/// A receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The digest of what was asked for.
    pub request: Digest,
    /// What was created, as it was answered.
    pub customization: Customization,
    /// When it counts no more, in seconds since 1970; DynamoDB removes it some time later.
    pub expires_at: u64,
}

impl Receipt {
    /// A receipt for `request`, kept from now on.
    #[must_use]
    pub fn new(request: Digest, customization: Customization) -> Self {
        Self { request, customization, expires_at: now() + LIFETIME.as_secs() }
    }

    pub(super) fn is_valid(&self) -> bool {
        self.expires_at > now()
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
