//! `login` and `logout`: the saved API token.

use serde::Serialize;

use super::spawn_blocking;
use crate::{
    api::{ApiError, HttpClient},
    args::SettingsArgs,
    credentials::{self, AccessTokens, ConfiguredToken},
    error::CommandError,
    output::Output,
    settings::Settings,
};

#[derive(Serialize)]
struct TokenFile {
    file: Option<String>,
}

pub(super) async fn log_in(output: Output, args: &SettingsArgs) -> Result<(), CommandError> {
    let settings = Settings::read(args)?;
    let csp_url = settings.csp_url()?;
    let token = spawn_blocking(|| Ok(ConfiguredToken::prompt()?)).await?;
    // A mistyped token is found now, not at its first use.
    let http = HttpClient::new(output).map_err(ApiError::Http)?;
    let tokens = AccessTokens::new(token, csp_url, http);
    tokens.header().await?;
    let path = tokens.into_token().save(&settings)?;
    if output.is_json() {
        return output.json(&TokenFile { file: Some(path.display().to_string()) });
    }
    output.line(&format!("the CSP accepts the API token; saved in {}", path.display()))
}

pub(super) fn log_out(output: Output, args: &SettingsArgs) -> Result<(), CommandError> {
    let path = credentials::forget(&Settings::read(args)?)?;
    let file = path.map(|path| path.display().to_string());
    if output.is_json() {
        return output.json(&TokenFile { file });
    }
    match file {
        Some(file) => output.line(&format!("deleted {file}")),
        None => output.line("no API token is saved"),
    }
}
