//! Code that several targets share. The assertions of all targets are in `archive_fuzz`.

pub mod signed_tokens;
