//! A plain implementation with the most popular crates: `lambda_http`, `multer` and `tar`. It
//! checks a small part of what the service checks.

use std::{io, path::Component};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use futures_util::{FutureExt, stream};
use lambda_http::{Body, Request, RequestExt, request::LambdaRequest};
use multer::Multipart;
use shared::domain::Digest;

use crate::Result;

/// Body of a request, and the boundary of its parts.
#[derive(Clone, Debug)]
pub struct Upload {
    body: Bytes,
    boundary: String,
}

/// Validates an upload and returns the digest of the file.
///
/// # Errors
///
/// The upload is invalid.
pub fn validate(event: &[u8]) -> Result<Digest> {
    let file = parse_form(parse_event(event)?)?;
    check_archive(&file)?;
    Ok(Digest::of(&file))
}

/// Parses an event and decodes its body.
///
/// # Errors
///
/// The event is invalid, or has no form.
pub fn parse_event(event: &[u8]) -> Result<Upload> {
    let request: Request = super::deserialize::<LambdaRequest>(event)?.into();
    request
        .path_parameters_ref()
        .and_then(|all| all.first("catalog_id"))
        .ok_or("the event has no catalog")?;
    let content_type =
        request.headers().get("content-type").ok_or("the event has no content type")?;
    let boundary = multer::parse_boundary(content_type.to_str()?)?;
    let body = match request.into_body() {
        Body::Binary(body) => Bytes::from(body),
        Body::Text(body) => Bytes::from(body),
        _ => Bytes::new(),
    };
    Ok(Upload { body, boundary })
}

/// Parses a form and returns its file.
///
/// # Errors
///
/// The form is invalid.
pub fn parse_form(upload: Upload) -> Result<Bytes> {
    // The body is in memory, so the future never waits.
    read_form(upload).now_or_never().ok_or("the form is incomplete")?
}

async fn read_form(Upload { body, boundary }: Upload) -> Result<Bytes> {
    let mut form = Multipart::new(stream::iter([io::Result::Ok(body)]), boundary);
    let mut file = None;
    while let Some(field) = form.next_field().await? {
        if field.name() == Some("file") {
            file = Some(field.bytes().await?);
        } else {
            field.text().await?;
        }
    }
    Ok(file.ok_or("the form has no file")?)
}

/// Checks an archive.
///
/// # Errors
///
/// The archive is invalid.
pub fn check_archive(file: &Bytes) -> Result {
    let mut tar = tar::Archive::new(GzDecoder::new(&**file));
    for entry in tar.entries()? {
        let entry = entry?;
        let entry_type = entry.header().entry_type();
        let is_safe = entry.path()?.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_safe || !(entry_type.is_file() || entry_type.is_dir()) {
            return Err("the archive is invalid".into());
        }
    }
    Ok(())
}
