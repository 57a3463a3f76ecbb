//! Limits of API Gateway.

use std::time::Duration;

/// Limits of the gateway.
#[derive(Clone, Copy, Debug)]
pub struct GatewayLimits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Largest size of all names and values of headers, in bytes.
    pub header_bytes: usize,
    /// Longest time that the gateway waits for a function's response.
    pub integration_timeout: Duration,
}

impl GatewayLimits {
    /// The limits in API Gateway's documentation for REST APIs.
    pub const AWS: Self = Self {
        body_bytes: 10 * 1024 * 1024,
        header_bytes: 10_240,
        integration_timeout: Duration::from_secs(29),
    };
}
