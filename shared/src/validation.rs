//! What an upload must be: its form, and the filter in it.

pub mod filter;
pub mod form;
mod multipart;
