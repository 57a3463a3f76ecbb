//! The crate that both functions share: everything between Lambda's events and the stores.
//!
//! A function is a `main` that runs a handler on [`app::App`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use http::StatusCode;
//! use shared::{app, response, routes::Permission};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     app::run(Permission::Read, async |app, request| {
//!         let request = app.authorize(request).await?;
//!         app.require_catalog(&request).await?;
//!         Ok(response::json(StatusCode::OK, &request.caller.user)?)
//!     })
//!     .await
//! }
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`app`] | a function's dependencies, and the authorization of requests |
//! | [`routes`] | the route table: method, path, operation, permission |
//! | [`lambda`] | the Lambda adapter: events, responses, deadline, panics |
//! | [`request`], [`response`], [`view`] | HTTP without Lambda, and the JSON of responses |
//! | [`problem`] | every error that a client can see (RFC 9457) |
//! | [`csp`] | authentication with VMware CSP access tokens |
//! | [`form`], [`violation`] | the multipart form of an upload, and the rules that a request breaks |
//! | [`domain`] | catalogs, customizations and builds |
//! | [`storage`] | the DynamoDB table and the S3 bucket |
//! | [`https`] | the HTTPS client of the stores and the JWKS endpoint |
//! | [`config`], [`telemetry`], [`metrics`], [`error`] | environment, logs, metrics, error chains |
//!
//! Modules form no cycles: `app` depends on `lambda`, `lambda` depends on `problem`, `problem`
//! depends on the layers whose errors it converts (`csp`, `form`, `response`, `storage`), and these
//! depend on `domain`.

pub mod app;
pub mod config;
pub mod csp;
pub mod domain;
pub mod error;
pub mod form;
pub mod https;
pub mod lambda;
pub mod metrics;
mod percent;
pub mod problem;
pub mod request;
pub mod response;
pub mod routes;
pub mod storage;
pub mod telemetry;
pub mod view;
pub mod violation;
