//! What an upload must be: its form, the filter in it, and the archive in it.

pub mod archive;
pub mod filter;
pub mod form;
mod multipart;
