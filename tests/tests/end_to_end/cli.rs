//! The user's command, `customizations`, against the whole stack.

mod archives;
mod builds;
mod faults;
mod github_actions;
mod journey;
mod settings;
mod terminal;
mod tokens;

/// A file that no form can hold, in a folder.
fn large_file() -> Vec<u8> {
    let mut bytes = vec![0; 6_000_000];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes
}
