//! `POST /v1/catalogs/{catalog_id}/customizations`: creates a customization from an uploaded
//! archive.

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use shared::{
    app::{App, AuthorizedRequest},
    domain::{
        Artifact, Customization, CustomizationId, CustomizationStatus, Digest, Filter, Timestamp,
        Version,
    },
    form::{File, Form, FormKind, FormLimits},
    metrics,
    problem::Problem,
    response::{self, Response, ResponseError},
    routes::Operation,
    storage::{
        CreateError, IdempotencyKey, IdempotencyRecord, ReferenceIds, ResolvedReferences,
        StorageError,
    },
    telemetry,
    view::{self, CustomizationSummary},
    violation::Violation,
};
use uuid::Uuid;

use crate::{
    archive_check::{self, CheckedFile},
    artifact, idempotency,
};

const LIMITS: FormLimits = FormLimits::PRODUCTION;

/// A valid new customization.
struct NewCustomization {
    file: File,
    digest: Digest,
    name: String,
    description: Option<String>,
    filter: Option<Filter>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Checks an upload, then stores its file, then writes its record.
pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    let (headers, body) = (&request.request.headers, &request.request.body);
    let form = Form::read(FormKind::Create, headers, body, &LIMITS);
    let read_form = form.as_ref().ok();
    // The archive is checked while the catalog is read.
    let references = ReferenceIds::of_filter(read_form.and_then(|form| form.filter.as_ref()));
    let (references, checked_file) = tokio::join!(
        app.require_catalog_with_references(request, &references),
        archive_check::check(read_form),
    );
    let references = references?;
    let mut form = form?;
    let key = idempotency::key(headers, &request.caller.user, &mut form.violations);
    let new = NewCustomization::validate(form, checked_file?, &references, key)?;

    let fingerprint = new.fingerprint()?;
    let (record, released) = tokio::join!(
        idempotency::find(app, request, new.idempotency_key),
        any_released(app, request, new.filter.as_ref()),
    );
    if let Some(record) = record? {
        return replay(&record, fingerprint);
    }
    let file = artifact::find(app, request, &new.file.content).await?;
    if !released? {
        return Err(Problem::ApplicationNotReleased);
    }
    let file_bytes = file.store(app, request, new.digest).await?;

    let key = new.idempotency_key;
    let customization = new.into_customization(request);
    let record =
        key.map(|key| (key, IdempotencyRecord::new(fingerprint, Some(customization.clone()))));
    let record = record.as_ref().map(|(key, record)| (*key, record));
    match app.customizations.create(&request.caller.organization, &customization, record).await {
        Ok(()) => {
            metrics::created(file_bytes);
            Ok(created(&customization)?)
        }
        Err(CreateError::CatalogGone) => Err(Problem::CatalogNotFound),
        Err(CreateError::KeyUsed(record)) => replay(&record, fingerprint),
        Err(CreateError::Storage(error)) => Err(error.into()),
    }
}

/// Returns true if the customization affects a released application. A customization without a
/// filter is always accepted.
async fn any_released(
    app: &App,
    request: &AuthorizedRequest<'_>,
    filter: Option<&Filter>,
) -> Result<bool, StorageError> {
    match filter {
        Some(filter) => app.catalogs.any_released(&request.catalog_id, filter).await,
        None => Ok(true),
    }
}

impl NewCustomization {
    /// Combines the checked parts of a new customization, or reports the violations of all fields
    /// together.
    fn validate(
        form: Form,
        checked_file: CheckedFile,
        references: &ResolvedReferences,
        idempotency_key: Option<IdempotencyKey>,
    ) -> Result<Self, Problem> {
        let Form { file, name, description, filter, mut violations, .. } = form;
        violations.extend(checked_file.violations);
        violations.extend(unknown_references(filter.as_ref(), references));
        let (Some(file), Some(digest), true) = (file, checked_file.digest, violations.is_empty())
        else {
            return Err(Problem::Validation(violations));
        };
        let name =
            name.unwrap_or_else(|| file.name.stem().chars().take(LIMITS.name_characters).collect());
        let description = description.filter(|text| !text.is_empty());
        Ok(Self { file, digest, name, description, filter, idempotency_key })
    }

    /// The digest of the operation's name and all fields.
    fn fingerprint(&self) -> Result<Digest, ResponseError> {
        #[derive(Serialize)]
        struct Fields<'a> {
            operation: String,
            digest: Digest,
            filename: &'a str,
            name: &'a str,
            description: Option<&'a str>,
            filter: Option<&'a Filter>,
        }
        let fields = Fields {
            operation: format!("{:?}", Operation::CreateCustomization),
            digest: self.digest,
            filename: self.file.name.as_str(),
            name: &self.name,
            description: self.description.as_deref(),
            filter: self.filter.as_ref(),
        };
        Ok(Digest::of(serde_json::to_string(&fields)?.as_bytes()))
    }

    fn into_customization(self, request: &AuthorizedRequest<'_>) -> Customization {
        Customization {
            id: CustomizationId::generate(),
            version: Version::FIRST,
            artifact: Artifact { id: self.digest, filename: self.file.name },
            name: self.name,
            description: self.description,
            catalog_id: request.catalog_id.clone(),
            status: CustomizationStatus::CREATED,
            filter: self.filter,
            created_by: request.caller.user.clone(),
            created_at: Timestamp::now(),
            updated_by: None,
            updated_at: None,
            removed_by: None,
            removed_at: None,
            uploaded: None,
            revision: 1,
            change_id: Uuid::new_v4(),
        }
    }
}

/// The violations of a filter whose base image or product does not exist.
fn unknown_references(filter: Option<&Filter>, references: &ResolvedReferences) -> Vec<Violation> {
    let mut violations = Vec::new();
    let Some(filter) = filter else { return violations };
    if filter.base_image_id().is_some_and(|id| references.base_image(id).is_err()) {
        violations.push(Violation::new("filter.base_image_id", "there is no such base image"));
    }
    if filter.product_key().is_some_and(|key| references.product(key).is_err()) {
        violations.push(Violation::new("filter.product_key", "there is no such product"));
    }
    violations
}

/// Repeats the first response for the idempotency key if this request is the same.
fn replay(record: &IdempotencyRecord, fingerprint: Digest) -> Result<Response, Problem> {
    match &record.customization {
        Some(customization) if record.fingerprint == fingerprint => Ok(created(customization)?),
        _ => Err(Problem::IdempotencyKeyReused),
    }
}

fn created(customization: &Customization) -> Result<Response, ResponseError> {
    telemetry::record_customization(&customization.id);
    let body = CustomizationSummary::from(customization);
    let mut response = response::json(StatusCode::CREATED, &body)?;
    let location = HeaderValue::try_from(view::customization_path(customization))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
