//! What operators load into the table: see [`catalog_file`] for the format and [`import`] for the
//! way in.

pub mod catalog_file;
pub mod import;
