//! The operator's command.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]

use std::{fs, path::PathBuf, process::ExitCode};

use admin::{
    catalog_file::EXAMPLE,
    import::{Import, ImportError},
    pipeline::{self, BuildReport, ReportError, ReportOutcome, Target},
    records::WriteError,
};
use aws_config::BehaviorVersion;
use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};
use indicatif::{ProgressBar, ProgressStyle};
use shared::{
    domain::{
        BuildStatus, CustomizationId, CustomizationStatus, Failure, FailureCause, Id, Timestamp,
        Version,
    },
    error::ErrorChain,
    storage::{self, StorageError, Table},
};

/// Imports catalogs into the table, and records the reports of the build pipeline.
///
/// The region and credentials come from AWS_REGION, AWS_ACCESS_KEY_ID …, or from the profile in
/// AWS_PROFILE, as with other AWS tools. AWS_ENDPOINT_URL_DYNAMODB sets another DynamoDB endpoint,
/// such as that of local stores. For credentials from a login (`aws sso login`, `aws login`) or a
/// credential_process, export them first with the AWS CLI:
///
/// eval "$(aws configure export-credentials --format env)"
#[derive(Parser)]
#[command(name = "admin", version = version::version!())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Import catalogs, applications, base images, products and registries from a JSON file.
    ///
    /// The whole file is checked before anything is written, and each error is reported with its
    /// path. Existing records are replaced, so importing a file twice changes nothing.
    #[command(after_long_help = format())]
    Import(ImportArgs),
    /// Record the result of an application's build with a version of a customization.
    ///
    /// A result replaces an earlier one, but never that of a later version: a result that arrives
    /// late changes nothing, and the command says so.
    RecordBuild(RecordBuildArgs),
    /// Set the status of a customization.
    ///
    /// The status of an earlier version changes nothing, and the command says so. A removed
    /// customization accepts only DELETED and PROCESSING_DELETE_…: its removal cannot be undone.
    SetStatus(SetStatusArgs),
}

#[derive(Args)]
struct TableArgs {
    /// The name of the DynamoDB table.
    #[arg(long, env = "TABLE_NAME", value_name = "NAME")]
    table: String,
}

#[derive(Args)]
struct CustomizationArgs {
    /// The catalog that the customization belongs to.
    #[arg(long, value_name = "ID")]
    catalog: Id,
    /// The identifier of the customization.
    #[arg(long, value_name = "ID")]
    customization: CustomizationId,
    /// The version that the report is about, such as v2 [default: the current version].
    #[arg(long, value_name = "vN")]
    version: Option<Version>,
}

impl From<CustomizationArgs> for Target {
    fn from(args: CustomizationArgs) -> Self {
        let CustomizationArgs { catalog, customization, version } = args;
        Self { catalog_id: catalog, customization_id: customization, version }
    }
}

#[derive(Args)]
struct ImportArgs {
    #[command(flatten)]
    table: TableArgs,
    /// The JSON file; `--help` shows its format.
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
}

#[derive(Args)]
struct RecordBuildArgs {
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    customization: CustomizationArgs,
    /// The application that was built. The customization must affect it.
    #[arg(long, value_name = "ID")]
    application: Id,
    /// The result of the build.
    #[arg(long, value_parser = PossibleValuesParser::new(BuildStatus::KNOWN))]
    status: String,
    #[command(flatten)]
    failure: FailureArgs,
}

/// Details of a failed build.
#[derive(Args)]
struct FailureArgs {
    /// The kind of failure (only with --status FAILED).
    #[arg(long, value_parser = PossibleValuesParser::new(FailureCause::KNOWN))]
    cause: Option<String>,
    /// A human-readable description (only with --status FAILED).
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A page with details, such as the build log (only with --status FAILED).
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
}

