//! The product from outside: over HTTP against the real binaries, and by its commands.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

mod answers;
mod archives;
mod commands;
mod contract;
mod events;
mod forms;
mod idempotency;
mod journey;
mod keys;
mod logs;
mod paging;
mod tenants;
mod tokens;
