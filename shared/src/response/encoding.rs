//! Content codings (RFC 9110, section 8.4.1): gzip for large responses, and the size limit of
//! Lambda's responses.

use std::io::{self, Write};

use ::http::{HeaderMap, HeaderValue, header};
use flate2::{Compression, write::GzEncoder};

use super::{Response, ResponseError};

/// The suffix of a compressed response's entity tag: a strong tag must differ between codings
/// (RFC 9110, section 8.8.3.3).
pub const GZIP_TAG_SUFFIX: &str = "-gzip";

/// The size in bytes from which a body is compressed. For smaller bodies, compression costs more
/// than it saves.
const MIN_COMPRESSED_BYTES: usize = 1024 * 1024;

/// The maximum size in bytes of a body as a JSON string: Lambda's limit of 6 MB, minus the space
/// for the status and headers.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;

/// A response in a coding that its client accepts, within Lambda's limit.
#[derive(Debug)]
pub struct EncodedResponse {
    /// The response.
    pub response: Response,
    /// True if the body is base64, which the gateway decodes.
    pub is_base64: bool,
}

/// A response cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum EncodingError {
    /// The response fits only compressed, and the client does not accept gzip.
    #[error("the response fits only compressed")]
    NotAcceptable,
    /// The response is too large even compressed.
    #[error("the response is too large")]
    TooLarge,
    /// Compression failed.
    #[error("the response cannot be compressed")]
    Compression(#[from] io::Error),
    /// The entity tag cannot be extended.
    #[error(transparent)]
    Response(#[from] ResponseError),
}

impl EncodedResponse {
    /// Wraps a small response, without compression.
    #[must_use]
    pub fn identity(response: Response) -> Self {
        Self { response, is_base64: false }
    }

    /// Compresses `response` if it is large and the request's headers accept gzip.
    ///
    /// # Errors
    ///
    /// [`EncodingError`]
    pub fn new(response: Response, request_headers: &HeaderMap) -> Result<Self, EncodingError> {
        if response.body().len() < MIN_COMPRESSED_BYTES {
            return Ok(Self::identity(response));
        }
        if accepts_gzip(request_headers) {
            return Self::gzip(response);
        }
        if json_string_bytes(response.body()) > MAX_BODY_BYTES {
            return Err(EncodingError::NotAcceptable);
        }
        Ok(Self::identity(response))
    }

    fn gzip(response: Response) -> Result<Self, EncodingError> {
        let (mut head, text) = response.into_parts();
        let bytes = compress(&text)?;
        drop(text);
        let body = base64_simd::STANDARD.encode_to_string(&bytes);
        if body.len() > MAX_BODY_BYTES {
            return Err(EncodingError::TooLarge);
        }
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let tag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        if let Some(opaque) = tag.and_then(|tag| tag.strip_suffix('"')) {
            let tag = HeaderValue::try_from(format!("{opaque}{GZIP_TAG_SUFFIX}\""));
            head.headers.insert(header::ETAG, tag.map_err(ResponseError::Header)?);
        }
        Ok(Self { response: Response::from_parts(head, body), is_base64: true })
    }
}

fn compress(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// The size in bytes of `text` as a JSON string, without the quotes around it. `text` is JSON, so
/// only its quotes and backslashes need an escape.
fn json_string_bytes(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// Returns true if `Accept-Encoding` lists gzip. Without the header, any coding is allowed (RFC
/// 9110, section 12.5.3), but clients that omit it rarely decompress: `curl` prints the compressed
/// bytes.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight_of = |coding: &str| {
        headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(|member| weight(member, coding))
    };
    let weight = weight_of("gzip").or_else(|| weight_of("x-gzip")).or_else(|| weight_of("*"));
    weight.is_some_and(|weight| weight > 0.0)
}

/// The weight of `coding` in one member of the list, if the member names it.
fn weight(member: &str, coding: &str) -> Option<f32> {
    let mut parts = member.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(coding) {
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

    /// A JSON string of this many bytes that compresses badly. Only its two quotes need an escape
    /// in another JSON string.
    fn incompressible(bytes: usize) -> String {
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
    fn gzip_is_accepted_if_the_header_lists_it() {
        for (values, accepts) in [
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
            assert_eq!(accepts_gzip(&accepting(values)), accepts, "{values:?}");
        }
    }

    #[test]
    fn a_large_response_is_compressed() {
        let text = format!("\"{}\"", "a".repeat(MIN_COMPRESSED_BYTES - 2));
        let mut response = Response::new(text.clone());
        response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"tag\""));
        let encoded = EncodedResponse::new(response, &accepting(&["gzip"])).unwrap();
        assert!(encoded.is_base64);
        assert_eq!(encoded.response.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(encoded.response.headers()[header::ETAG], "\"tag-gzip\"");
        let bytes = base64_simd::STANDARD.decode_to_vec(encoded.response.body()).unwrap();
        let mut read = String::new();
        GzDecoder::new(&*bytes).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn a_small_response_and_one_without_accepted_gzip_are_not_compressed() {
        for (bytes, accepted) in [
            (MIN_COMPRESSED_BYTES - 1, "gzip"),
            (MIN_COMPRESSED_BYTES, "identity"),
            (MAX_BODY_BYTES - 2, "br"),
        ] {
            let encoded =
                EncodedResponse::new(Response::new(incompressible(bytes)), &accepting(&[accepted]))
                    .unwrap();
            assert!(!encoded.is_base64, "{bytes}");
            assert_eq!(encoded.response.body().len(), bytes);
            assert!(!encoded.response.headers().contains_key(header::CONTENT_ENCODING));
        }
    }

    #[test]
    fn a_response_over_the_lambda_limit_is_refused() {
        let error = |bytes, accepted| {
            EncodedResponse::new(Response::new(incompressible(bytes)), &accepting(accepted))
                .unwrap_err()
        };
        assert!(matches!(error(MAX_BODY_BYTES - 1, &[]), EncodingError::NotAcceptable));
        assert!(matches!(error(2 * MAX_BODY_BYTES, &["gzip"]), EncodingError::TooLarge));
    }
}
