//! What both functions share.
//!
//! | module | holds |
//! | --- | --- |
//! | [`app`] | what a function works with: made once, at start |
//! | [`http`] | Lambda's events in, responses out, and the edge that answers whatever happens |
//! | [`csp`] | who calls: VMware CSP access tokens |
//! | [`problem`] | every error a client can see (RFC 9457) |
//! | [`validation`] | what an upload must be: form, filter |
//! | [`catalog`], [`customization`], [`file_name`], [`id`], [`timestamp`] | the domain |
//! | [`store`] | the DynamoDB table and the S3 bucket |
//! | [`https`] | the one way out, for the store and for the issuer's keys |
//! | [`config`], [`telemetry`], [`metrics`] | environment in, logs and metrics out |
//!
//! Only [`http`] knows Lambda's events, and only [`store`] what AWS's services are asked for.

pub mod app;
pub mod catalog;
pub mod config;
pub mod csp;
pub mod customization;
pub mod file_name;
pub mod http;
pub mod https;
pub mod id;
pub mod metrics;
pub mod problem;
pub mod store;
pub mod telemetry;
pub mod timestamp;
pub mod validation;
