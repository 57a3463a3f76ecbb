//! What the targets share: how memory is bounded, what may be shown to a client, and the token
//! that is good.

pub mod archives;
pub mod signed;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What `work` gives, which may hold no more than `bound` bytes at any moment beyond what was held
/// before it.
pub fn within<T>(bound: usize, work: impl FnOnce() -> T) -> T {
    ALLOCATOR.reset_peak_usage();
    let idle = ALLOCATOR.current_usage();
    let done = work();
    let peak = ALLOCATOR.peak_usage().saturating_sub(idle);
    assert!(peak <= bound, "{peak} bytes of memory, where {bound} are allowed");
    done
}

/// Holds `text`, which the client reads and an operator may, to what a terminal and a log can
/// take, and to `most` characters.
pub fn assert_shown_safely(text: &str, most: usize) {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(acts), "unescaped: {text:?}");
    assert!(text.chars().count() <= most, "not cut: {text:?}");
}
