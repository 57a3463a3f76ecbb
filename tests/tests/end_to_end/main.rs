//! The product from outside: over HTTP against the real binaries, and by its commands.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

mod archives;
mod commands;
mod contract;
mod events;
mod idempotency;
mod journey;
mod paging;
mod tenants;
