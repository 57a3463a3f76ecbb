//! What the end-to-end tests are written with.
//!
//! | module | holds |
//! | --- | --- |
//! | [`stack`] | the whole stack, one for each test, and what its stores hold |
//! | [`api`] | a client of the API, and its answers |
//! | [`contract`] | whether what goes over the wire is as openapi.yaml says |
//! | [`form`] | the multipart form of an upload, honest or not |
//! | [`jwt`] | tokens that no honest issuer makes |
//! | [`iam`] | what IAM must allow whoever sends a request to a store |
//! | [`jwks_endpoint`] | a server of token keys that rotates, hangs and lies |
//! | [`process`] | the commands and the functions, as processes |
//! | [`proxy`] | a proxy between the functions and a store: records requests and injects faults |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

pub mod api;
pub mod contract;
pub mod form;
pub mod iam;
pub mod jwks_endpoint;
pub mod jwt;
pub mod process;
pub mod proxy;
pub mod stack;
