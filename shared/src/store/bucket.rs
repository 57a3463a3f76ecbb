//! The bucket: the bytes of every upload, at `{catalog_id}/{sha256}`.

use std::{sync::OnceLock, time::Duration};

use aws_sdk_s3::{
    Client, config::Builder, error::SdkError, presigning::PresigningConfig, primitives::ByteStream,
};
use aws_types::SdkConfig;
use bytes::Bytes;

use super::{StoreError, attempts::Attempts, backoff::Backoff};
use crate::{
    file_name::FileName,
    id::{Digest, Id},
    metrics::Dependency,
};

/// How long a download link works.
const LINK_LIFETIME: Duration = Duration::from_mins(10);

/// The bucket that customizations' bytes are in.
#[derive(Clone, Debug)]
pub struct Bucket {
    config: SdkConfig,
    /// Made when it is first needed: that takes as long as all else that a start does, and most
    /// requests need none.
    client: OnceLock<Client>,
    name: String,
}

impl Bucket {
    /// The bucket `name`.
    #[must_use]
    pub fn new(config: SdkConfig, name: String) -> Self {
        Self { config, client: OnceLock::new(), name }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = Builder::from(&self.config).interceptor(Attempts(Dependency::S3));
            Client::from_conf(config.build())
        })
    }

    fn key(catalog_id: &Id, digest: Digest) -> String {
        format!("{catalog_id}/{digest}")
    }

    /// Keeps `bytes`, whose SHA-256 is `digest`. Where they are kept already, nothing happens: the
    /// same name is the same bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn put(
        &self,
        catalog_id: &Id,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let mut backoff = Backoff::new();
        loop {
            let outcome = self
                .client()
                .put_object()
                .bucket(&self.name)
                .key(Self::key(catalog_id, digest))
                .if_none_match("*")
                .content_type("application/gzip")
                .checksum_sha256(digest.to_base64())
                .body(ByteStream::from(bytes.clone()))
                .customize()
                // S3 verifies the checksum; signing the bytes would hash them a second time.
                .disable_payload_signing()
                .send()
                .await;
            let Err(error) = outcome else { return Ok(()) };
            let again = match error.raw_response().map(|response| response.status().as_u16()) {
                Some(412) => return Ok(()),
                // Another writer of the same key: its bytes will be there, or its write fails.
                Some(409) => backoff.next().await,
                _ => false,
            };
            if !again {
                return Err(StoreError::new("put object", error));
            }
        }
    }

    /// Whether bytes with the SHA-256 `digest` are kept for the catalog.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn holds(&self, catalog_id: &Id, digest: Digest) -> Result<bool, StoreError> {
        let outcome = self
            .client()
            .head_object()
            .bucket(&self.name)
            .key(Self::key(catalog_id, digest))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(false),
            Err(error) => Err(StoreError::new("head object", error)),
        }
    }

    /// A link to download the bytes with, for ten minutes, that names the download `file_name`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if there are no credentials to sign it with.
    pub async fn link(
        &self,
        catalog_id: &Id,
        digest: Digest,
        file_name: &FileName,
    ) -> Result<String, StoreError> {
        const OPERATION: &str = "presign get object";
        let lifetime = PresigningConfig::expires_in(LINK_LIFETIME)
            .map_err(|error| StoreError::Refused { operation: OPERATION, source: error.into() })?;
        let request = self
            .client()
            .get_object()
            .bucket(&self.name)
            .key(Self::key(catalog_id, digest))
            .response_content_disposition(file_name.content_disposition())
            .presigned(lifetime)
            .await
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(request.uri().to_owned())
    }
}
