//! The implementation of `write-customizations`.

use archive::ArchiveLimits;
use bytes::Bytes;
use shared::{
    domain::Digest,
    form::{Content, Form, FormKind, FormLimits},
    lambda::Event,
};

use crate::Result;

/// Validates an upload and returns the digest of the file.
///
/// # Errors
///
/// The upload is invalid.
pub fn validate(event: &[u8]) -> Result<Digest> {
    let file = parse_form(&parse_event(event)?)?;
    check_archive(&file)?;
    Ok(Digest::of(&file))
}

/// Parses an event and decodes its body.
///
/// # Errors
///
/// The event is invalid.
pub fn parse_event(event: &[u8]) -> Result<Event> {
    super::deserialize(event)
}

/// Parses a form and returns its file.
///
/// # Errors
///
/// The form is invalid.
pub fn parse_form(event: &Event) -> Result<Bytes> {
    let request = &event.request;
    let form =
        Form::read(FormKind::Create, &request.headers, &request.body, &FormLimits::PRODUCTION)?;
    let file = form.file.filter(|_| form.violations.is_empty()).ok_or("the form is invalid")?;
    match file.content {
        Content::Sent(bytes) => Ok(bytes),
        Content::Uploaded(_) => Err("the form holds no file".into()),
    }
}

/// Checks an archive.
///
/// # Errors
///
/// The archive is invalid.
pub fn check_archive(file: &Bytes) -> Result {
    archive::check(&file[..], &ArchiveLimits::FORM, |_| ())?;
    Ok(())
}
