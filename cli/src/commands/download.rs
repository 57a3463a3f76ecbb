//! `download`: the file of a customization, verified.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{connect, new_file::NewFile, pack::temporary_file};
use crate::{
    api::{ApiClient, model::Artifact},
    archive_file::hex,
    args::{DownloadArgs, SettingsArgs},
    error::CommandError,
    output::{Output, bytes},
};

#[derive(Serialize)]
struct Downloaded<'a> {
    file: String,
    sha256: &'a str,
    size: u64,
}

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: DownloadArgs,
) -> Result<(), CommandError> {
    let DownloadArgs { id, version, output: target, force } = args;
    let api = connect(output, settings)?;
    let artifact = find(&api, &id, version).await?;
    if target.as_deref() == Some(Path::new("-")) {
        // Only verified bytes leave the command.
        let mut file = temporary_file()?;
        download(&api, output, &artifact, &file).await?;
        file.rewind().map_err(CommandError::Output)?;
        io::copy(&mut file, &mut io::stdout()).map_err(CommandError::Output)?;
        return io::stdout().flush().map_err(CommandError::Output);
    }
    let target = match target {
        Some(target) => target,
        None => file_name(&artifact)?,
    };
    let new_file = NewFile::create(target, force)?;
    let size = download(&api, output, &artifact, &new_file.open()?).await?;
    let file = new_file.publish()?;
    if output.is_json() {
        let file = file.display().to_string();
        return output.json(&Downloaded { file, sha256: &artifact.id, size });
    }
    output.note(&format!("downloaded {}, SHA-256 verified", bytes(size)));
    output.line(&file.display().to_string())
}

/// Finds the file of a version, or of the current one.
async fn find(
    api: &ApiClient,
    id: &str,
    version: Option<String>,
) -> Result<Artifact, CommandError> {
    let Some(version) = version else { return Ok(api.get(id).await?.value.artifact) };
    let versions = api.versions(id).await?;
    let found = versions.into_iter().find(|one| one.value.version == version);
    let not_found = || CommandError::VersionNotFound { id: id.to_owned(), version };
    Ok(found.ok_or_else(not_found)?.value.artifact)
}

/// Returns the name of the uploaded file. It names a file of the current folder, whatever the
/// service sends.
fn file_name(artifact: &Artifact) -> Result<PathBuf, CommandError> {
    let name = artifact.filename.as_str();
    let is_safe = Path::new(name).file_name().is_some_and(|last| last == name)
        && !name.chars().any(char::is_control);
    if is_safe {
        return Ok(PathBuf::from(name));
    }
    Err(CommandError::Usage(
        "the name of the file is not safe; choose one with --output".to_owned(),
    ))
}

/// Downloads an artifact into `file`, and verifies its SHA-256. Returns its size in bytes.
async fn download(
    api: &ApiClient,
    output: Output,
    artifact: &Artifact,
    file: &File,
) -> Result<u64, CommandError> {
    let bar = output.byte_bar("downloading");
    let hasher = RefCell::new(Sha256::new());
    let start = |size: Option<u64>| {
        bar.set_length(size.unwrap_or_default());
        bar.set_position(0);
        hasher.replace(Sha256::new());
        file.set_len(0)?;
        let mut file = file;
        file.rewind()
    };
    let write = |chunk: &[u8]| {
        bar.inc(chunk.len() as u64);
        hasher.borrow_mut().update(chunk);
        let mut file = file;
        file.write_all(chunk)
    };
    api.download(&artifact.url, start, write).await?;
    let size = bar.position();
    bar.finish_and_clear();
    let actual = hex(hasher.into_inner());
    if actual != artifact.id {
        return Err(CommandError::DigestMismatch { expected: artifact.id.clone(), actual });
    }
    Ok(size)
}
