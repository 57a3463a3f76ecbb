//! Bodies, decoded into memory that the request before has left behind: fresh memory comes page by
//! page, and for several megabytes that takes longer than to decode them.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use super::NotBase64;

/// The memory of the last body that is no longer needed.
static SPARE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A body whose memory becomes the spare one in the end.
struct Body(Vec<u8>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        *SPARE.lock().unwrap_or_else(PoisonError::into_inner) = mem::take(&mut self.0);
    }
}

/// The bytes that `text` stands for.
pub(super) fn decode(text: &str) -> Result<Bytes, NotBase64> {
    let spare = mem::take(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner));
    let mut body = Body(spare);
    body.0.clear();
    base64_simd::STANDARD.decode_append(text, &mut body.0).map_err(|_| NotBase64)?;
    Ok(Bytes::from_owner(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_no_bytes() {
        let [long, short] = ["bG9uZ2VyIHRoYW4gdGhlIG90aGVyIG9uZQ==", "c2hvcnQ="];
        let (first, second) = (decode(long).unwrap(), decode(short).unwrap());
        assert_eq!(first, "longer than the other one");
        assert_eq!(second, "short");
        let name = first.slice(..6);
        drop((first, second));
        let third = decode(short).unwrap();
        assert_eq!((&*name, &*third), (&b"longer"[..], &b"short"[..]));
        drop((name, third));
        assert_eq!(decode(short).unwrap(), "short");
        assert_eq!(decode("not base64"), Err(NotBase64));
        assert_eq!(decode("").unwrap(), "");
    }
}
