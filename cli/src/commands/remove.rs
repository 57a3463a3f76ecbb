//! `remove`: removes a customization.

use serde::Serialize;

use super::connect;
use crate::{
    args::{RemoveArgs, SettingsArgs},
    error::CommandError,
    output::Output,
};

#[derive(Serialize)]
struct Removed<'a> {
    id: &'a str,
}

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: RemoveArgs,
) -> Result<(), CommandError> {
    connect(output, settings)?.remove(&args.id).await?;
    if output.is_json() {
        return output.json(&Removed { id: &args.id });
    }
    output.line(&format!("removed {}", args.id))
}
