//! Load: many clients create and read at once, for a bounded time, against the whole stack.

mod client;
mod quota;
mod results;
mod watch;

use std::{sync::Arc, time::Duration};

use clap::{Args, value_parser};
use local::{
    build::{Binaries, Profile},
    catalog::{self, Catalogs, SAMPLE_CATALOG},
    csp::Token,
    function::FunctionLimits,
    stack::{Options as StackOptions, Reservation, Stack},
};
use measure::Outcome;
use tempfile::TempDir;
use tokio::task::JoinSet;

use self::{client::Client, quota::Quota, results::Results, watch::Watch};
use crate::progress;

/// How much longer than the load a local token is good, in seconds.
const TOKEN_MARGIN: u64 = 600;

/// Has many clients create and read at once, and tells how the stack bears it
///
/// Each client uploads an archive, reads the customization that it became, and asks where to
/// download the file, over and over. The command fails if any answer is not what it should be.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many clients there are
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// How many requests they send together, if the time suffices
    #[arg(long, value_name = "M", default_value_t = 10_000)]
    requests: u64,
    /// How many seconds they go on at most
    #[arg(long, value_name = "S", default_value_t = 600)]
    seconds: u64,
    /// How the functions are built; built for debugging, the figures mean nothing
    #[arg(long, value_enum, default_value_t = Profile::Release, conflicts_with = "url")]
    profile: Profile,
    /// A stack that runs already, such as `http://127.0.0.1:9000`; its memory is not watched
    #[arg(long)]
    url: Option<String>,
    /// The access token for it [default: one that local stacks take]
    #[arg(long, requires = "url")]
    token: Option<String>,
    /// The catalog to create in; it must have released applications of `apache_kafka`
    #[arg(long, value_name = "ID", default_value = SAMPLE_CATALOG)]
    catalog: String,
}

/// Puts the load on, and prints how it went.
pub(crate) async fn run(options: Options) -> Outcome {
    let Options { clients, requests, seconds, profile, url, token, catalog } = options;
    let token = token.map_or_else(|| local_token(seconds), Ok)?;
    let quota = (requests, Duration::from_secs(seconds));
    if let Some(url) = url {
        let clients = Client::several(clients, &url, &token, &catalog)?;
        return press(clients, quota, Watch::none()).await;
    }
    let Own { stack, binaries, _directory } = Own::start(profile, clients).await?;
    let clients = Client::several(clients, &stack.base_url(), &token, &catalog)?;
    let outcome = press(clients, quota, Watch::of(binaries)).await;
    stack.stop().await;
    outcome
}

fn local_token(seconds: u64) -> Outcome<String> {
    let lifetime = seconds.saturating_add(TOKEN_MARGIN);
    Ok(Token::default().expires_in(lifetime.try_into()?).sign()?)
}

/// Sets the clients to work until so many requests are answered, or so much time is past.
async fn press(
    clients: Vec<Client>,
    (requests, time): (u64, Duration),
    mut watch: Watch,
) -> Outcome {
    let quota = Arc::new(Quota::new(requests, time));
    let bar = progress::bar("creating and getting", requests);
    let mut at_work: JoinSet<Results> =
        clients.into_iter().map(|client| client.work(Arc::clone(&quota))).collect();
    let mut results = Results::default();
    loop {
        tokio::select! {
            ended = at_work.join_next() => match ended {
                Some(ended) => results.add(ended?),
                None => break,
            },
            () = tokio::time::sleep(watch::INTERVAL) => {}
        }
        bar.set_position(quota.done());
        watch.look(&quota)?;
    }
    bar.finish_and_clear();
    println!("{}\n{watch}", results.table(quota.elapsed()));
    results.verdict()
}

/// A stack of this command's own.
#[derive(Debug)]
struct Own {
    stack: Stack,
    binaries: Binaries,
    /// Its files; they end with this.
    _directory: TempDir,
}

impl Own {
    async fn start(profile: Profile, clients: u32) -> Outcome<Self> {
        eprintln!("building the functions");
        let binaries = Binaries::build(profile).await?;
        let directory = tempfile::tempdir()?;
        let catalogs = Catalogs::read(&catalog::sample())?;
        // A process for each client, as Lambda would start them.
        let function_limits =
            FunctionLimits { concurrency: clients.try_into()?, ..FunctionLimits::AWS };
        let options =
            StackOptions { function_limits, ..StackOptions::new(binaries.clone(), catalogs) };
        let reservation = Reservation::new(0, directory.path()).await?;
        let stack = Stack::start(reservation, options).await?;
        Ok(Self { stack, binaries, _directory: directory })
    }
}
