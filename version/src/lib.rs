//! The text of `--version` for every command.

#[doc(hidden)]
pub use git_version::git_version;

/// Returns the version of the calling crate, with the commit that it was built from:
///
/// - `0.1.0 (ad65f3b)`: built from this commit;
/// - `0.1.0 (ad65f3b-modified)`: built from changed files;
/// - `0.1.0`: built without git or without a repository, such as from a source archive.
///
/// Call it only in a command's `main.rs`, so that a commit does not recompile other files.
#[macro_export]
macro_rules! version {
    () => {
        $crate::git_version!(
            // The commit without a tag: the tag of a release would only repeat the version.
            args = ["--always", "--exclude=*", "--dirty=-modified"],
            prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
            suffix = ")",
            fallback = env!("CARGO_PKG_VERSION")
        )
    };
}
