//! Fuzzing of the archive check, and the assertions that all fuzz targets of this repository share.
//!
//! | module | contents |
//! | --- | --- |
//! | [`input`] | inputs of the target, and their mutation |
//! | [`listing`] | entries of an archive, as the check and as the crate `tar` list them |
//! | [`models`] | entries of an archive, as two strange readers list them |

#![forbid(unsafe_code)]

pub mod input;
pub mod listing;
pub mod models;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work` and asserts that it never holds more than `limit` bytes of memory.
pub fn with_memory_limit<T>(limit: usize, work: impl FnOnce() -> T) -> T {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(peak <= limit, "{peak} bytes of memory, where {limit} are allowed");
    result
}

/// Asserts that a message for clients and operators is safe for a terminal and a log, and has at
/// most `max_characters`.
pub fn assert_safe_to_print(text: &str, max_characters: usize) {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(is_unsafe), "unescaped: {text:?}");
    assert!(text.chars().count() <= max_characters, "not cut: {text:?}");
}
