//! Artifacts: the uploaded files in the S3 bucket, at `{catalog_id}/{sha256}`.
//!
//! | module | holds |
//! | --- | --- |
//! | `direct_upload` | large files, which clients upload directly to a bucket of their own |

mod direct_upload;

pub use self::direct_upload::{PresignedUpload, UploadedFile};

use std::{sync::OnceLock, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{Builder, ResponseChecksumValidation},
    error::SdkError,
    presigning::PresigningConfig,
    primitives::ByteStream,
};
use aws_types::SdkConfig;
use bytes::Bytes;

use super::{attempt_metrics::AttemptMetrics, backoff::Backoff, error::StorageError};
use crate::{
    domain::{Digest, FileName, Id},
    metrics::Dependency,
};

/// The lifetime of a download link.
const LINK_LIFETIME: Duration = Duration::from_mins(10);

/// The content type of every artifact.
const CONTENT_TYPE: &str = "application/gzip";

/// The S3 bucket of the uploaded files.
#[derive(Clone, Debug)]
pub struct Artifacts {
    config: SdkConfig,
    /// Created at its first use: the creation takes as long as the rest of a cold start, and most
    /// requests do not need the client.
    client: OnceLock<Client>,
    bucket: String,
    upload_bucket: Option<String>,
}

impl Artifacts {
    /// Uses the bucket `bucket`, and `upload_bucket` for direct uploads.
    #[must_use]
    pub fn new(config: SdkConfig, bucket: String, upload_bucket: Option<String>) -> Self {
        Self { config, client: OnceLock::new(), bucket, upload_bucket }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let config = Builder::from(&self.config)
                .interceptor(AttemptMetrics(Dependency::S3))
                // The check of an uploaded file computes its SHA-256 itself.
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            Client::from_conf(config.build())
        })
    }

    fn key(catalog_id: &Id, digest: Digest) -> String {
        format!("{catalog_id}/{digest}")
    }

    /// Stores `bytes`, whose SHA-256 is `digest`. If the object exists, does nothing: the same key
    /// means the same bytes.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn put(
        &self,
        catalog_id: &Id,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(), StorageError> {
        let mut backoff = Backoff::new();
        loop {
            let outcome = self
                .client()
                .put_object()
                .bucket(&self.bucket)
                .key(Self::key(catalog_id, digest))
                .if_none_match("*")
                .content_type(CONTENT_TYPE)
                .checksum_sha256(digest.to_base64())
                .body(ByteStream::from(bytes.clone()))
                .customize()
                // S3 verifies the checksum; a signed payload would hash the bytes a second time.
                .disable_payload_signing()
                .send()
                .await;
            let Err(error) = outcome else { return Ok(()) };
            let retry = match status(&error) {
                Some(412) => return Ok(()),
                // Another request is writing the same key. The retry finds its object, or stores
                // the bytes if that write failed.
                Some(409) => backoff.next().await,
                _ => false,
            };
            if !retry {
                return Err(StorageError::new("put object", error));
            }
        }
    }

    /// Returns true if the catalog has a file with the SHA-256 `digest`.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn exists(&self, catalog_id: &Id, digest: Digest) -> Result<bool, StorageError> {
        let outcome = self
            .client()
            .head_object()
            .bucket(&self.bucket)
            .key(Self::key(catalog_id, digest))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(false),
            Err(error) => Err(StorageError::new("head object", error)),
        }
    }

    /// Presigns a download link, valid for 600 seconds, that saves the file as `file_name`.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if there are no credentials to sign with.
    pub async fn presign_get(
        &self,
        catalog_id: &Id,
        digest: Digest,
        file_name: &FileName,
    ) -> Result<String, StorageError> {
        const OPERATION: &str = "presign get object";
        let lifetime = PresigningConfig::expires_in(LINK_LIFETIME).map_err(|error| {
            StorageError::Refused { operation: OPERATION, source: error.into() }
        })?;
        let request = self
            .client()
            .get_object()
            .bucket(&self.bucket)
            .key(Self::key(catalog_id, digest))
            .response_content_disposition(file_name.content_disposition())
            .presigned(lifetime)
            .await
            .map_err(|error| StorageError::new(OPERATION, error))?;
        Ok(request.uri().to_owned())
    }
}

/// The status of the response, if S3 sent one.
fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
