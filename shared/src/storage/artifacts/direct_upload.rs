//! Direct uploads: a client puts a large file into the bucket for uploads, with a presigned request.
//! The file counts for nothing until a request names it: then it is read, checked and copied to the
//! bucket of the artifacts. Objects of the bucket for uploads expire after a day.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_s3::{
    config::{Builder, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::GetObjectOutput,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::MetadataDirective,
};

use super::{Artifacts, CONTENT_TYPE, status};
use crate::{
    domain::{Digest, Id, Timestamp},
    percent,
    storage::error::StorageError,
};

/// The lifetime of a presigned upload.
const UPLOAD_LIFETIME: Duration = Duration::from_mins(15);

/// The timeout of a copy. S3 copies the largest file within a few seconds.
const COPY_TIMEOUT: Duration = Duration::from_secs(15);

/// A request that uploads exactly one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresignedUpload {
    /// The HTTP method.
    pub method: String,
    /// The URL, with the signature.
    pub url: String,
    /// The headers that the client must send, by name. The signature covers them.
    pub headers: BTreeMap<String, String>,
    /// The end of the request's validity.
    pub expires_at: Timestamp,
}

/// A file that was uploaded directly.
#[derive(Debug)]
pub struct UploadedFile {
    /// Its bytes.
    pub content: ByteStream,
    /// Its size in bytes.
    pub size: u64,
    /// The entity tag of the object in the bucket for uploads; `None` if the file is already an
    /// artifact.
    pub e_tag: Option<String>,
}

impl Artifacts {
    fn upload_bucket(&self) -> Result<&str, StorageError> {
        let missing = || StorageError::refused("direct upload", "there is no bucket for uploads");
        self.upload_bucket.as_deref().ok_or_else(missing)
    }

    /// Presigns the upload of a file with this SHA-256 and size. S3 accepts only these bytes, and
    /// only once: it verifies the signed headers.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if there are no credentials to sign with.
    pub async fn presign_put(
        &self,
        catalog_id: &Id,
        digest: Digest,
        size: u64,
    ) -> Result<PresignedUpload, StorageError> {
        const OPERATION: &str = "presign put object";
        let lifetime = PresigningConfig::expires_in(UPLOAD_LIFETIME)
            .map_err(|error| StorageError::refused(OPERATION, error))?;
        let size = i64::try_from(size).map_err(|error| StorageError::refused(OPERATION, error))?;
        let request = self
            .client()
            .put_object()
            .bucket(self.upload_bucket()?)
            .key(Self::key(catalog_id, digest))
            .content_length(size)
            .checksum_sha256(digest.to_base64())
            .if_none_match("*")
            .presigned(lifetime)
            .await
            .map_err(|error| StorageError::new(OPERATION, error))?;
        let url = request.uri().to_owned();
        // The SDK also returns headers that it would send itself, such as a trace identifier.
        let signed = url.split_once("X-Amz-SignedHeaders=").unwrap_or_default().1;
        let signed = signed.split('&').next().unwrap_or_default();
        let headers = request
            .headers()
            .filter(|(name, _)| signed.split("%3B").any(|signed| signed == *name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(PresignedUpload {
            method: request.method().to_owned(),
            url,
            headers,
            expires_at: Timestamp::now().after(UPLOAD_LIFETIME),
        })
    }

    /// Opens the file with the SHA-256 `digest`: the artifact if there is one, else the upload.
    /// Returns `None` if there is neither.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn open(
        &self,
        catalog_id: &Id,
        digest: Digest,
    ) -> Result<Option<UploadedFile>, StorageError> {
        if let Some(artifact) = self.get(&self.bucket, catalog_id, digest).await? {
            return Ok(Some(UploadedFile::new(artifact, None)));
        }
        let upload = self.get(self.upload_bucket()?, catalog_id, digest).await?;
        Ok(upload.map(|upload| {
            let e_tag = upload.e_tag.clone().unwrap_or_default();
            UploadedFile::new(upload, Some(e_tag))
        }))
    }

    async fn get(
        &self,
        bucket: &str,
        catalog_id: &Id,
        digest: Digest,
    ) -> Result<Option<GetObjectOutput>, StorageError> {
        let request = self.client().get_object().bucket(bucket).key(Self::key(catalog_id, digest));
        match request.send().await {
            Ok(object) => Ok(Some(object)),
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => Ok(None),
            Err(error) => Err(StorageError::new("get object", error)),
        }
    }

    /// Copies an upload to the bucket of the artifacts. `e_tag` is that of the
    /// [opened](Self::open) file; if it is `None`, the file is already an artifact and nothing is
    /// copied. The copy has the metadata of this service, and nothing of the client's.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; [`StorageError::Unavailable`] if the upload has changed or expired since
    /// it was opened.
    pub async fn keep(
        &self,
        catalog_id: &Id,
        digest: Digest,
        e_tag: Option<&str>,
    ) -> Result<(), StorageError> {
        const OPERATION: &str = "copy object";
        let Some(e_tag) = e_tag else { return Ok(()) };
        let key = Self::key(catalog_id, digest);
        // The header's value is a path, percent-encoded.
        let catalog = percent::encode(catalog_id.as_str()).collect::<String>();
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(COPY_TIMEOUT)
            .operation_timeout(COPY_TIMEOUT)
            .build();
        let outcome = self
            .client()
            .copy_object()
            .bucket(&self.bucket)
            .key(key)
            .copy_source(format!("{}/{catalog}/{digest}", self.upload_bucket()?))
            .copy_source_if_match(e_tag)
            .if_none_match("*")
            .metadata_directive(MetadataDirective::Replace)
            .content_type(CONTENT_TYPE)
            .customize()
            .config_override(Builder::new().timeout_config(timeouts))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(()),
            // Either the artifact exists, which is success: the same key means the same bytes. Or
            // the upload has changed.
            Err(error) if status(&error) == Some(412) => {
                if self.exists(catalog_id, digest).await? {
                    Ok(())
                } else {
                    Err(StorageError::unavailable(OPERATION, "the upload has changed"))
                }
            }
            Err(error) if error.code() == Some("NoSuchKey") => {
                Err(StorageError::unavailable(OPERATION, "the upload has expired"))
            }
            Err(error) => Err(StorageError::new(OPERATION, error)),
        }
    }
}

impl UploadedFile {
    fn new(object: GetObjectOutput, e_tag: Option<String>) -> Self {
        let size = object.content_length.and_then(|length| length.try_into().ok());
        Self { size: size.unwrap_or_default(), content: object.body, e_tag }
    }
}
