//! The interactive API reference: a web page that shows openapi.yaml and can send requests. The
//! page loads nothing from other hosts.

use axum::{
    body::Body,
    http::{
        HeaderName, Method,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use crate::csp::Token;

const HEADERS: [(HeaderName, &str); 3] = [
    (CACHE_CONTROL, "no-cache"),
    // Scalar, the renderer, inserts inline styles.
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Returns the page (`/`) or a file that the page loads. Returns none for other paths.
pub(crate) fn find(method: &Method, path: &str) -> Option<Response> {
    let (content_type, content) = match path {
        _ if method != Method::GET => return None,
        "/" => ("text/html; charset=utf-8", include_str!("reference/page.html").into()),
        "/openapi.yaml" => ("application/yaml", include_str!("../../openapi.yaml").into()),
        "/reference.js" => ("text/javascript; charset=utf-8", start_script()),
        "/scalar.js" => ("text/javascript; charset=utf-8", renderer()),
        _ => return None,
    };
    Some((HEADERS, [(CONTENT_TYPE, content_type)], Body::from(content)).into_response())
}

/// Returns the script that starts the renderer. The script contains a token, so that the page can
/// send requests.
fn start_script() -> Bytes {
    // With an empty token, the page asks the user for one.
    let token = Token::default().sign().unwrap_or_default();
    include_str!("reference/start.js").replace("TOKEN", &token).into()
}

fn renderer() -> Bytes {
    scalar_api_reference::get_asset("scalar.js").unwrap_or_default().into()
}
