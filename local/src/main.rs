//! The command `local`: runs the whole stack, only its stores, or prints a token.

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use admin::catalog_file::CatalogEntry;
use clap::{Args, Parser, Subcommand};
use local::{
    build::{Binaries, Profile, workspace},
    catalog::{self, Catalogs, SAMPLE_ORGANIZATION},
    csp::{LIFETIME, Token},
    data_dir::DataDir,
    stack::{Options, Reservation, Stack},
    stores::{BUCKET, Stores, TABLE},
};
use serde_json::json;
use shared::{domain::Application, error::ErrorChain};
use tempfile::NamedTempFile;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Runs the whole service on this machine: builds both functions, starts an embedded S3 and
/// DynamoDB, loads catalogs, and serves the API as API Gateway and Lambda do.
///
/// When the API is ready, it prints the line `ready http://127.0.0.1:PORT`, then `curl` commands to
/// paste. Ctrl-C stops everything. Stored data is kept for the next run.
#[derive(Debug, Parser)]
#[command(version = version::version!(), args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Stores(StoresArgs),
    Token(TokenArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Port of 127.0.0.1 to serve the API on; 0 selects any free port
    #[arg(long, value_name = "N", default_value_t = 9000)]
    port: u16,
    #[command(flatten)]
    data: DataArgs,
    /// File with catalogs to load into the table, in the format of `admin import` [default:
    /// local/sample-catalog.json in the workspace]
    #[arg(long, value_name = "FILE", default_value_os_t = catalog::sample(), hide_default_value = true)]
    catalog: PathBuf,
    /// Build the functions with optimizations, as they are deployed
    #[arg(long)]
    release: bool,
    /// Additional host name that requests may use, as in `http://NAME:9000`; repeatable
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
}

#[derive(Debug, Args)]
struct DataArgs {
    /// Directory for all data, kept between runs [default: .local in the workspace]
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join(".local"), hide_default_value = true)]
    data_dir: PathBuf,
}

