//! The token check behind the signature: an input is a token's header and, after a line feed, its
//! claims, which are then signed with the right key. Whoever holds no key gets as far with a
//! signature that is not theirs.
#![no_main]

use archive_fuzz::with_memory_limit;
use fuzz::signed::{GOOD, assert_acceptable, authenticate, sign};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

/// Bytes of memory: a token has up to 16 KB, and its claims become JSON values.
const MEMORY: usize = 512 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (header, claims) = (&input[..line], &input[line + 1..]);
    let token = sign(header, claims);
    let value = HeaderValue::try_from(&token).expect("base64 fits a header");
    if let Ok(caller) = with_memory_limit(MEMORY, || authenticate(value)) {
        assert_acceptable(header, claims, &caller);
    }

    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let (_, another) = GOOD.rsplit_once('.').expect("three parts");
    let forged = format!("Bearer {message}.{another}");
    if authenticate(HeaderValue::try_from(forged).expect("base64 fits a header")).is_ok() {
        assert_eq!(signature, another, "a token that nobody signed");
    }
});
