//! Archives, events, statistics and tables for measuring the service's speed.
//!
//! | module | contents |
//! | --- | --- |
//! | [`archive`] | archives to upload |
//! | [`event`] | events of API Gateway with these archives |
//! | [`upload`] | the validation of an upload: the service's code and two baselines |
//! | [`samples`] | measured durations and their statistics |
//! | [`table`] | tables of results |
//!
//! `cargo bench` measures the validation of an upload, which needs only the CPU. The command
//! `bench` measures the real functions, and loads the whole stack.

pub mod archive;
pub mod event;
pub mod samples;
pub mod table;
pub mod upload;

/// Result of a measurement. An error ends the run.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
