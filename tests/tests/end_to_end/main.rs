//! End-to-end tests over HTTP against the real binaries, and of the commands.
//!
//! Each module is one subject: `cargo test -p tests --test end_to_end -- faults::` runs one.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

mod audiences;
mod cli;
mod commands;
mod contract;
mod corrupt_items;
mod costs;
mod events;
mod faults;
mod forms;
mod gateway;
mod idempotency;
mod imports;
mod interleavings;
mod journey;
mod jwks;
mod kills;
mod lists;
mod logs;
mod metrics;
mod outages;
mod paging;
mod published_key;
mod reference;
mod removals;
mod responses;
mod roles;
mod routes;
mod smoke;
mod stores;
mod template;
mod tenants;
mod tls;
mod tokens;
mod updates;
mod uploads;
