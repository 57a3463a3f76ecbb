//! Fuzzes the checks of a token's header and claims. An input is a header, a line feed, and claims.
//! The target signs them with the correct key, and asserts that an accepted token obeys the rules.
//! It also asserts that the same token with the signature of another token is refused.
#![no_main]

use archive_fuzz::with_memory_limit;
use fuzz::signed_tokens::{VALID_TOKEN, assert_acceptable, authenticate, sign};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

/// Memory limit in bytes: a token has up to 16 KB, and its claims become JSON values.
const MEMORY_BYTES: usize = 512 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (header, claims) = (&input[..line], &input[line + 1..]);
    let token = sign(header, claims);
    let value = HeaderValue::try_from(&token).expect("base64 is a valid header value");
    if let Ok(caller) = with_memory_limit(MEMORY_BYTES, || authenticate(value)) {
        assert_acceptable(header, claims, &caller);
    }

    let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (_, other_signature) = VALID_TOKEN.rsplit_once('.').expect("a token has three parts");
    let forged = HeaderValue::try_from(format!("Bearer {message}.{other_signature}"));
    let forged = forged.expect("base64 is a valid header value");
    if authenticate(forged).is_ok() {
        assert_eq!(signature, other_signature, "a forged signature is accepted");
    }
});
