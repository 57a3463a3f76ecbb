//! Violations: rules that a request breaks.

use serde::Serialize;

/// The maximum number of characters of a client's text that a message repeats.
const EXCERPT_CHARACTERS: usize = 64;

/// A rule that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The part of the request, such as `filter.branch`.
    pub field: String,
    /// The change that the client has to make.
    pub message: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Escapes and shortens a name that the client chose, for use in a message.
#[must_use]
pub fn excerpt(name: &str) -> String {
    let mut excerpt: String =
        name.chars().take(EXCERPT_CHARACTERS).flat_map(char::escape_debug).collect();
    if name.chars().nth(EXCERPT_CHARACTERS).is_some() {
        excerpt.push('…');
    }
    excerpt
}
