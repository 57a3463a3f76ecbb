//! `PATCH /v1/catalogs/{catalog_id}/customizations/{customization_id}`: makes a new version of a
//! customization from an uploaded archive, or changes its name or description.

use serde::Serialize;
use shared::{
    app::{App, AuthorizedRequest},
    domain::{Artifact, Change, Customization, CustomizationId, Digest, Timestamp},
    form::{File, Form, FormKind, FormLimits},
    metrics,
    problem::Problem,
    response::{self, Response, ResponseError},
    routes::Operation,
    storage::{IdempotencyKey, IdempotencyRecord, UpdateConditions, UpdateError},
};

use crate::{
    archive_check::{self, CheckedFile},
    artifact, idempotency,
};

/// A valid update.
struct Update {
    change: Change,
    /// The file of the change's artifact.
    file: Option<File>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Checks an update, then stores its file, then writes the record and the replaced version.
pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    let (headers, body) = (&request.request.headers, &request.request.body);
    let form = Form::read(FormKind::Update, headers, body, &FormLimits::PRODUCTION);
    // The archive is checked while the customization is read.
    let (stored, checked_file) =
        tokio::join!(app.require_customization(request), archive_check::check(form.as_ref().ok()));
    let stored = stored?;
    let mut form = form?;
    let key = idempotency::key(headers, &request.caller.user, &mut form.violations);
    let Update { change, file, idempotency_key } = Update::validate(form, checked_file?, key)?;

    let fingerprint = fingerprint(stored.customization.id, &change)?;
    if let Some(record) = idempotency::find(app, request, idempotency_key).await? {
        return replay(&record, fingerprint);
    }
    if stored.customization.is_removed() {
        return Err(Problem::CustomizationRemoved);
    }

    let file_bytes = match (&file, &change.artifact) {
        (Some(file), Some(artifact)) => {
            let file = artifact::find(app, request, &file.content).await?;
            Some(file.store(app, request, artifact.id).await?)
        }
        _ => None,
    };
    let record = IdempotencyRecord::new(fingerprint, None);
    let conditions = UpdateConditions {
        owner: Some(&request.caller.organization),
        idempotency: idempotency_key.map(|key| (key, &record)),
    };
    let user = &request.caller.user;
    let apply =
        |customization: &mut Customization| customization.change(&change, user, Timestamp::now());
    match app.customizations.update("update customization", stored, conditions, apply).await {
        Ok(()) => {
            if let Some(bytes) = file_bytes {
                metrics::new_version(bytes);
            }
            Ok(response::no_content())
        }
        Err(UpdateError::KeyUsed(record)) => replay(&record, fingerprint),
        Err(error) => Err(error.into()),
    }
}

impl Update {
    /// Combines the checked parts of an update, or reports the violations of all fields together.
    fn validate(
        form: Form,
        checked_file: CheckedFile,
        idempotency_key: Option<IdempotencyKey>,
    ) -> Result<Self, Problem> {
        let Form { file, name, description, mut violations, .. } = form;
        violations.extend(checked_file.violations);
        if !violations.is_empty() {
            return Err(Problem::Validation(violations));
        }
        let artifact = file.as_ref().zip(checked_file.digest);
        let artifact = artifact.map(|(file, id)| Artifact { id, filename: file.name.clone() });
        Ok(Self { change: Change { artifact, name, description }, file, idempotency_key })
    }
}

/// The digest of the operation's name, the customization and all fields of the change.
fn fingerprint(id: CustomizationId, change: &Change) -> Result<Digest, ResponseError> {
    #[derive(Serialize)]
    struct Fields<'a> {
        operation: String,
        customization_id: CustomizationId,
        artifact: Option<&'a Artifact>,
        name: Option<&'a str>,
        description: Option<&'a str>,
    }
    let fields = Fields {
        operation: format!("{:?}", Operation::UpdateCustomization),
        customization_id: id,
        artifact: change.artifact.as_ref(),
        name: change.name.as_deref(),
        description: change.description.as_deref(),
    };
    Ok(Digest::of(serde_json::to_string(&fields)?.as_bytes()))
}

/// Repeats the first response for the idempotency key if this request is the same.
fn replay(record: &IdempotencyRecord, fingerprint: Digest) -> Result<Response, Problem> {
    if record.fingerprint == fingerprint {
        Ok(response::no_content())
    } else {
        Err(Problem::IdempotencyKeyReused)
    }
}
