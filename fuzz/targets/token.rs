//! The token check as a client meets it: an input is the value of `Authorization`.
#![no_main]

use archive_fuzz::with_memory_limit;
use fuzz::signed::{GOOD, authenticate, caller};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use shared::csp::AuthenticationError;

/// Bytes of memory: a token has up to 16 KB, and its claims become JSON values.
const MEMORY: usize = 512 * 1024;

fuzz_target!(|input: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    match with_memory_limit(MEMORY, || authenticate(value)) {
        Ok(accepted) => {
            let token = input.rsplit(|byte| *byte == b' ').next();
            assert_eq!(token, Some(GOOD.as_bytes()), "a token that nobody signed");
            assert_eq!(accepted, caller());
        }
        Err(AuthenticationError::Token(_)) => {}
        Err(error) => panic!("a token that nobody signed: {error}"),
    }
});
