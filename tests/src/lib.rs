//! Support library of the end-to-end tests.
//!
//! A test starts a [`TestStack`](stack::TestStack), sends requests with a client, and compares the
//! responses and the content of the stores:
//!
//! ```no_run
//! use tests::{api::Problem, form::Form, stack::TestStack};
//!
//! # async fn example() {
//! let stack = TestStack::start().await;
//! let before = stack.contents().await;
//! let response = stack.api().create(Form::upload().text("name", "")).await;
//! let violation = ("name", "must have 1 to 128 characters");
//! response.assert_problem(&Problem::violations([violation]));
//! assert_eq!(stack.contents().await, before);
//! # }
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`stack`] | a stack for each test, and the content of its stores |
//! | [`api`] | HTTP client of the API, responses and expected problems |
//! | [`cli`] | the user's command, as a process or on a terminal |
//! | [`capacity`] | capacity units that requests to DynamoDB consume |
//! | [`contract`] | validation of requests and responses against openapi.yaml |
//! | [`form`] | builder of multipart forms, valid or not |
//! | [`jwt`] | builder of forged tokens |
//! | [`iam`] | IAM permissions that a request to a store requires |
//! | [`jwks_endpoint`] | JWKS endpoint with key rotation and faults |
//! | [`process`] | processes of the commands and of the functions |
//! | [`token_exchange`] | CSP that exchanges API tokens |
//! | [`proxy`] | fault-injecting proxy between the functions and a store |
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
pub mod capacity;
pub mod cli;
pub mod contract;
pub mod form;
pub mod iam;
pub mod jwks_endpoint;
pub mod jwt;
pub mod process;
pub mod proxy;
pub mod stack;
pub mod token_exchange;
