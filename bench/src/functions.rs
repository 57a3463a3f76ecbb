//! Measures the real functions: their binaries are sent events by the Lambda Runtime API, against
//! embedded stores.

mod creates;
mod deployed;
mod gets;
mod report;
mod starts;

use std::fs;

use clap::Args;
use local::{
    build::{Binaries, Profile},
    csp::Token,
    data_dir::DataDir,
    function::FunctionName,
    stores::Stores,
};
use measure::{Outcome, event::Caller};

use self::{deployed::Deployed, report::Report};
use crate::catalogs;

/// The function that does nothing, which starts are measured against.
const BARE: &str = "bare-function";

/// What a binary may weigh, in bytes.
const BINARY: u64 = 8_000_000;

/// The sizes of the catalogs, in applications.
const SMALL: usize = 10;
const MEDIUM: usize = 1_000;
const LARGE: usize = 10_000;

/// How long a run may take, with its token: longer than any does.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// Measures the functions: starts, first and later answers, processor's time, memory and size
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How the functions are built; built for debugging, the figures mean nothing
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Does everything once, to see that it works; the figures mean nothing
    #[arg(long)]
    once: bool,
}

/// What is measured, and how often.
#[derive(Debug)]
struct Bench {
    functions: Deployed,
    caller: Caller,
    once: bool,
}

impl Bench {
    /// So many rounds, or one.
    fn rounds(&self, rounds: u32) -> u32 {
        if self.once { 1 } else { rounds }
    }

    /// The same caller in the catalog of so many applications.
    fn caller_in(&self, applications: usize) -> Caller {
        Caller { catalog_id: catalogs::id(applications), ..self.caller.clone() }
    }
}

/// Measures all, and prints it.
pub(crate) async fn measure(options: Options) -> Outcome {
    let Options { profile, once } = options;
    eprintln!("building the functions");
    let (binaries, bare) = Binaries::build_with(BARE, profile).await?;
    let directory = tempfile::tempdir()?;
    let stores = Stores::start(DataDir::open(directory.path())?).await?;
    catalogs::load(&stores.table(), &[SMALL, MEDIUM, LARGE]).await?;
    let token = Token::default().expires_in(TOKEN_SECONDS).sign()?;
    let caller = Caller { token, catalog_id: catalogs::id(MEDIUM) };
    let functions = Deployed::new(&binaries, bare, &stores);
    let bench = Bench { functions, caller, once };

    let mut report = Report::new(once);
    starts::measure(&bench, &mut report).await?;
    creates::measure(&bench, &mut report).await?;
    gets::measure(&bench, &mut report).await?;
    for function in FunctionName::ALL {
        let bytes = fs::metadata(binaries.of(function))?.len();
        report.bytes(&format!("{function}: binary"), bytes, BINARY);
    }
    println!("{report}");
    stores.stop().await;
    Ok(())
}
