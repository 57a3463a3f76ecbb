//! Measures the real functions: starts their binaries, and sends them events through the Lambda
//! Runtime API. The stores are embedded. The functions reach them over plain HTTP, and over TLS as in
//! production.

mod cold_starts;
mod cpu_quota;
mod creates;
mod deployments;
mod gets;
mod instructions;
mod lists;
mod report;
mod transports;
mod uploads;
mod warm;
mod wrapper;

use std::fs;

use clap::Args;
use local::{
    build::{Binaries, Profile},
    csp::Token,
    data_dir::DataDir,
    function::FunctionName,
    stores::Stores,
};
use measure::{Result, event::EventBuilder};

use self::{
    deployments::Deployments,
    instructions::Callgrind,
    report::{Report, Row},
    transports::{Proxies, Transports},
};
use crate::catalogs;

/// Package of the function that does nothing, which is the baseline of cold starts.
const BARE_FUNCTION: &str = "bare-function";

/// Target of the size of a binary, in bytes.
const MAX_BINARY_BYTES: u64 = 7_000_000;

/// Sizes of the catalogs, in applications.
const SMALL: usize = 10;
const MEDIUM: usize = 1_000;
const LARGE: usize = 10_000;

/// Lifetime of the token, which is longer than any run takes.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// Measures the functions: cold starts, latency, CPU time, memory and binary size
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build profile of the functions; with `debug`, the results are meaningless
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Run each measurement once, to check that it works; the results are meaningless
    #[arg(long)]
    once: bool,
    /// Give each function the share of a CPU that Lambda gives it: 0.29 vCPU to read-customizations
    /// (512 MB), 1 vCPU to write-customizations (1,769 MB); needs root and Linux control groups
    #[arg(long)]
    lambda_cpu: bool,
}

/// Functions and events of all measurements.
#[derive(Debug)]
struct Bench {
    functions: Deployments,
    events: EventBuilder,
    /// None if instructions are not counted.
    callgrind: Option<Callgrind>,
    once: bool,
}

impl Bench {
    /// Returns the number of rounds, which is 1 with `--once`.
    fn rounds(&self, rounds: u32) -> u32 {
        if self.once { 1 } else { rounds }
    }

    /// Returns the builder of events for the catalog with this number of applications.
    fn events_in(&self, applications: usize) -> EventBuilder {
        EventBuilder { catalog_id: catalogs::id(applications), ..self.events.clone() }
    }
}

/// Runs all measurements and prints their results.
pub(crate) async fn measure(options: Options) -> Result {
    let Options { profile, once, lambda_cpu } = options;
    eprintln!("building the functions");
    let (binaries, bare_function) = Binaries::build_with(&[BARE_FUNCTION], profile).await?;
    let bare_function = bare_function.first().ok_or("cargo built no bare function")?;
    let directory = tempfile::tempdir()?;
    let stores = Stores::start(DataDir::open(directory.path())?).await?;
    let proxies = Proxies::start(&stores).await?;
    catalogs::load(&stores.table(), &[SMALL, MEDIUM, LARGE]).await?;
    let token = Token::default().expires_in(TOKEN_SECONDS).sign()?;
    let events = EventBuilder { token, catalog_id: catalogs::id(MEDIUM) };
    let mut functions = Deployments::new(&binaries, bare_function, &stores, &proxies);
    if lambda_cpu {
        functions = functions.with_lambda_cpu(directory.path())?;
    }
    // A quota does not change the number of instructions.
    let callgrind =
        if lambda_cpu { None } else { Callgrind::find(directory.path().to_owned(), once) };
    let bench = Bench { functions, events, callgrind, once };

    // First, while the catalogs have no other customizations.
    let lists = lists::measure(&bench, &stores.table()).await?;
    let mut report = Report::new(once);
    cold_starts::measure(&bench, &mut report).await?;
    creates::measure(&bench, &mut report).await?;
    uploads::measure(&bench, &stores.s3_client(), &mut report).await?;
    gets::measure(&bench, &mut report).await?;
    for row in lists {
        report.add(row);
    }
    for function in FunctionName::ALL {
        let bytes = fs::metadata(binaries.of(function))?.len();
        let bytes = Transports::both(bytes);
        let row = Row::bytes(&format!("{function}: binary size"), bytes);
        report.add(row.max_bytes(bytes, MAX_BINARY_BYTES));
    }
    println!("{report}");
    stores.stop().await;
    Ok(())
}
