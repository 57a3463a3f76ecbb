//! The command `local`.

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
/// DynamoDB, loads a catalog, and serves the API as API Gateway and Lambda would.
///
/// Once it serves, it prints `ready http://127.0.0.1:PORT` on a line of its own, then `curl`
/// commands to paste. Ctrl-C stops it all; what was stored is kept for the next run.
#[derive(Debug, Parser)]
#[command(version = admin::version!(), args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    Stores(StoresOnly),
    Token(NewToken),
}

#[derive(Debug, Args)]
struct Serve {
    /// The port of 127.0.0.1 to serve the API on; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = 9000)]
    port: u16,
    #[command(flatten)]
    data: Data,
    /// File of catalogs to load into the table, in the format of `admin import`
    #[arg(long, value_name = "FILE", default_value_os_t = catalog::sample(), hide_default_value = true)]
    catalog: PathBuf,
    /// Builds the functions optimized, as they are deployed
    #[arg(long)]
    release: bool,
    /// Another host name to serve the API under, as in `http://NAME:9000`; may be given several times
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
}

#[derive(Debug, Args)]
struct Data {
    /// Directory that keeps all data between runs [default: .local in the workspace]
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join(".local"), hide_default_value = true)]
    data_dir: PathBuf,
}

/// Runs only the stores, for functions that something else runs, such as `cargo lambda watch`
///
/// Prints `ready` once they serve. The functions' environment is written to FILE, or printed
/// before, as lines of `NAME=value`. With it, `cargo lambda watch --env-file FILE` serves the API.
#[derive(Debug, Args)]
struct StoresOnly {
    /// The file to write the functions' environment to
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

/// Prints a token signed with the local key, which only local stacks trust
#[derive(Debug, Args)]
struct NewToken {
    /// The organization that the token is for
    #[arg(long, value_name = "ID", default_value = SAMPLE_ORGANIZATION)]
    org: String,
    /// The user that the token is for
    #[arg(long, value_name = "NAME", default_value = "johndoe")]
    user: String,
    /// A permission that the user has; may be given several times
    #[arg(long = "perm", value_name = "P", default_values = ["csp:org_owner", "csp:org_member"])]
    perms: Vec<String>,
    /// Lifetime of the token; a negative number makes an expired one
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = LIFETIME.as_secs().cast_signed())]
    expires_in: i64,
}

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    init_logging();
    let Cli { command, serve } = Cli::parse();
    let outcome = match command {
        None => run(serve).await,
        Some(Command::Stores(options)) => run_stores(options).await,
        Some(Command::Token(options)) => print_token(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {}", ErrorChain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Logs warnings to the standard error, or what `RUST_LOG` says.
fn init_logging() {
    let format = tracing_subscriber::fmt::layer()
        .compact()
        .without_time()
        .with_target(false)
        .with_writer(io::stderr);
    // s3s logs each refused request as an error; refusals are normal here.
    let quiet =
        || Targets::new().with_default(LevelFilter::WARN).with_target("s3s", LevelFilter::OFF);
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    tracing_subscriber::registry().with(format).with(filter.unwrap_or_else(quiet)).init();
}

async fn run(serve: Serve) -> Outcome {
    let mut shutdown = Box::pin(shutdown_signal()?);
    let catalogs = Catalogs::read(&serve.catalog)?;
    let stack = tokio::select! {
        stack = start(serve, catalogs.clone()) => stack?,
        () = &mut shutdown => return Ok(()),
    };
    let environment = stack.stores().data_dir().path().join("environment");
    write_atomically(&environment, &stack.environment().to_string())?;
    // A broken pipe is ignored: the reader may need only the first line.
    drop(println(&format!("ready {}", stack.base_url())));
    drop(print(&instructions(&stack, &catalogs, &environment)?));
    shutdown.await;
    eprintln!("stopping");
    stack.stop().await;
    Ok(())
}

async fn start(serve: Serve, catalogs: Catalogs) -> Outcome<Stack> {
    let Serve { port, data: Data { data_dir }, catalog, release, allowed_hosts } = serve;
    let reservation = Reservation::new(port, &data_dir).await?;
    eprintln!("building write-customizations and read-customizations");
    let profile = if release { Profile::Release } else { Profile::Debug };
    let binaries = Binaries::build(profile).await?;
    eprintln!("starting in {} with {}", data_dir.display(), catalog.display());
    let mut options = Options::new(binaries, catalogs);
    options.allowed_hosts = allowed_hosts.into_iter().collect();
    Ok(Stack::start(reservation, options).await?)
}

async fn run_stores(options: StoresOnly) -> Outcome {
    let shutdown = shutdown_signal()?;
    let StoresOnly { env_file, data: Data { data_dir } } = options;
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

fn print_token(options: NewToken) -> Outcome {
    let NewToken { org, user, perms, expires_in } = options;
    let token =
        Token::default().organization(&org).user(&user).permissions(perms).expires_in(expires_in);
    println(&token.sign()?)
}

/// Returns a future that resolves at SIGINT, SIGTERM or SIGHUP; from now on, these do not end the
/// process.
fn shutdown_signal() -> Outcome<impl Future<Output = ()>> {
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
fn instructions(stack: &Stack, catalogs: &Catalogs, environment: &Path) -> Outcome<String> {
    let Some(CatalogEntry { catalog, applications }) = catalogs.entries().first() else {
        return Ok("\nThe file has no catalogs: nothing can be created.\n".to_owned());
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
Read and try the API in a browser: {reference}/

Create a customization, of any tar.gz:

tar czf customization.tar.gz -C {workspace} README.md
{curl} -i -F file=@customization.tar.gz -F name='my customization'{filter} {url}/customizations

Read it, with its `id` in place of ID:

{curl} {url}/customizations/ID

Have a URL to download its file from, with its `artifact.id` in place of DIGEST:

{curl} '{url}/files/DIGEST?filename=customization.tar.gz'

The token is good for {minutes} minutes. Another one: cargo run -p local -- token

DynamoDB is at {dynamodb}, S3 at {s3}. To work on them:

env $(cat {environment}) cargo run -p admin -- --help
env $(cat {environment}) aws s3 ls --recursive s3://{bucket}
env $(cat {environment}) aws dynamodb scan --table-name {table}

What the functions write is in {logs}. Ctrl-C stops it all.
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

/// Writes a file by renaming, so that a reader never sees a part of it.
fn write_atomically(path: &Path, content: &str) -> Outcome {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let write = || {
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(content.as_bytes())?;
        file.persist(path)?;
        Ok::<_, io::Error>(())
    };
    write().map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

fn print(text: &str) -> Outcome {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

fn println(line: &str) -> Outcome {
    print(&format!("{line}\n"))
}
