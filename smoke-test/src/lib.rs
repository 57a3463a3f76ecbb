//! The operator's check of a deployed stack: sends every kind of request over HTTP, and checks the
//! responses.
//!
//! It knows the service only by its HTTP contract (openapi.yaml), like the user's command, whose
//! HTTP client it uses.
//!
//! | module | contents |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`sample`] | the names and archives of one run |
//! | [`client`] | requests, and a record of what they created |
//! | [`expect`] | expectations of responses |
//! | [`problem`] | expected problem documents |
//! | [`checks`] | the checks, a module per subject |
//! | [`report`] | a line per check, and the totals |

pub mod args;
pub mod checks;
pub mod client;
pub mod expect;
pub mod problem;
pub mod report;
pub mod sample;

use std::process::ExitCode;

use cli::{
    args::OutputArgs,
    commands::connect,
    credentials::bearer,
    error::CommandError,
    output::{Output, eprint_line},
    settings::variable_value,
};
use reqwest::header::HeaderValue;

use self::{args::Args, client::Client, report::Report, sample::Sample};

/// The environment variable with a token that may read, but not write.
pub const READ_TOKEN: &str = "SMOKE_TEST_READ_TOKEN";

/// One run of all checks.
#[derive(Debug)]
pub struct SmokeTest {
    /// The client of the service.
    pub client: Client,
    /// The lines and totals.
    pub report: Report,
    /// The names and archives.
    pub sample: Sample,
    /// A token that may read, but not write.
    pub read_token: Option<HeaderValue>,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All checks passed.
    Passed,
    /// At least one check failed.
    Failed,
    /// The signal with this number ended the run early.
    Interrupted(u8),
}

impl Outcome {
    /// The exit code of the command.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Passed => ExitCode::SUCCESS,
            Self::Failed => ExitCode::FAILURE,
            Self::Interrupted(number) => ExitCode::from(128 + number),
        }
    }
}

/// Runs all checks, and removes what they created: also after failed checks, and when `interrupted`
/// has ended with the number of a signal.
///
/// # Errors
///
/// [`CommandError`] if a setting or the token is missing or not valid. Then no check has run.
pub async fn run(
    args: Args,
    interrupted: impl Future<Output = u8>,
) -> Result<Outcome, CommandError> {
    let output = Output::new(OutputArgs { json: false, quiet: false });
    let api = connect(output, &args.settings)?;
    let token = api.tokens.header().await?;
    let test = SmokeTest {
        client: Client::new(api, token),
        report: Report::new(output),
        sample: Sample::new(args.selection.filter()),
        read_token: read_token()?,
    };
    let signal = tokio::select! {
        () = checks::run(&test) => None,
        number = interrupted => Some(number),
    };
    if signal.is_some() {
        eprint_line("interrupted; removing what this run created");
    }
    checks::clean_up(&test).await;
    let passed = test.report.close();
    Ok(match signal {
        Some(number) => Outcome::Interrupted(number),
        None if passed => Outcome::Passed,
        None => Outcome::Failed,
    })
}

fn read_token() -> Result<Option<HeaderValue>, CommandError> {
    let Some(token) = variable_value(READ_TOKEN) else { return Ok(None) };
    let malformed = || {
        CommandError::Usage(format!(
            "the token in {READ_TOKEN} is not valid: it has spaces, or characters that are not ASCII"
        ))
    };
    bearer(&token.into()).map(Some).ok_or_else(malformed)
}
