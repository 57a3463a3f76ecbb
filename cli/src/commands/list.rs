//! `list`: the customizations of the catalog.

use super::connect;
use crate::{
    api::{
        Document, List, Selection,
        model::{Customization, Filter},
    },
    args::{ListArgs, SettingsArgs},
    error::CommandError,
    output::{Output, Text},
};

pub(super) async fn run(
    output: Output,
    settings: &SettingsArgs,
    args: ListArgs,
) -> Result<(), CommandError> {
    let ListArgs { product, branch, base_image, global, removed, limit } = args;
    let filter =
        Filter { product_key: product, branch, base_image_id: base_image, base_image: None };
    let selection = Selection { filter, global, removed };
    let List { items, total } = connect(output, settings)?.list(&selection, limit).await?;
    if output.is_json() {
        return output.json(&items.iter().map(|item| &item.json).collect::<Vec<_>>());
    }
    let shown = items.len();
    if output.is_quiet() {
        return items.iter().try_for_each(|item| output.line(&item.value.id));
    }
    if shown > 0 {
        let headings = ["ID", "NAME", "VERSION", "STATUS", "APPLIES TO", "CREATED", "BY"];
        output.table(headings, items.iter().map(row))?;
    }
    if shown == 0 {
        output.note("no customizations");
    } else if shown < total {
        output.note(&format!("{shown} of {total} customizations; --limit {total} shows all"));
    }
    Ok(())
}

fn row(Document { value, .. }: &Document<Customization>) -> [Text; 7] {
    let Customization { id, name, version, status, created_at, created_by, .. } = value;
    [
        id.as_str().into(),
        name.as_str().into(),
        version.as_str().into(),
        Text::status(status),
        applies_to(value).into(),
        created_at.as_str().into(),
        created_by.as_str().into(),
    ]
}

/// Returns the applications that a customization applies to, in words.
pub(super) fn applies_to(customization: &Customization) -> String {
    let filter = customization.filter.as_ref().map(ToString::to_string);
    filter.unwrap_or_else(|| "all applications".to_owned())
}
