//! Checks the uploaded archive and computes its digest.

use archive::ArchiveLimits;
use shared::{domain::Digest, form::Form, metrics, problem::Problem, violation::Violation};
use tracing::{Span, debug_span};

/// The result of checking an uploaded file.
pub(crate) struct CheckedFile {
    /// The SHA-256 of the file.
    pub(crate) digest: Digest,
    /// The violations, if the archive breaks a rule or has another SHA-256 than the form says.
    pub(crate) violations: Vec<Violation>,
}

/// Checks the file of `form`, if there is one, on a separate thread: the check is CPU-bound and
/// must not block the concurrent requests to the stores.
pub(crate) async fn check(form: Option<&Form>) -> Result<Option<CheckedFile>, Problem> {
    let Some((form, file)) = form.and_then(|form| Some((form, form.file.as_ref()?))) else {
        return Ok(None);
    };
    let (content, expected_digest) = (file.content.clone(), form.sha256);
    let request_span = Span::current();
    let check = move || {
        let _entered = request_span.entered();
        let violation = debug_span!("archive")
            .in_scope(|| archive::check(&content[..], &ArchiveLimits::FORM, |_| ()))
            .inspect_err(|error| metrics::archive_refused(error.rule()))
            .err()
            .map(|error| Violation::new("file", error.to_string()));
        let digest = Digest::of(&content);
        let mismatch = expected_digest.filter(|expected| *expected != digest).map(|_| {
            let message = format!("differs from the SHA-256 of the received file, {digest}");
            Violation::new("sha256", message)
        });
        CheckedFile { digest, violations: violation.into_iter().chain(mismatch).collect() }
    };
    let result = tokio::task::spawn_blocking(check).await;
    result.map(Some).map_err(|panic| Problem::Internal(panic.into()))
}
