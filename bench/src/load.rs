//! Load on the whole stack: concurrent clients send creates and gets for a limited time.

mod client;
mod memory_monitor;
mod quota;
mod results;

use std::{sync::Arc, time::Duration};

use clap::{Args, value_parser};
use local::{
    build::{Binaries, Profile},
    catalog::{self, Catalogs, SAMPLE_CATALOG},
    csp::Token,
    function::FunctionLimits,
    stack::{Options as StackOptions, Reservation, Stack},
};
use measure::Result;
use tempfile::TempDir;
use tokio::task::JoinSet;

use self::{client::Client, memory_monitor::MemoryMonitor, quota::Quota, results::Results};
use crate::progress;

/// Time for which a local token stays valid after the longest run, in seconds.
const TOKEN_MARGIN_SECONDS: u64 = 600;

/// Loads the whole stack with concurrent clients; reports throughput, latency and memory
///
/// Each client repeats three requests without a pause: it creates a customization, gets it, and
/// gets the download link of its file. The command fails if a response is not as expected.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Number of concurrent clients
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// Total number of requests after which the run ends
    #[arg(long, value_name = "M", default_value_t = 10_000)]
    requests: u64,
    /// Number of seconds after which the run ends
    #[arg(long, value_name = "S", default_value_t = 600)]
    seconds: u64,
    /// Build profile of the functions; with `debug`, the results are meaningless
    #[arg(long, value_enum, default_value_t = Profile::Release, conflicts_with = "url")]
    profile: Profile,
    /// URL of a running stack, such as `http://127.0.0.1:9000`; its memory is not measured
    #[arg(long)]
    url: Option<String>,
    /// Access token for that stack [default: a token for local stacks]
    #[arg(long, requires = "url")]
    token: Option<String>,
    /// Catalog to create customizations in; it must have released applications of `apache_kafka`
    #[arg(long, value_name = "ID", default_value = SAMPLE_CATALOG)]
    catalog: String,
}

/// Loads the stack and prints the results.
pub(crate) async fn run(options: Options) -> Result {
    let Options { clients, requests, seconds, profile, url, token, catalog } = options;
    let token = token.map_or_else(|| local_token(seconds), Ok)?;
    let limits = (requests, Duration::from_secs(seconds));
    if let Some(url) = url {
        let clients = Client::create_many(clients, &url, &token, &catalog)?;
        return run_clients(clients, limits, MemoryMonitor::disabled()).await;
    }
    let OwnStack { stack, binaries, _directory } = OwnStack::start(profile, clients).await?;
    let clients = Client::create_many(clients, &stack.base_url(), &token, &catalog)?;
    let result = run_clients(clients, limits, MemoryMonitor::new(binaries)).await;
    stack.stop().await;
    result
}

fn local_token(seconds: u64) -> Result<String> {
    let lifetime = seconds.saturating_add(TOKEN_MARGIN_SECONDS);
    Ok(Token::default().expires_in(lifetime.try_into()?).sign()?)
}

/// Runs the clients until `max_requests` are finished or `max_duration` has passed. Prints the
/// results.
async fn run_clients(
    clients: Vec<Client>,
    (max_requests, max_duration): (u64, Duration),
    mut memory: MemoryMonitor,
) -> Result {
    let quota = Arc::new(Quota::new(max_requests, max_duration));
    let bar = progress::bar("creating and getting", max_requests);
    let mut running: JoinSet<Results> =
        clients.into_iter().map(|client| client.run(Arc::clone(&quota))).collect();
    let mut results = Results::default();
    loop {
        tokio::select! {
            finished = running.join_next() => match finished {
                Some(client_results) => results.merge(client_results?),
                None => break,
            },
            () = tokio::time::sleep(memory_monitor::INTERVAL) => {}
        }
        bar.set_position(quota.finished());
        memory.poll(&quota)?;
    }
    bar.finish_and_clear();
    println!("{}\n{memory}", results.table(quota.elapsed()));
    results.into_result()
}

/// A stack that this command starts.
#[derive(Debug)]
struct OwnStack {
    stack: Stack,
    binaries: Binaries,
    /// Data directory. It is deleted when this is dropped.
    _directory: TempDir,
}

impl OwnStack {
    async fn start(profile: Profile, clients: u32) -> Result<Self> {
        eprintln!("building the functions");
        let binaries = Binaries::build(profile).await?;
        let directory = tempfile::tempdir()?;
        let catalogs = Catalogs::read(&catalog::sample())?;
        // One process for each client, as Lambda would start them.
        let function_limits =
            FunctionLimits { concurrency: clients.try_into()?, ..FunctionLimits::AWS };
        let options =
            StackOptions { function_limits, ..StackOptions::new(binaries.clone(), catalogs) };
        let reservation = Reservation::new(0, directory.path()).await?;
        let stack = Stack::start(reservation, options).await?;
        Ok(Self { stack, binaries, _directory: directory })
    }
}
