//! `get`: a customization and its builds.

use super::{connect, list::applies_to};
use crate::{
    api::model::Customization,
    args::{GetArgs, SettingsArgs},
    builds,
    error::CommandError,
    output::{Output, Text},
};

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: GetArgs,
) -> Result<(), CommandError> {
    let GetArgs { id, wait } = args;
    let api = connect(output, settings)?;
    if wait.wait {
        return builds::follow(&api, output, &id, &wait).await;
    }
    let state = api.get(&id).await?;
    if output.is_json() {
        return output.json(&state.json);
    }
    output.fields(fields(&state.value))?;
    if state.value.affected_releasables.is_empty() {
        output.note("it affects no application");
        return Ok(());
    }
    output.line("")?;
    builds::print(output, &state.value)
}

fn fields(customization: &Customization) -> Vec<(&'static str, Text)> {
    let Customization { artifact, description, .. } = customization;
    let by_and_at = |by: &Option<String>, at: &Option<String>| {
        Some(format!("{} by {}", at.as_ref()?, by.as_ref()?))
    };
    let created = format!("{} by {}", customization.created_at, customization.created_by);
    let fields = [
        ("id", Some(customization.id.clone())),
        ("name", Some(customization.name.clone())),
        ("description", description.clone()),
        ("version", Some(customization.version.clone())),
        ("applies to", Some(applies_to(customization))),
        ("file", Some(artifact.filename.clone())),
        ("sha256", Some(artifact.id.clone())),
        ("created", Some(created)),
        ("updated", by_and_at(&customization.updated_by, &customization.updated_at)),
        ("removed", by_and_at(&customization.removed_by, &customization.removed_at)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, Text::from(value?))));
    fields.chain([("status", Text::status(&customization.status))]).collect()
}
