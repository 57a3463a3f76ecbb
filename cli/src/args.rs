//! The command line.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::error::EXIT_CODES;

/// Packs, checks, uploads and follows customizations of packaged applications.
///
/// Flags set the URL of the service and the catalog. Without a flag, the environment sets them, and
/// without a variable, ~/.config/customizations/config.toml. `customizations config` shows each
/// setting with its origin.
///
/// The first of these is the token: CSP_ACCESS_TOKEN (an access token), CSP_API_TOKEN (an API
/// token), the API token of `customizations login`. No flag takes a token, because other users of a
/// machine can read the arguments of a process.
#[derive(Debug, Parser)]
#[command(name = "customizations", after_help = EXIT_CODES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command that sends requests.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Flags of every command.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Flags of every command that sends requests.
#[derive(Args, Debug)]
pub struct SettingsArgs {
    /// The URL of the service [env: CUSTOMIZATIONS_URL].
    #[arg(long, global = true, value_name = "URL", help_heading = "Service")]
    pub url: Option<String>,
    /// The identifier of the catalog [env: CUSTOMIZATIONS_CATALOG].
    #[arg(long, global = true, value_name = "ID", help_heading = "Service")]
    pub catalog: Option<String>,
    /// The URL of the CSP, which exchanges API tokens [env: CSP_URL].
    #[arg(long, global = true, value_name = "URL", help_heading = "Service")]
    pub csp_url: Option<String>,
}

/// Flags of every command.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Print the result as JSON, for programs.
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Print only results and errors: no progress and no notes.
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check archives offline, by the rules of the service.
    ///
    /// Prints for each file whether the service accepts it, with the service's own message if not.
    /// The exit code is 1 if a file is refused.
    Check(CheckArgs),
    /// Pack a folder into a reproducible tar.gz that the service accepts.
    ///
    /// The same files always give the same bytes: the entries are sorted, belong to user 0, and
    /// have the time of SOURCE_DATE_EPOCH, by default 1970. Of the permissions, only the executable
    /// bit is kept. Links, devices and .git are left out. Files that match a pattern in
    /// .customizationignore (syntax of .gitignore) are left out too.
    Pack(PackArgs),
    /// Create a customization from an archive or a folder.
    ///
    /// Packs a folder, checks the archive, and uploads it: in a form, or directly to S3 if it is
    /// larger than a form may be. Prints the identifier and the URL of the customization.
    Push(PushArgs),
    /// Make a new version from an archive or a folder, or change the name or description.
    Update(UpdateArgs),
    /// List the customizations of the catalog, newest first.
    List(ListArgs),
    /// Show a customization and the builds of the applications that it affects.
    Get(GetArgs),
    /// List the versions of a customization, newest first.
    Versions(VersionsArgs),
    /// Remove a customization. This cannot be undone; its files can still be downloaded.
    Remove(RemoveArgs),
    /// Download the file of a customization, and verify its SHA-256.
    Download(DownloadArgs),
    /// Save an API token of the CSP in a file that only you can read.
    ///
    /// Reads the token from the terminal without showing it, or from the standard input. Later
    /// commands exchange it for access tokens.
    Login,
    /// Delete the saved API token.
    Logout,
    /// Show the settings, and where each comes from.
    Config,
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages to a folder.
    Man {
        /// The folder. It must exist.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The archives.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

/// Arguments of `pack`.
#[derive(Args, Debug)]
pub struct PackArgs {
    /// The folder.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// The archive, or - for the standard output [default: the folder's name with .tar.gz].
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace the archive if it exists.
    #[arg(long, short)]
    pub force: bool,
}

/// Arguments of `push`.
#[derive(Args, Debug)]
pub struct PushArgs {
    /// The archive, or a folder to pack.
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// The name [default: that of the file without .tar.gz].
    #[arg(long)]
    pub name: Option<String>,
    /// The description.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Apply it only to this product.
    #[arg(long, value_name = "KEY")]
    pub product: Option<String>,
    /// Apply it only to this branch of the product.
    #[arg(long)]
    pub branch: Option<String>,
    /// Apply it only to applications on this base image.
    #[arg(long, value_name = "ID")]
    pub base_image: Option<String>,
    /// Options of the upload.
    #[command(flatten)]
    pub send: SendArgs,
}

/// Arguments of `update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The identifier of the customization.
    pub id: String,
    /// The archive of the new version, or a folder to pack.
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    #[arg(required_unless_present_any = ["name", "description"])]
    pub path: Option<PathBuf>,
    /// The new name.
    #[arg(long)]
    pub name: Option<String>,
    /// The new description; an empty one removes it.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Options of the upload.
    #[command(flatten)]
    pub send: SendArgs,
}

/// Options of an upload.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// Name the request, so that it can be repeated: a repeated key has no second effect.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Wait for the builds of all released applications.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Options of waiting for builds.
#[derive(Args, Debug)]
pub struct WaitArgs {
    /// Wait until the builds of all released applications have ended.
    ///
    /// The exit code is 0 if all succeeded, 6 if one failed, and 7 after the timeout.
    #[arg(long)]
    pub wait: bool,
    /// The longest wait, such as 90s or 1h.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    #[arg(requires = "wait")]
    pub timeout: Duration,
    /// The time between two requests while waiting.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    #[arg(requires = "wait")]
    pub interval: Duration,
}

/// Arguments of `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only customizations with this product in their filter.
    #[arg(long, value_name = "KEY")]
    pub product: Option<String>,
    /// Only customizations with this branch in their filter.
    #[arg(long)]
    pub branch: Option<String>,
    /// Only customizations with this base image in their filter.
    #[arg(long, value_name = "ID")]
    pub base_image: Option<String>,
    /// Only customizations of all applications (true), or only those with a filter (false).
    #[arg(long, value_name = "BOOLEAN")]
    pub global: Option<bool>,
    /// Removed customizations too.
    #[arg(long)]
    pub removed: bool,
    /// The largest number of customizations to print.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

/// Arguments of `get`.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// The identifier of the customization.
    pub id: String,
    /// Options of waiting for builds.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Arguments of `versions`.
#[derive(Args, Debug)]
pub struct VersionsArgs {
    /// The identifier of the customization.
    pub id: String,
}

/// Arguments of `remove`.
#[derive(Args, Debug)]
pub struct RemoveArgs {
    /// The identifier of the customization.
    pub id: String,
}

/// Arguments of `download`.
#[derive(Args, Debug)]
pub struct DownloadArgs {
    /// The identifier of the customization.
    pub id: String,
    /// The version, such as v2 [default: the current version].
    #[arg(long, value_name = "vN")]
    pub version: Option<String>,
    /// The file to write, or - for the standard output [default: the uploaded file's name].
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long, short)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
