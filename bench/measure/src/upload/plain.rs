//! As it is done with the crates that one would take first: `lambda_http`, `multer` and `tar`. It
//! checks a small part of what the service checks.

use std::{io, path::Component};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use futures_util::{FutureExt, stream};
use lambda_http::{Body, Request, RequestExt, request::LambdaRequest};
use multer::Multipart;
use shared::domain::Digest;

use crate::Outcome;

/// The body of a request, and what separates its parts.
#[derive(Clone, Debug)]
pub struct Upload {
    body: Bytes,
    boundary: String,
}

/// The whole way.
///
/// # Errors
///
/// The upload is refused.
pub fn validated(event: &[u8]) -> Outcome<Digest> {
    let file = form(self::event(event)?)?;
    archive(&file)?;
    Ok(Digest::of(&file))
}

/// What is uploaded, decoded.
///
/// # Errors
///
/// It is no event, or has no form.
pub fn event(event: &[u8]) -> Outcome<Upload> {
    let request: Request = super::deserialize::<LambdaRequest>(event)?.into();
    request.path_parameters_ref().and_then(|all| all.first("catalog_id")).ok_or("no catalog")?;
    let content_type = request.headers().get("content-type").ok_or("no content type")?;
    let boundary = multer::parse_boundary(content_type.to_str()?)?;
    let body = match request.into_body() {
        Body::Binary(body) => Bytes::from(body),
        Body::Text(body) => Bytes::from(body),
        _ => Bytes::new(),
    };
    Ok(Upload { body, boundary })
}

/// The file in the form.
///
/// # Errors
///
/// The form is refused.
pub fn form(upload: Upload) -> Outcome<Bytes> {
    // All of the body is there: nothing is waited for.
    read(upload).now_or_never().ok_or("the form waits")?
}

async fn read(Upload { body, boundary }: Upload) -> Outcome<Bytes> {
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
/// The archive is refused.
pub fn archive(file: &Bytes) -> Outcome {
    let mut tar = tar::Archive::new(GzDecoder::new(&**file));
    for entry in tar.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let sound = entry.path()?.components().all(|part| matches!(part, Component::Normal(_)));
        if !sound || !(kind.is_file() || kind.is_dir()) {
            return Err("the archive is refused".into());
        }
    }
    Ok(())
}
