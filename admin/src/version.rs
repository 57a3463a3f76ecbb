//! What every command's `--version` says.

#[doc(hidden)]
pub use git_version::git_version;

/// The version of the command that this stands in, with the commit that it was built from:
/// `0.1.0 (ad65f3b)`; `0.1.0 (ad65f3b-modified)` where files were changed since, and `0.1.0` alone
/// where there is no git or no repository, as in an unpacked archive of the source.
///
/// To be called in a command's `main.rs`, so that nothing else is compiled again after a commit.
#[macro_export]
macro_rules! version {
    () => {
        $crate::version::git_version!(
            // The commit alone: a release's tag would only say the version again.
            args = ["--always", "--exclude=*", "--dirty=-modified"],
            prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
            suffix = ")",
            fallback = env!("CARGO_PKG_VERSION")
        )
    };
}
