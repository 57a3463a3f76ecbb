//! The upload of `push` and `update`: packs, checks and describes what is sent.

use std::{fs::File, path::Path, sync::Arc};

use reqwest::header::HeaderValue;
use uuid::Uuid;

use super::{pack, spawn_blocking};
use crate::{
    api::{ApiError, Upload},
    archive_file::{self, CheckedArchive, Way},
    error::CommandError,
    output::{Output, bytes, eprint_line},
};

/// Checks the archive at `path`, or packs the folder there.
pub(super) async fn prepare(output: Output, path: &Path) -> Result<Upload, CommandError> {
    let (archive, filename) = if path.is_dir() {
        let archive = pack::pack(output, path, Vec::new(), pack::temporary_file()?).await?;
        (archive, pack::archive_name(path)?)
    } else {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            CommandError::Usage(format!("the name of {} is not UTF-8", path.display()))
        })?;
        (check(output, path).await?, name.to_owned())
    };
    let way = archive.way();
    let CheckedArchive { file, size, sha256, .. } = archive;
    let to = match way {
        Way::Form => "",
        Way::DirectUpload => " directly to S3",
    };
    output.note(&format!("uploading {filename} ({}){to}", bytes(size)));
    Ok(Upload { file: Arc::new(file), filename, size, sha256, way })
}

async fn check(output: Output, path: &Path) -> Result<CheckedArchive, CommandError> {
    let path = path.to_owned();
    let bar = output.byte_bar("checking");
    spawn_blocking(move || {
        let file = File::open(&path).map_err(CommandError::file("read", &path))?;
        let archive = archive_file::check(file, &path, &bar)?;
        bar.finish_and_clear();
        Ok(archive)
    })
    .await
}

/// The idempotency key of a request. If the command ends before the outcome is known, it prints how
/// to repeat the request safely.
#[derive(Debug)]
pub(super) struct IdempotencyKey {
    value: HeaderValue,
    is_settled: bool,
}

impl IdempotencyKey {
    /// The given key, or a random one.
    pub(super) fn new(given: Option<String>) -> Result<Self, CommandError> {
        let key = given.unwrap_or_else(|| Uuid::new_v4().to_string());
        let value = HeaderValue::from_str(&key).ok().filter(|_| !key.is_empty());
        let value = value.ok_or_else(|| {
            CommandError::Usage("the idempotency key must be text without line ends".to_owned())
        })?;
        Ok(Self { value, is_settled: false })
    }

    pub(super) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// Returns the result of the request that had this key.
    pub(super) fn settle<T>(mut self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        self.is_settled = result.as_ref().map_or_else(ApiError::is_final, |_| true);
        result
    }
}

impl Drop for IdempotencyKey {
    fn drop(&mut self) {
        if !self.is_settled {
            let key = self.value.to_str().unwrap_or_default();
            eprint_line(&format!(
                "The outcome is not known. To repeat the same request without a second effect, \
                 add: --idempotency-key {key}"
            ));
        }
    }
}
