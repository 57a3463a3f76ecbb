//! The Lambda adapter: runs a handler for each event. Only this module depends on the format of API
//! Gateway's events and responses.
//!
//! [`serve`] runs a handler, an `async Fn(&Request) -> Result<Response, Problem>`:
//!
//! ```no_run
//! # async fn example() -> Result<(), lambda_runtime::Error> {
//! use http::StatusCode;
//! use shared::{lambda::{self, Adapter}, response};
//!
//! let adapter = Adapter { problem_type_base: "https://docs.example.com/problems".to_owned() };
//! lambda::serve(adapter, async |request| {
//!     let operation = format!("{:?}", request.operation);
//!     Ok(response::json(StatusCode::OK, &operation)?)
//! })
//! .await
//! # }
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | `event` | events of both shapes, parsed into a [`Request`](crate::request::Request) |
//! | `body_buffer` | decoding of base64 bodies |
//! | `adapter` | deadline, panics, the log line and the metrics of a request |
//! | `proxy_response` | responses in the shape that API Gateway expects |

mod adapter;
mod body_buffer;
mod event;
mod proxy_response;

pub use self::{
    adapter::{Adapter, serve},
    event::{Event, PayloadVersion},
};
