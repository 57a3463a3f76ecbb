//! The file of a new customization or version on its way to the bucket of artifacts.

use bytes::Bytes;
use shared::{
    app::{App, AuthorizedRequest},
    domain::Digest,
    form::Content,
    problem::Problem,
    storage::UploadedFile,
};

use crate::{archive_check, start_upload::MAX_UPLOAD_BYTES};

/// A file that is found, but is no artifact yet.
pub(crate) enum FoundFile {
    /// The checked bytes of a form.
    Sent(Bytes),
    /// A file that was uploaded directly, and is not checked yet.
    Uploaded(UploadedFile),
}

/// Finds the file of a form: the form holds it, or S3 does.
///
/// # Errors
///
/// [`Problem::FileNotUploaded`], or the problem of a storage error.
pub(crate) async fn find(
    app: &App,
    request: &AuthorizedRequest<'_>,
    content: &Content,
) -> Result<FoundFile, Problem> {
    match content {
        Content::Sent(bytes) => Ok(FoundFile::Sent(bytes.clone())),
        Content::Uploaded(digest) => {
            let file = app.artifacts.open(&request.catalog_id, *digest).await?;
            let file = file.ok_or(Problem::FileNotUploaded)?;
            // The presigned request does not allow it, so something else has written the object.
            if file.size > MAX_UPLOAD_BYTES {
                return Err(Problem::UploadTooLarge);
            }
            Ok(FoundFile::Uploaded(file))
        }
    }
}

impl FoundFile {
    /// Makes the file with the SHA-256 `digest` an artifact. Returns its size in bytes.
    ///
    /// # Errors
    ///
    /// The violation of a file that was uploaded directly; or the problem of a storage error.
    pub(crate) async fn store(
        self,
        app: &App,
        request: &AuthorizedRequest<'_>,
        digest: Digest,
    ) -> Result<u64, Problem> {
        match self {
            Self::Sent(bytes) => {
                let size = bytes.len() as u64;
                app.artifacts.put(&request.catalog_id, digest, bytes).await?;
                Ok(size)
            }
            Self::Uploaded(mut file) => {
                archive_check::check_uploaded(&mut file, digest).await?;
                let UploadedFile { size, e_tag, .. } = file;
                app.artifacts.keep(&request.catalog_id, digest, e_tag.as_deref()).await?;
                Ok(size)
            }
        }
    }
}
