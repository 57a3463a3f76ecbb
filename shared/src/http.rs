//! Lambda's events in, responses out: the only place that knows API Gateway.
//!
//! A handler is an `async fn(&App, &Request) -> Result<Response, Problem>`; [`run`] serves it.

mod body;
mod coding;
mod edge;
mod event;
mod proxy_response;

use std::borrow::Cow;

use ::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;
use lambda_http::RequestExt;
use percent_encoding::percent_decode_str;
use serde::Serialize;

pub use self::{
    coding::GZIP_TAG_SUFFIX,
    edge::{Edge, run},
    event::Event,
};
use crate::problem::Problem;

/// A request, with `lambda_http`'s extensions for its path and query parameters.
pub type Request = ::http::Request<Result<Bytes, NotBase64>>;

/// An answer; its body is JSON.
pub type Response = ::http::Response<String>;

/// The event says that its body is base64, and it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not valid base64")]
pub struct NotBase64;

/// The path parameter `name`, decoded; none if the route has none of that name, or it is no text.
///
/// API Gateway decodes path parameters, `cargo lambda watch` does not. No identifier holds a `%`,
/// so decoding one twice does no harm.
pub fn path_parameter<'a>(request: &'a Request, name: &str) -> Option<Cow<'a, str>> {
    let value = request.path_parameters_ref()?.first(name)?;
    percent_decode_str(value).decode_utf8().ok()
}

/// The first value of the query parameter `name`.
pub fn query_parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref()?.first(name)
}

/// An answer with `body` as JSON.
///
/// # Errors
///
/// [`Problem::Internal`] if `body` cannot be serialized.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_string(body).map_err(|error| Problem::Internal(error.into()))?;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// `value` as a header's value.
///
/// # Errors
///
/// [`Problem::Internal`] if it holds what a header cannot.
pub fn header_value(value: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(value).map_err(|error| Problem::Internal(error.into()))
}
