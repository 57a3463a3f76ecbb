//! The ways from an event's bytes to a validated upload: the service's, and what it is measured
//! against.

use std::{
    io::{self, Read},
    path::Component,
};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use futures_util::{FutureExt, stream};
use lambda_http::{Body, RequestExt, request::LambdaRequest};
use multer::Multipart;
use serde::de::DeserializeOwned;
use shared::{
    http::Event,
    id::Digest,
    validation::{
        archive,
        form::{Form, Limits},
    },
};

use crate::Outcome;

/// Bytes of the buffer that [`Base`] inflates into.
const BUFFER: usize = 256 * 1024;

/// The least that must be done with an archive: inflated once, by the same library, and hashed
/// once. Nothing is parsed and nothing is checked but gzip's own checksum.
#[derive(Debug)]
pub struct Base(Box<[u8]>);

impl Default for Base {
    fn default() -> Self {
        Self(vec![0; BUFFER].into_boxed_slice())
    }
}

impl Base {
    /// The unpacked bytes and the digest.
    ///
    /// # Errors
    ///
    /// It is no archive.
    pub fn run(&mut self, archive: &[u8]) -> io::Result<(usize, Digest)> {
        let mut gzip = GzDecoder::new(archive);
        let mut unpacked = 0;
        loop {
            match gzip.read(&mut self.0)? {
                0 => return Ok((unpacked, Digest::of(archive))),
                read => unpacked += read,
            }
        }
    }
}

/// As `create-customization` does it.
///
/// # Errors
///
/// The upload is refused.
pub fn service(event: &[u8]) -> Outcome<Digest> {
    let event: Event = deserialize(event)?;
    let body = event.request.body().as_ref().map_err(|error| *error);
    let form = Form::read(event.request.headers(), body, &Limits::PRODUCTION)?;
    let file = form.file.filter(|_| form.violations.is_empty()).ok_or("the form is refused")?;
    archive::check(&file.content, &archive::Limits::PRODUCTION)?;
    Ok(Digest::of(&file.content))
}

/// As it is done with the crates that one would take first: `lambda_http`, `multer`, `tar`. It
/// checks a small part of what the service checks.
///
/// # Errors
///
/// The upload is refused.
pub fn plain(event: &[u8]) -> Outcome<Digest> {
    let event: LambdaRequest = deserialize(event)?;
    let request: lambda_http::Request = event.into();
    let content_type = request.headers().get("content-type").ok_or("no content type")?;
    let boundary = multer::parse_boundary(content_type.to_str()?)?;
    let _catalog = request.path_parameters_ref().and_then(|all| all.first("catalog_id"));
    let body = match request.into_body() {
        Body::Binary(body) => Bytes::from(body),
        Body::Text(body) => Bytes::from(body),
        _ => Bytes::new(),
    };
    // All of the body is there: nothing is waited for.
    let file = plain_file(body, boundary).now_or_never().ok_or("the form waits")??;
    let mut tar = tar::Archive::new(GzDecoder::new(&*file));
    for entry in tar.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let sound = entry.path()?.components().all(|part| matches!(part, Component::Normal(_)));
        if !sound || !(kind.is_file() || kind.is_dir()) {
            return Err("the archive is refused".into());
        }
    }
    Ok(Digest::of(&file))
}

async fn plain_file(body: Bytes, boundary: String) -> Outcome<Bytes> {
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

/// An event, as `lambda_runtime` deserializes it.
fn deserialize<T: DeserializeOwned>(event: &[u8]) -> Outcome<T> {
    Ok(serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(event))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{archive::Archive, event::Caller};

    #[test]
    fn all_ways_lead_to_the_same_digest() {
        let caller = Caller { token: "token".to_owned(), catalog_id: "catalog".to_owned() };
        let archive = Archive::SMALL.bytes().unwrap();
        let event = caller.create(&archive, None).unwrap();
        let (_, digest) = Base::default().run(&archive).unwrap();
        assert_eq!(service(&event).unwrap(), digest);
        assert_eq!(plain(&event).unwrap(), digest);
    }
}
