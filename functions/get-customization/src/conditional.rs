//! Conditional requests (RFC 9110, section 13): an answer that the client has is not sent again.

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::{
    http::{self, Response},
    id::Digest,
    problem::Problem,
};

/// `response` with the `ETag` of its body; only the `ETag` where the request's `If-None-Match`
/// names it.
pub(crate) fn unless_known(
    request_headers: &HeaderMap,
    mut response: Response,
) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", Digest::of(response.body().as_bytes()));
    if knows(request_headers, &tag) {
        response = Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::ETAG, http::header_value(tag)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// Whether `If-None-Match` names `tag`; weak tags count too (RFC 9110, section 13.1.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_body_is_not_sent_again() {
        let respond = |if_none_match: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in if_none_match {
                headers.append(header::IF_NONE_MATCH, value.parse().unwrap());
            }
            unless_known(&headers, Response::new("{}".to_owned())).unwrap()
        };
        let tag = respond(&[]).headers()[header::ETAG].to_str().unwrap().to_owned();
        let weak = format!("W/{tag}");
        for known in [&[tag.as_str()][..], &["*"], &[&weak], &["\"a\", \"b\"", &tag]] {
            let response = respond(known);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known:?}");
            assert_eq!(
                (response.body().as_str(), response.headers()[header::ETAG].to_str().unwrap()),
                ("", &*tag)
            );
        }
        for unknown in [&[][..], &["\"a\""], &[tag.trim_matches('"')]] {
            assert_eq!(respond(unknown).status(), StatusCode::OK, "{unknown:?}");
        }
    }
}
