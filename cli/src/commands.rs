//! The commands, one module each.

mod check;
mod config;
mod download;
mod get;
mod list;
mod login;
mod manual;
mod new_file;
mod pack;
mod push;
mod remove;
mod update;
mod upload;
mod versions;

use crate::{
    api::{ApiClient, HttpClient},
    args::{Cli, Command, SettingsArgs},
    credentials::{AccessTokens, ConfiguredToken, CredentialsError},
    error::CommandError,
    output::Output,
    settings::Settings,
};

/// Runs a command.
///
/// # Errors
///
/// [`CommandError`]
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let output = Output::new(cli.output);
    let settings = &cli.settings;
    match cli.command {
        Command::Check(args) => check::run(output, args).await,
        Command::Pack(args) => pack::run(output, args).await,
        Command::Push(args) => push::run(output, settings, args).await,
        Command::Update(args) => update::run(output, settings, args).await,
        Command::List(args) => list::run(output, settings, args).await,
        Command::Get(args) => get::run(output, settings, args).await,
        Command::Versions(args) => versions::run(output, settings, args).await,
        Command::Remove(args) => remove::run(output, settings, args).await,
        Command::Download(args) => download::run(output, settings, args).await,
        Command::Login => login::log_in(output, settings).await,
        Command::Logout => login::log_out(output, settings),
        Command::Config => config::run(output, settings),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::pages(&directory),
    }
}

/// Reads the settings and the token, and returns a client of the service. Sends nothing.
///
/// # Errors
///
/// [`CommandError`] if a setting or the token is missing or not valid.
pub fn connect(output: Output, args: &SettingsArgs) -> Result<ApiClient, CommandError> {
    let settings = Settings::read(args)?;
    let url = settings.require_url()?;
    let catalog = settings.require_catalog()?.to_owned();
    let token = ConfiguredToken::find(&settings)?.ok_or(CredentialsError::Missing)?;
    let http = HttpClient::new(output).map_err(crate::api::ApiError::Http)?;
    let tokens = AccessTokens::new(token, settings.csp_url()?, http.clone());
    Ok(ApiClient { http, tokens, url, catalog })
}

/// Runs `work`, which blocks, on another thread, so that Ctrl-C ends the command at once.
async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // Nothing aborts the task, so it has panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
