//! `login` and `logout`: the saved API token.

use std::io::{self, Write};

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
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

/// Hides what the user types, if the standard input is a terminal.
///
/// A library that asks for passwords would block, and a signal that ends the command meanwhile would
/// leave the terminal without echo. Dropping this restores it.
struct HiddenInput(Option<Termios>);

impl HiddenInput {
    fn prompt(text: &str) -> Self {
        let Ok(settings) = termios::tcgetattr(io::stdin()) else { return Self(None) };
        let mut hidden = settings.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        // The line end is shown.
        hidden.local_flags.insert(LocalFlags::ECHONL);
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden);
        let _ = write!(io::stderr(), "{text}");
        Self(Some(settings))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}

#[derive(Serialize)]
struct TokenFile {
    file: Option<String>,
}

pub(super) async fn log_in(output: Output, args: &SettingsArgs) -> Result<(), CommandError> {
    let settings = Settings::read(args)?;
    let csp_url = settings.csp_url()?;
    let token = {
        let _hidden = HiddenInput::prompt("API token: ");
        spawn_blocking(|| Ok(ConfiguredToken::read()?)).await?
    };
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
