//! What operators load into the table: see [`catalog_file`] for the format and [`import`] for the
//! way in; and [`version`], which all commands share.

pub mod catalog_file;
pub mod import;
pub mod version;
