//! Fuzzes the whole token check. An input is the value of `Authorization`. Only the valid token may
//! be accepted.
#![no_main]

use archive_fuzz::with_memory_limit;
use fuzz::signed_tokens::{VALID_TOKEN, authenticate, expected_caller};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use shared::csp::AuthenticationError;

/// Memory limit in bytes: a token has up to 16 KB, and its claims become JSON values.
const MEMORY_BYTES: usize = 512 * 1024;

fuzz_target!(|input: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    match with_memory_limit(MEMORY_BYTES, || authenticate(value)) {
        Ok(accepted) => {
            let token = input.rsplit(|byte| *byte == b' ').next();
            assert_eq!(token, Some(VALID_TOKEN.as_bytes()), "an unsigned token is accepted");
            assert_eq!(accepted, expected_caller());
        }
        Err(AuthenticationError::Token(_)) => {}
        Err(error) => panic!("the token is refused for another reason: {error}"),
    }
});
