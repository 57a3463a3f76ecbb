//! Content codings (RFC 9110, section 8.4.1): an answer that is large is compressed for a client
//! that takes it so, and one that does not fit through Lambda is not sent at all.

use std::io::{self, Write};

use ::http::{HeaderMap, HeaderValue, header};
use flate2::{Compression, write::GzEncoder};

use super::{Response, header_value};
use crate::problem::Problem;

/// What an answer's entity tag ends with where the answer is compressed: two codings of one answer
/// are not the same bytes, so a strong tag must tell them apart (RFC 9110, section 8.8.3.3).
pub const GZIP_TAG_SUFFIX: &str = "-gzip";

/// What is shorter is sent as it is, in bytes: compressing costs more than it spares.
const LARGE: usize = 1024 * 1024;

/// The longest body that fits into a response, in bytes of JSON: Lambda's 6 MB, less the head.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;

/// A response whose body Lambda takes.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) response: Response,
    /// Whether the body is base64 for the gateway to decode.
    pub(super) is_base64: bool,
}

impl Coded {
    /// A response that is short.
    pub(super) fn identity(response: Response) -> Self {
        Self { response, is_base64: false }
    }

    /// `response`, compressed where it is large and the headers of its request say that the client
    /// takes that.
    ///
    /// # Errors
    ///
    /// [`Problem::NotAcceptable`] or [`Problem::ResponseTooLarge`] if it does not fit.
    pub(super) fn new(response: Response, request_headers: &HeaderMap) -> Result<Self, Problem> {
        if response.body().len() < LARGE {
            return Ok(Self::identity(response));
        }
        if takes_gzip(request_headers) {
            return Self::gzip(response);
        }
        if length_in_json(response.body()) > MAX_BODY_BYTES {
            return Err(Problem::NotAcceptable);
        }
        Ok(Self::identity(response))
    }

    fn gzip(response: Response) -> Result<Self, Problem> {
        let (mut head, text) = response.into_parts();
        let bytes = compress(&text).map_err(|error| Problem::Internal(error.into()))?;
        drop(text);
        let body = base64_simd::STANDARD.encode_to_string(&bytes);
        if body.len() > MAX_BODY_BYTES {
            return Err(Problem::ResponseTooLarge);
        }
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let tag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        if let Some(opaque) = tag.and_then(|tag| tag.strip_suffix('"')) {
            let tag = header_value(format!("{opaque}{GZIP_TAG_SUFFIX}\""))?;
            head.headers.insert(header::ETAG, tag);
        }
        Ok(Self { response: Response::from_parts(head, body), is_base64: true })
    }
}

fn compress(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// How long `text`, itself JSON, is as a string of JSON, in bytes.
fn length_in_json(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// Whether `Accept-Encoding` lists gzip (RFC 9110, section 12.5.3). Without the header anything
/// would do, but who says nothing is seldom ready for it: `curl` prints the compressed bytes.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let weight_of = |wanted: &str| {
        headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(|member| weight(member, wanted))
    };
    let weight = weight_of("gzip").or_else(|| weight_of("x-gzip")).or_else(|| weight_of("*"));
    weight.is_some_and(|weight| weight > 0.0)
}

/// The weight that a list's `member` gives the coding `wanted`, if it is about that one.
fn weight(member: &str, wanted: &str) -> Option<f32> {
    let mut parts = member.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(wanted) {
        return None;
    }
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn accepting(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| (header::ACCEPT_ENCODING, value.parse().unwrap()));
        values.collect()
    }

    /// JSON of this many bytes that does not compress well, nor need escapes but at its ends.
    fn noise(bytes: usize) -> String {
        let mut state = 1_u64;
        let mut text = "\"".to_owned();
        text.extend(
            std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'0' + u8::try_from((state >> 33) % 75).unwrap())
            })
            .map(|c| if c == '\\' { '!' } else { c })
            .take(bytes - 2),
        );
        text + "\""
    }

    #[test]
    fn a_client_takes_gzip_if_it_says_so() {
        for (values, takes) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZip"], true),
            (&["x-gzip"], true),
            (&["deflate, gzip, br"], true),
            (&["deflate", "gzip"], true),
            (&["*"], true),
            (&["identity"], false),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.000, *"], false),
            (&["*;q=0"], false),
            (&["br;q=1.0, gzip;q=0.8, *;q=0.1"], true),
            (&["gzip;q=x"], false),
            (&["gzipped"], false),
        ] {
            assert_eq!(takes_gzip(&accepting(values)), takes, "{values:?}");
        }
    }

    #[test]
    fn a_large_answer_is_compressed() {
        let text = format!("\"{}\"", "a".repeat(LARGE - 2));
        let mut response = Response::new(text.clone());
        response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"tag\""));
        let coded = Coded::new(response, &accepting(&["gzip"])).unwrap();
        assert!(coded.is_base64);
        assert_eq!(coded.response.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(coded.response.headers()[header::ETAG], "\"tag-gzip\"");
        let bytes = base64_simd::STANDARD.decode_to_vec(coded.response.body()).unwrap();
        let mut read = String::new();
        GzDecoder::new(&*bytes).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn what_is_not_large_or_not_accepted_compressed_is_sent_as_it_is() {
        for (bytes, accepted) in
            [(LARGE - 1, "gzip"), (LARGE, "identity"), (MAX_BODY_BYTES - 2, "br")]
        {
            let coded = Coded::new(Response::new(noise(bytes)), &accepting(&[accepted])).unwrap();
            assert!(!coded.is_base64, "{bytes}");
            assert_eq!(coded.response.body().len(), bytes);
            assert!(!coded.response.headers().contains_key(header::CONTENT_ENCODING));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refusal = |bytes, accepted| {
            Coded::new(Response::new(noise(bytes)), &accepting(accepted)).unwrap_err()
        };
        assert!(matches!(refusal(MAX_BODY_BYTES - 1, &[]), Problem::NotAcceptable));
        assert!(matches!(refusal(2 * MAX_BODY_BYTES, &["gzip"]), Problem::ResponseTooLarge));
    }
}
