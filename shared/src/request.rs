//! Requests, independent of the format of Lambda's events.

use std::{borrow::Cow, collections::HashMap};

use ::http::HeaderMap;
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::routes::Operation;

/// A request to the API.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The operation, if the method and path are a route of the API.
    pub operation: Option<Operation>,
    /// The headers.
    pub headers: HeaderMap,
    /// The path parameters by name, as the event has them.
    pub path_parameters: HashMap<String, String>,
    /// The names and values of the query string, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl Request {
    /// The path parameter `name`, decoded; `None` if the route has no such parameter, or if its
    /// value is not UTF-8.
    ///
    /// API Gateway decodes path parameters, `cargo lambda watch` does not. Decoding twice is safe,
    /// because no identifier contains `%`.
    #[must_use]
    pub fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        percent_decode_str(self.path_parameters.get(name)?).decode_utf8().ok()
    }

    /// The first value of the query parameter `name`.
    #[must_use]
    pub fn query_parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The body of a request. An event can mark a body as base64 that is not valid base64. The error is
/// returned only when the body is [read](Self::bytes), because the checks of the token and the
/// catalog come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Option<Bytes>);

/// The event marks the body as base64, but the body is not valid base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not valid base64")]
pub struct InvalidBase64;

impl Body {
    /// A body that the event marks as base64, but that is not valid base64.
    pub const INVALID_BASE64: Self = Self(None);

    /// The bytes of the body.
    ///
    /// # Errors
    ///
    /// [`InvalidBase64`]
    pub fn bytes(&self) -> Result<&Bytes, InvalidBase64> {
        self.0.as_ref().ok_or(InvalidBase64)
    }
}

impl Default for Body {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Some(bytes))
    }
}
