//! `update`: makes a new version, or changes the name or description.

use reqwest::Url;

use super::{
    connect,
    upload::{IdempotencyKey, prepare},
};
use crate::{
    api::Fields,
    args::{SettingsArgs, UpdateArgs},
    builds,
    error::CommandError,
    output::Output,
};

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: UpdateArgs,
) -> Result<(), CommandError> {
    let UpdateArgs { id, path, name, description, send } = args;
    let api = connect(output, settings)?;
    let fields = Fields { name, description, filter: None };
    let upload = match path {
        Some(path) => Some(prepare(output, &path).await?),
        None => None,
    };
    let key = IdempotencyKey::new(send.idempotency_key)?;
    let bar = output.byte_bar("uploading");
    bar.set_length(upload.as_ref().map_or(0, |upload| upload.size));
    let updated = api.update(&id, upload.as_ref(), &fields, key.value(), &bar).await;
    bar.finish_and_clear();
    key.settle(updated)?;
    if send.wait.wait {
        return builds::follow(&api, output, &id, &send.wait).await;
    }
    let state = api.get(&id).await?;
    if output.is_json() {
        return output.json(&state.json);
    }
    if output.is_quiet() {
        return output.line(&state.value.version);
    }
    let url: Url = api.customization_url(&id)?;
    output.line(&format!("updated {id} ({})", state.value.version))?;
    output.line(url.as_str())
}