#[derive(Args)]
struct SetStatusArgs {
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    customization: CustomizationArgs,
    /// The new status.
    #[arg(long, value_parser = PossibleValuesParser::new(CustomizationStatus::KNOWN))]
    status: String,
    /// The user who is recorded as the author of the change.
    #[arg(long, value_name = "USER", default_value = "pipeline")]
    by: String,
}

/// The end of `import --help`.
fn format() -> String {
    format!(
        "An example of the file:\n\n{EXAMPLE}\n\
         Each list is optional. openapi.yaml describes the fields, and says which fields of a base \
         image, product, registry or release are optional. An application without latest_release \
         is not released yet; latest_pipeline_id is optional too. The references of an \
         application must be in the file or in the table."
    )
}

/// A command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{file} is not imported:\n{errors}", file = .0.display(), errors = .1)]
    File(PathBuf, ImportError),
    #[error("--cause, --description and --source-url require --status FAILED")]
    FailureWithoutFailed,
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Import(args) => import(args).await,
        Command::RecordBuild(args) => record_build(args).await,
        Command::SetStatus(args) => set_status(args).await,
    };
    match outcome {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}", ErrorChain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn open(args: TableArgs) -> Table {
    let sdk_config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(storage::http_client())
        .retry_config(storage::retry_config())
        .timeout_config(storage::timeout_config())
        .load()
        .await;
    Table::new(&sdk_config, args.table)
}

async fn import(ImportArgs { table, file }: ImportArgs) -> Result<String, CommandError> {
    let json =
        fs::read_to_string(&file).map_err(|error| CommandError::Read(file.clone(), error))?;
    let table = open(table).await;
    let import = Import::check(&json, &table).await.map_err(|error| match error {
        ImportError::Storage(error) => CommandError::Storage(error),
        errors @ ImportError::File(_) => CommandError::File(file.clone(), errors),
    })?;
    let bar = ProgressBar::new(import.len() as u64).with_style(style());
    import.write(&table, |records| bar.inc(records as u64)).await?;
    bar.finish_and_clear();
    Ok(format!("imported {} records from {}", import.len(), file.display()))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} records, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The description of a failure that is recorded without one.
const NO_DESCRIPTION: &str = "The build with the customization failed.";

async fn record_build(args: RecordBuildArgs) -> Result<String, CommandError> {
    let RecordBuildArgs { table, customization, application, status, failure } = args;
    let FailureArgs { cause, description, source_url } = failure;
    let status = BuildStatus::from(status);
    let failure = if status == BuildStatus::FAILED {
        Some(Failure {
            description: description.unwrap_or_else(|| NO_DESCRIPTION.to_owned()),
            source_url,
            error_date: Some(Timestamp::now()),
            cause: cause.map(FailureCause::from),
        })
    } else if cause.is_some() || description.is_some() || source_url.is_some() {
        return Err(CommandError::FailureWithoutFailed);
    } else {
        None
    };
    let done = format!("recorded {} for application {application}", status.as_str());
    let report = BuildReport { application_id: application, status, failure };
    let target = Target::from(customization);
    let outcome = pipeline::record_build(&open(table).await, &target, report).await?;
    Ok(describe(outcome, done))
}

async fn set_status(args: SetStatusArgs) -> Result<String, CommandError> {
    let SetStatusArgs { table, customization, status, by } = args;
    let status = CustomizationStatus::from(status);
    let target = Target::from(customization);
    let outcome = pipeline::set_status(&open(table).await, &target, &status, &by).await?;
    let done = format!("customization {} is {}", target.customization_id, status.as_str());
    Ok(describe(outcome, done))
}

/// The output of a command whose report had this outcome; `done` is that of a recorded one. A late
/// report is no error: the pipeline may deliver reports twice and in any order.
fn describe(outcome: ReportOutcome, done: String) -> String {
    match outcome {
        ReportOutcome::Recorded => done,
        ReportOutcome::Outdated(newer) => {
            format!("nothing changed: the report is of an earlier version than {newer}")
        }
        ReportOutcome::Removed => "nothing changed: the customization is removed".to_owned(),
    }
}
