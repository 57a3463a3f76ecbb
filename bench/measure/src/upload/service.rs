//! As `write-customizations` does it.

use archive::ArchiveLimits;
use bytes::Bytes;
use shared::{
    domain::Digest,
    form::{Form, FormLimits},
    lambda::Event,
};

use crate::Outcome;

/// The whole way.
///
/// # Errors
///
/// The upload is refused.
pub fn validated(event: &[u8]) -> Outcome<Digest> {
    let file = form(&self::event(event)?)?;
    archive(&file)?;
    Ok(Digest::of(&file))
}

/// The event, its body decoded.
///
/// # Errors
///
/// It is no event.
pub fn event(event: &[u8]) -> Outcome<Event> {
    super::deserialize(event)
}

/// The file in the form.
///
/// # Errors
///
/// The form is refused.
pub fn form(event: &Event) -> Outcome<Bytes> {
    let request = &event.request;
    let form = Form::read(&request.headers, &request.body, &FormLimits::PRODUCTION)?;
    let file = form.file.filter(|_| form.violations.is_empty()).ok_or("the form is refused")?;
    Ok(file.content)
}

/// Checks an archive.
///
/// # Errors
///
/// The archive is refused.
pub fn archive(file: &Bytes) -> Outcome {
    archive::check(&file[..], &ArchiveLimits::FORM, |_| ())?;
    Ok(())
}
