//! Conditional requests (RFC 9110, section 13): a response that the client already has is not sent
//! again.

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::{
    domain::Digest,
    response::{GZIP_TAG_SUFFIX, Response, ResponseError},
};

/// Adds the entity tag of the body to `response`. Returns a 304 without body if `If-None-Match`
/// lists this tag, or the tag of the same body compressed.
pub(crate) fn if_none_match(
    request_headers: &HeaderMap,
    mut response: Response,
) -> Result<Response, ResponseError> {
    let digest = Digest::of(response.body().as_bytes());
    let tags = [format!("\"{digest}\""), format!("\"{digest}{GZIP_TAG_SUFFIX}\"")];
    let known = tags.iter().find(|tag| lists(request_headers, tag)).cloned();
    let [tag, _] = tags;
    if known.is_some() {
        response = Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::try_from(known.unwrap_or(tag))?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

/// Returns true if `If-None-Match` lists `tag`; weak tags count too (RFC 9110, section 13.1.2).
fn lists(headers: &HeaderMap, tag: &str) -> bool {
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
    fn a_matching_entity_tag_returns_304() {
        let respond = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_NONE_MATCH, value.parse().unwrap());
            }
            if_none_match(&headers, Response::new("{}".to_owned())).unwrap()
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