/// Runs only the stores, for functions that another program runs, such as `cargo lambda watch`
///
/// Writes the functions' environment to FILE, or prints it, as lines `NAME=value`. Then prints
/// `ready` and the endpoint of DynamoDB. `cargo lambda watch --env-file FILE` serves the API.
#[derive(Debug, Args)]
struct StoresArgs {
    /// File to write the functions' environment to
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

/// Prints an access token for a local stack
///
/// The token is signed with a published key, which only local stacks trust.
#[derive(Debug, Args)]
struct TokenArgs {
    /// Organization of the user
    #[arg(long, value_name = "ID", default_value = SAMPLE_ORGANIZATION)]
    org: String,
    /// Name of the user
    #[arg(long, value_name = "NAME", default_value = "johndoe")]
    user: String,
    /// Permission of the user; repeatable
    #[arg(long = "perm", value_name = "P", default_values = ["csp:org_owner", "csp:org_member"])]
    perms: Vec<String>,
    /// Lifetime of the token; a negative number gives an expired token
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = LIFETIME.as_secs().cast_signed())]
    expires_in: i64,
}

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    init_logging();
    let Cli { command, run } = Cli::parse();
    let result = match command {
        None => run_stack(run).await,
        Some(Command::Stores(args)) => run_stores(args).await,
        Some(Command::Token(args)) => print_token(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {}", ErrorChain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Writes the log to the standard error: warnings, or the levels that `RUST_LOG` selects.
fn init_logging() {
    let format = tracing_subscriber::fmt::layer()
        .compact()
        .without_time()
        .with_target(false)
        .with_writer(io::stderr);
    // s3s logs each refused request as an error. Refused requests are normal here.
    let default_filter =
        || Targets::new().with_default(LevelFilter::WARN).with_target("s3s", LevelFilter::OFF);
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    tracing_subscriber::registry().with(format).with(filter.unwrap_or_else(default_filter)).init();
}

async fn run_stack(args: RunArgs) -> Result {
    let mut shutdown = Box::pin(shutdown_signal()?);
    let catalogs = Catalogs::read(&args.catalog)?;
    let stack = tokio::select! {
        stack = start_stack(args, catalogs.clone()) => stack?,
        () = &mut shutdown => return Ok(()),
    };
    let environment = stack.stores().data_dir().path().join("environment");
    write_atomically(&environment, &stack.environment().to_string())?;
    // A broken pipe is ignored, because a program that starts `local` may read only the first line.
    drop(println(&format!("ready {}", stack.base_url())));
    drop(print(&instructions(&stack, &catalogs, &environment)?));
    shutdown.await;
    eprintln!("stopping");
    stack.stop().await;
    Ok(())
}

async fn start_stack(args: RunArgs, catalogs: Catalogs) -> Result<Stack> {
    let RunArgs { port, data: DataArgs { data_dir }, catalog, release, allowed_hosts } = args;
    let reservation = Reservation::new(port, &data_dir).await?;
    eprintln!("building write-customizations and read-customizations");
    let profile = if release { Profile::Release } else { Profile::Debug };
    let binaries = Binaries::build(profile).await?;
    eprintln!("starting with data in {} and catalogs of {}", data_dir.display(), catalog.display());
    let mut options = Options::new(binaries, catalogs);
    options.allowed_hosts = allowed_hosts.into_iter().collect();
    Ok(Stack::start(reservation, options).await?)
}

async fn run_stores(args: StoresArgs) -> Result {
    let shutdown = shutdown_signal()?;
    let StoresArgs { env_file, data: DataArgs { data_dir } } = args;
    let stores = Stores::start(DataDir::open(&data_dir)?).await?;
    let environment = stores.environment().to_string();
    match env_file {
        Some(file) => write_atomically(&file, &environment)?,
        None => print(&environment)?,
    }
    println(&format!("ready {}", stores.dynamodb_endpoint()))?;
    shutdown.await;
    stores.stop().await;
    Ok(())
}

fn print_token(args: TokenArgs) -> Result {
    let TokenArgs { org, user, perms, expires_in } = args;
    let token =
        Token::default().organization(&org).user(&user).permissions(perms).expires_in(expires_in);
    println(&token.sign()?)
}

/// Returns a future that resolves on SIGINT, SIGTERM or SIGHUP. After this call, these signals no
/// longer end the process.
fn shutdown_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Returns commands to paste into a shell.
fn instructions(stack: &Stack, catalogs: &Catalogs, environment: &Path) -> Result<String> {
    let Some(CatalogEntry { catalog, applications }) = catalogs.entries().first() else {
        return Ok("\nThe file has no catalogs, so no customization can be created.\n".to_owned());
    };
    let filter = applications.first().map_or_else(String::new, |application| {
        let Application { product_key, branch, .. } = application;
        let filter = json!({ "product_key": product_key, "branch": branch });
        format!(" -F 'filter={filter}'")
    });
    let token = Token::default().organization(&catalog.org_id.to_string()).sign()?;
    let curl = format!("curl -H 'Authorization: Bearer {token}'");
    let url = format!("{}/v1/catalogs/{}", stack.base_url(), catalog.id);
    let stores = stack.stores();
    Ok(format!(
        "
API reference, to read and to try in a browser: {reference}/

Create a customization from any tar.gz:

tar czf customization.tar.gz -C {workspace} README.md
{curl} -i -F file=@customization.tar.gz -F name='my customization'{filter} {url}/customizations

Get it (replace ID by its `id`):

{curl} {url}/customizations/ID

Get a download link of its file (replace DIGEST by its `artifact.id`):

{curl} '{url}/files/DIGEST?filename=customization.tar.gz'

The token is valid for {minutes} minutes. Get another token: cargo run -p local -- token

DynamoDB listens on {dynamodb}, S3 on {s3}. To use them:

env $(cat {environment}) cargo run -p admin -- --help
env $(cat {environment}) aws s3 ls --recursive s3://{bucket}
env $(cat {environment}) aws dynamodb scan --table-name {table}

The functions' logs are in {logs}. Ctrl-C stops everything.
",
        reference = stack.base_url(),
        workspace = workspace().display(),
        minutes = LIFETIME.as_secs() / 60,
        dynamodb = stores.dynamodb_endpoint(),
        s3 = stores.s3_endpoint(),
        environment = environment.display(),
        bucket = BUCKET,
        table = TABLE,
        logs = stores.data_dir().path().join("logs").display(),
    ))
}

/// Writes a temporary file and renames it, so that a reader never sees a part of the content.
fn write_atomically(path: &Path, content: &str) -> Result {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let write = || {
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(content.as_bytes())?;
        file.persist(path)?;
        io::Result::Ok(())
    };
    write().map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

fn print(text: &str) -> Result {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

fn println(line: &str) -> Result {
    print(&format!("{line}\n"))
}
