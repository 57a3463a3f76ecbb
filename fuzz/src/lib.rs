//! Code that the targets share. Their assertions are in `archive_fuzz`.

pub mod signed;
