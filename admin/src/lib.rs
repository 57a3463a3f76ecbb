//! The operator's side of the product, as a library: imports catalogs and records the reports of
//! the build pipeline. The functions do not depend on this crate, so they can do neither.
//!
//! | module | holds |
//! | --- | --- |
//! | [`catalog_file`] | the JSON format of catalogs |
//! | [`import`] | checking a file against the table, and writing it |
//! | [`records`] | the records that an import writes |
//! | [`pipeline`] | build results, and the status of customizations |

pub mod catalog_file;
pub mod import;
pub mod pipeline;
pub mod records;
