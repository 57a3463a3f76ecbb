//! Builds tar.gz archives for tests, honest or hostile, header by header.
//!
//! [`Tarball`] builds the tar, [`Gzip`] compresses it. Both are fluent builders: each method adds a
//! part or changes the last one.
//!
//! ```
//! use archive_builder::{Field, Gzip, Tarball};
//!
//! let honest = Tarball::new().directory("bin/").file("bin/run", b"#!/bin/sh\n").mode(0o755).gzip();
//!
//! let escaping_link = Tarball::new().symlink("etc", "/etc").file("etc/passwd", b"x").gzip();
//! let malformed_number = Tarball::new().file("x", b"").set(Field::UID, b"0o7").gzip();
//! let wrong_length = Gzip::new(&Tarball::new().file("x", b"").tar()).wrong_size().bytes();
//! ```

#![forbid(unsafe_code)]

mod gzip;
mod pax;
mod tarball;

pub use gzip::Gzip;
pub use pax::{pax_record, pax_records};
pub use tarball::{BLOCK, Field, Tarball, write_checksum};
