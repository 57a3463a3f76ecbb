//! `check`: the verdict of the service, offline.

use std::{fs::File, path::PathBuf};

use serde::Serialize;

use crate::{
    archive_file::{self, Way},
    args::CheckArgs,
    commands::spawn_blocking,
    error::CommandError,
    output::{Output, bytes, entries},
};

/// The verdict on a file.
#[derive(Serialize)]
struct Verdict {
    file: String,
    accepted: bool,
    #[serde(flatten)]
    details: Details,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details {
    Accepted { way: Way, sha256: String, size: u64, unpacked_size: u64, entries: usize },
    Refused { message: String },
}

pub(super) async fn run(output: Output, args: CheckArgs) -> Result<(), CommandError> {
    let mut verdicts = Vec::new();
    for path in args.files {
        let verdict = check(output, path).await?;
        if !output.is_json() {
            output.line(&describe(&verdict))?;
        }
        verdicts.push(verdict);
    }
    if output.is_json() {
        output.json(&verdicts)?;
    }
    match verdicts.iter().filter(|verdict| !verdict.accepted).count() {
        0 => Ok(()),
        refused => Err(CommandError::FilesRefused(refused)),
    }
}

async fn check(output: Output, path: PathBuf) -> Result<Verdict, CommandError> {
    let bar = output.byte_bar("checking");
    let file = path.display().to_string();
    let result = spawn_blocking(move || {
        let opened = File::open(&path).map_err(CommandError::file("read", &path))?;
        let result = archive_file::check(opened, &path, &bar);
        bar.finish_and_clear();
        result
    });
    match result.await {
        Ok(archive) => {
            let details = Details::Accepted {
                way: archive.way(),
                size: archive.size,
                unpacked_size: archive.summary.unpacked_bytes,
                entries: archive.summary.entries,
                sha256: archive.sha256,
            };
            Ok(Verdict { file, accepted: true, details })
        }
        Err(CommandError::Refused { message, .. }) => {
            Ok(Verdict { file, accepted: false, details: Details::Refused { message } })
        }
        Err(error) => Err(error),
    }
}

fn describe(Verdict { file, details, .. }: &Verdict) -> String {
    match details {
        Details::Accepted { way, size, unpacked_size, entries: number, .. } => format!(
            "{file}: accepted for {way}: {}, {}, {} unpacked",
            entries(*number),
            bytes(*size),
            bytes(*unpacked_size),
        ),
        Details::Refused { message } => format!("{file}: refused: {message}"),
    }
}
