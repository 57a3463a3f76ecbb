//! Conditional requests (RFC 9110, section 13): an answer that the client has is not sent again.

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::{
    http::{self, GZIP_TAG_SUFFIX, Response},
    id::Digest,
    problem::Problem,
};

/// `response` with the `ETag` of its body; only the `ETag` where the request's `If-None-Match`
/// names it, or that of the same body compressed.
pub(crate) fn unless_known(
    request_headers: &HeaderMap,
    mut response: Response,
) -> Result<Response, Problem> {
    let digest = Digest::of(response.body().as_bytes());
    let tags = [format!("\"{digest}\""), format!("\"{digest}{GZIP_TAG_SUFFIX}\"")];
    let known = tags.iter().find(|tag| knows(request_headers, tag)).cloned();
    let [tag, _] = tags;
    if known.is_some() {
        response = Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::ETAG, http::header_value(known.unwrap_or(tag))?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
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
        let compressed = format!("\"{}{GZIP_TAG_SUFFIX}\"", tag.trim_matches('"'));
        for (known, expected) in [
            (&[tag.as_str()][..], &tag),
            (&["*"], &tag),
            (&[&weak], &tag),
            (&["\"a\", \"b\"", &tag], &tag),
            (&[&compressed], &compressed),
        ] {
            let response = respond(known);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known:?}");
            assert_eq!(response.body(), "");
            assert_eq!(response.headers()[header::ETAG], **expected);
        }
        for unknown in [&[][..], &["\"a\""], &[tag.trim_matches('"')]] {
            assert_eq!(respond(unknown).status(), StatusCode::OK, "{unknown:?}");
        }
    }
}
