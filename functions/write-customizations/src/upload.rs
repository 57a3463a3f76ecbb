//! What an upload must be: what its form, its archive and the catalog say of it.

use archive::ArchiveLimits;
use shared::{
    app::App,
    customization::Filter,
    http::Request,
    id::{Digest, Id},
    metrics,
    problem::{Problem, Violation},
    store::{Receipt, StoreError, Wanted},
    validation::form::{self, File, Form, FormError},
};
use tracing::Span;

use crate::idempotency;

/// An upload that may be kept.
pub(crate) struct Upload {
    pub(crate) file: File,
    pub(crate) digest: Digest,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) filter: Option<Filter>,
    /// Whether the filter leaves anything to rebuild, if that is known yet.
    released: Option<bool>,
    /// The digest of the request's idempotency key.
    pub(crate) idempotency_key: Option<Digest>,
    /// What was answered under that key before.
    pub(crate) receipt: Option<Receipt>,
}

impl Upload {
    /// Reads and checks the upload in `request`, which is for the catalog `catalog_id`. The table
    /// is asked while the archive is looked through.
    pub(crate) async fn check(
        app: &App,
        catalog_id: &Id,
        request: &Request,
    ) -> Result<Self, Problem> {
        let limits = form::Limits::PRODUCTION;
        let body = request.body().as_ref().map_err(|error| *error);
        let form = Form::read(request.headers(), body, &limits).map_err(unreadable)?;
        let Form { file, name, description, filter, mut violations } = form;
        let idempotency_key = idempotency::key(request.headers()).unwrap_or_else(|violation| {
            violations.push(violation);
            None
        });

        let (archive, matches, receipt) = tokio::join!(
            check_archive(file.as_ref()),
            check_filter(app, catalog_id, filter.as_ref()),
            find_receipt(app, catalog_id, idempotency_key),
        );
        let (digest, archive_violation) = archive?.unzip();
        let matches = matches?;
        violations.extend(archive_violation.flatten());
        violations.extend(matches.violations);
        let (Some(file), Some(digest), true) = (file, digest, violations.is_empty()) else {
            return Err(Problem::Validation(violations));
        };
        let name =
            name.unwrap_or_else(|| file.name.stem().chars().take(limits.name_characters).collect());
        let (released, receipt) = (matches.released, receipt?);
        Ok(Self { file, digest, name, description, filter, released, idempotency_key, receipt })
    }

    /// Whether there is an application that the filter matches and that has been released.
    pub(crate) async fn anything_to_rebuild(
        &self,
        app: &App,
        catalog_id: &Id,
    ) -> Result<bool, Problem> {
        match (self.released, &self.filter) {
            (None, Some(filter)) => {
                let released = app.table.any_released(catalog_id, filter, usize::MAX).await?;
                Ok(released == Some(true))
            }
            (released, _) => Ok(released == Some(true)),
        }
    }
}

/// The problem of a body that is no form.
fn unreadable(error: FormError) -> Problem {
    match error {
        FormError::NotAForm => Problem::UnsupportedMediaType,
        FormError::TooLarge => Problem::PayloadTooLarge,
        FormError::Malformed(message) => Problem::Validation(vec![Violation::new("body", message)]),
    }
}

/// The digest of the file, if there is one, and what is wrong with the archive in it. Both need
/// the processor for long, so they do not stand in the way of what waits for the network.
async fn check_archive(
    file: Option<&File>,
) -> Result<Option<(Digest, Option<Violation>)>, Problem> {
    let Some(file) = file else { return Ok(None) };
    let content = file.content.clone();
    let request = Span::current();
    let check = move || {
        let _request = request.entered();
        let error = tracing::debug_span!("archive")
            .in_scope(|| archive::check(&content[..], &ArchiveLimits::FORM, |_| ()))
            .inspect_err(|error| metrics::archive_refused(error.rule()))
            .err();
        (Digest::of(&content), error.map(|error| Violation::new("file", error.to_string())))
    };
    let outcome = tokio::task::spawn_blocking(check).await;
    outcome.map(Some).map_err(|panic| Problem::Internal(panic.into()))
}

async fn find_receipt(
    app: &App,
    catalog_id: &Id,
    idempotency_key: Option<Digest>,
) -> Result<Option<Receipt>, StoreError> {
    match idempotency_key {
        Some(key) => app.table.receipt(catalog_id, key).await,
        None => Ok(None),
    }
}

/// How many pages of applications are gone through while it is not known yet whose they are: how
/// much there is of another organization's cannot be told from what is asked.
const PAGES_BEFORE_OWNERSHIP: usize = 1;

/// What a filter matches.
struct Matches {
    violations: Vec<Violation>,
    /// Whether it leaves anything to rebuild, if the first page tells.
    released: Option<bool>,
}

async fn check_filter(
    app: &App,
    catalog_id: &Id,
    filter: Option<&Filter>,
) -> Result<Matches, StoreError> {
    // A global customization is always accepted.
    let Some(filter) = filter else {
        return Ok(Matches { violations: vec![], released: Some(true) });
    };
    let mut wanted = Wanted::default();
    wanted.add_filter(filter);
    let (references, released) = tokio::try_join!(
        app.table.references(&wanted),
        app.table.any_released(catalog_id, filter, PAGES_BEFORE_OWNERSHIP),
    )?;
    let mut violations = Vec::new();
    if filter.base_image_id().is_some_and(|id| references.base_image(id).is_err()) {
        violations.push(Violation::new("filter.base_image_id", "there is no such base image"));
    }
    if filter.product_key().is_some_and(|key| references.product(key).is_err()) {
        violations.push(Violation::new("filter.product_key", "there is no such product"));
    }
    Ok(Matches { violations, released })
}
