//! `config`: the settings, and where they come from.

use serde::Serialize;

use crate::{
    args::SettingsArgs,
    credentials::ConfiguredToken,
    error::CommandError,
    output::{Output, Text},
    settings::{Setting, Settings},
};

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: Option<String>,
    source: Option<String>,
}

pub(super) fn run(output: Output, args: &SettingsArgs) -> Result<(), CommandError> {
    let settings = Settings::read(args)?;
    let token = ConfiguredToken::find(&settings)?;
    let row = |name, setting: Option<&Setting>| Row {
        name,
        value: setting.map(|setting| setting.value.clone()),
        source: setting.map(|setting| setting.source.to_string()),
    };
    let rows = [
        row("url", settings.url.as_ref()),
        row("catalog", settings.catalog.as_ref()),
        row("csp_url", Some(&settings.csp_url)),
        Row {
            name: "token",
            // Never the token itself.
            value: token.as_ref().map(|_| "set".to_owned()),
            source: token.as_ref().map(|token| token.source.to_string()),
        },
    ];
    if output.is_json() {
        return output.json(&rows);
    }
    output.table(
        ["SETTING", "VALUE", "FROM"],
        rows.into_iter().map(|Row { name, value, source }| {
            let value = value.unwrap_or_else(|| "not set".to_owned());
            [Text::from(name), Text::from(value), Text::from(source.unwrap_or_default())]
        }),
    )?;
    output.note(&format!("configuration file: {}", settings.file().display()));
    Ok(())
}
