//! `push`: creates a customization.

use super::{
    connect,
    upload::{IdempotencyKey, prepare},
};
use crate::{
    api::{
        Fields,
        model::{Customization, Filter},
    },
    args::{PushArgs, SettingsArgs},
    builds,
    error::CommandError,
    output::Output,
};

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: PushArgs,
) -> Result<(), CommandError> {
    let PushArgs { path, name, description, product, branch, base_image, send } = args;
    if branch.is_some() && product.is_none() {
        let message = "--branch needs --product: name the product of the branch";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let api = connect(output, settings)?;
    let filter =
        Filter { product_key: product, branch, base_image_id: base_image, base_image: None };
    let is_global = filter.to_string().is_empty();
    let fields = Fields { name, description, filter: (!is_global).then_some(filter) };
    let upload = prepare(output, &path).await?;
    let key = IdempotencyKey::new(send.idempotency_key)?;
    let bar = output.byte_bar("uploading");
    bar.set_length(upload.size);
    let created = api.create(&upload, &fields, key.value(), &bar).await;
    bar.finish_and_clear();
    let created = key.settle(created)?;
    let Customization { id, version, .. } = &created.value;
    if output.is_quiet() && !output.is_json() {
        output.line(id)?;
    } else if !output.is_json() {
        output.line(&format!("created {id} ({version})"))?;
        output.line(api.customization_url(id)?.as_str())?;
    }
    if send.wait.wait {
        return builds::follow(&api, output, id, &send.wait).await;
    }
    if output.is_json() { output.json(&created.json) } else { Ok(()) }
}
