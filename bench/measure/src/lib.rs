//! What the service's speed is measured with.
//!
//! | module | holds |
//! | --- | --- |
//! | [`archive`] | the archives that are uploaded |
//! | [`event`] | the events that carry them, as API Gateway sends them |
//! | [`upload`] | the ways from an event to a validated upload: the service's, and its baselines |
//! | [`samples`] | many measurements of one thing |
//! | [`table`] | results as they are printed |
//!
//! `cargo bench` measures what is only the processor's; the command `bench` drives the
//! real functions, and puts load on the whole stack.

pub mod archive;
pub mod event;
pub mod samples;
pub mod table;
pub mod upload;

/// What a measurement gives, or why it cannot be made: then it ends.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
