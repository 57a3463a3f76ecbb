//! `versions`: the versions of a customization.

use super::connect;
use crate::{
    api::model::Version,
    args::{SettingsArgs, VersionsArgs},
    error::CommandError,
    output::{Output, Text},
};

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: VersionsArgs,
) -> Result<(), CommandError> {
    let versions = connect(output, settings)?.versions(&args.id).await?;
    if output.is_json() {
        return output.json(&versions.iter().map(|version| &version.json).collect::<Vec<_>>());
    }
    let rows = versions.iter().map(|version| {
        let Version { version, artifact, created_by, created_at } = &version.value;
        [version, &artifact.filename, created_at, created_by, &artifact.id]
            .map(|text| Text::from(text.as_str()))
    });
    output.table(["VERSION", "FILE", "UPLOADED", "BY", "SHA256"], rows)
}
