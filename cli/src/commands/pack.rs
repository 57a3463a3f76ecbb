//! `pack`: a reproducible archive of a folder, which the service accepts.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{new_file::NewFile, spawn_blocking};
use crate::{
    archive_file::{self, CheckedArchive},
    archive_writer::Folder,
    args::PackArgs,
    error::CommandError,
    output::{Output, bytes, count},
    settings::variable_value,
};

#[derive(Serialize)]
struct Packed<'a> {
    file: String,
    sha256: &'a str,
    size: u64,
}

pub(super) async fn run(output: Output, args: PackArgs) -> Result<(), CommandError> {
    let PackArgs { directory, output: target, force } = args;
    if target.as_deref() == Some(Path::new("-")) {
        let mut archive = pack(output, &directory, Vec::new(), temporary_file()?).await?;
        archive.file.rewind().map_err(CommandError::Output)?;
        io::copy(&mut archive.file, &mut io::stdout()).map_err(CommandError::Output)?;
        return io::stdout().flush().map_err(CommandError::Output);
    }
    let target = match target {
        Some(target) => target,
        None => PathBuf::from(archive_name(&directory)?),
    };
    let new_file = NewFile::create(target, force)?;
    let archive = pack(output, &directory, new_file.paths(), new_file.open()?).await?;
    let file = new_file.publish()?;
    if output.is_json() {
        let CheckedArchive { size, sha256, .. } = &archive;
        return output.json(&Packed { file: file.display().to_string(), sha256, size: *size });
    }
    output.line(&file.display().to_string())
}

/// Returns a file without a name, which disappears when it is closed.
pub(super) fn temporary_file() -> Result<File, CommandError> {
    tempfile::tempfile().map_err(CommandError::file("write", Path::new("a temporary file")))
}

/// Packs `directory` into `archive` and checks the result. The files `outputs` are not packed.
pub(super) async fn pack(
    output: Output,
    directory: &Path,
    outputs: Vec<PathBuf>,
    mut archive: File,
) -> Result<CheckedArchive, CommandError> {
    let directory = directory.to_owned();
    let modified_at = modification_time()?;
    spawn_blocking(move || {
        let folder = Folder::read(&directory, &outputs)?;
        for left_out in &folder.left_out {
            output.note(&left_out.to_string());
        }
        let (files, size) = folder.files();
        let bar = output.byte_bar("packing");
        bar.set_length(size);
        folder.write(&archive, modified_at, &bar)?;
        bar.finish_and_clear();
        archive.rewind().map_err(CommandError::file("read", Path::new("the archive")))?;
        let bar = output.byte_bar("checking");
        let checked = archive_file::check(archive, &directory, &bar)?;
        bar.finish_and_clear();
        output.note(&format!(
            "packed {} ({}) into {}",
            count(files, "file"),
            bytes(size),
            bytes(checked.size)
        ));
        Ok(checked)
    })
    .await
}

/// Returns the name of the archive of `directory`.
pub(super) fn archive_name(directory: &Path) -> Result<String, CommandError> {
    // The folder `.` has its name only in its full path.
    let full = fs::canonicalize(directory).map_err(CommandError::file("read", directory))?;
    let name = full.file_name().and_then(OsStr::to_str);
    Ok(format!("{}.tar.gz", name.unwrap_or("customization")))
}

/// The time of all entries, in seconds since 1970. See
/// <https://reproducible-builds.org/specs/source-date-epoch/>.
fn modification_time() -> Result<u64, CommandError> {
    let Some(value) = variable_value("SOURCE_DATE_EPOCH") else { return Ok(0) };
    value.parse().map_err(|_| {
        CommandError::Usage(format!(
            "SOURCE_DATE_EPOCH must be a number of seconds since 1970, but it is {value}"
        ))
    })
}
