//! Validation of uploaded archives.

pub mod archive;
