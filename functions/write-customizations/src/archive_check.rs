//! Checks the uploaded archive and computes its digest.

use archive::ArchiveLimits;
use shared::{domain::Digest, form::File, metrics, problem::Problem, violation::Violation};
use tracing::{Span, debug_span};

/// The result of checking an uploaded file.
pub(crate) struct CheckedFile {
    /// The SHA-256 of the file.
    pub(crate) digest: Digest,
    /// The violation, if the archive breaks a rule.
    pub(crate) violation: Option<Violation>,
}

/// Checks `file` on a separate thread: the check is CPU-bound and must not block the concurrent
/// requests to the stores.
pub(crate) async fn check(file: &File) -> Result<CheckedFile, Problem> {
    let content = file.content.clone();
    let request_span = Span::current();
    let check = move || {
        let _entered = request_span.entered();
        let violation = debug_span!("archive")
            .in_scope(|| archive::check(&content[..], &ArchiveLimits::FORM, |_| ()))
            .inspect_err(|error| metrics::archive_refused(error.rule()))
            .err()
            .map(|error| Violation::new("file", error.to_string()));
        CheckedFile { digest: Digest::of(&content), violation }
    };
    let result = tokio::task::spawn_blocking(check).await;
    result.map_err(|panic| Problem::Internal(panic.into()))
}
