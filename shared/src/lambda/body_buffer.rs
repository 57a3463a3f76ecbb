//! Decodes base64 bodies into memory that is reused between requests. In fresh memory, each page
//! causes a page fault; for several megabytes these take longer than the decoding.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use crate::request::Body;

/// The memory of the last body that was dropped.
static SPARE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A buffer that returns to [`SPARE`] when it is dropped.
struct Buffer(Vec<u8>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        *SPARE.lock().unwrap_or_else(PoisonError::into_inner) = mem::take(&mut self.0);
    }
}

pub(super) fn decode(text: &str) -> Body {
    let spare = mem::take(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner));
    let mut buffer = Buffer(spare);
    buffer.0.clear();
    match base64_simd::STANDARD.decode_append(text, &mut buffer.0) {
        Ok(()) => Bytes::from_owner(buffer).into(),
        Err(_) => Body::INVALID_BASE64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::InvalidBase64;

    fn bytes(text: &str) -> Bytes {
        decode(text).bytes().unwrap().clone()
    }

    #[test]
    fn a_buffer_is_reused_only_after_its_body_is_dropped() {
        let [long, short] = ["bG9uZ2VyIHRoYW4gdGhlIG90aGVyIG9uZQ==", "c2hvcnQ="];
        let (first, second) = (bytes(long), bytes(short));
        assert_eq!(first, "longer than the other one");
        assert_eq!(second, "short");
        let name = first.slice(..6);
        drop((first, second));
        let third = bytes(short);
        assert_eq!((&*name, &*third), (&b"longer"[..], &b"short"[..]));
        drop((name, third));
        assert_eq!(bytes(short), "short");
        assert_eq!(decode("not base64").bytes(), Err(InvalidBase64));
        assert_eq!(bytes(""), "");
    }
}
