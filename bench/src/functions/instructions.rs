//! Instructions from the start of a process to its first response, as valgrind counts them.
//! Instruction counts hardly vary between runs, unlike times.

use std::{env, fs, path::PathBuf, time::Duration};

use local::function::Deployment;
use measure::Result;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;

use super::{deployments::RunningFunction, wrapper};

/// Number of processes of which the median is taken.
const ROUNDS: usize = 3;

/// Pauses between two looks at the output of valgrind, and their largest number.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSES: u32 = 200;

/// Counts instructions with callgrind.
#[derive(Debug)]
pub(super) struct Callgrind {
    valgrind: PathBuf,
    directory: PathBuf,
    rounds: usize,
}

impl Callgrind {
    /// Finds valgrind in `PATH`. Returns none, and says so, if it is not there. Its output goes to
    /// `directory`.
    pub(super) fn find(directory: PathBuf, once: bool) -> Option<Self> {
        let path = env::var_os("PATH")?;
        let mut candidates = env::split_paths(&path).map(|folder| folder.join("valgrind"));
        let Some(valgrind) = candidates.find(|candidate| candidate.is_file()) else {
            eprintln!("valgrind is not installed; instructions are not counted");
            return None;
        };
        Some(Self { valgrind, directory, rounds: if once { 1 } else { ROUNDS } })
    }

    /// Returns the median number of instructions from the start of a process to its response to
    /// `event`.
    pub(super) async fn count(
        &self,
        deployment: &Deployment,
        event: &[u8],
        expected_status: u16,
    ) -> Result<u64> {
        let mut counts = Vec::new();
        for _ in 0..self.rounds {
            counts.push(self.count_once(deployment, event, expected_status).await?);
        }
        counts.sort_unstable();
        Ok(counts.get(counts.len() / 2).copied().unwrap_or_default())
    }

    async fn count_once(
        &self,
        deployment: &Deployment,
        event: &[u8],
        expected_status: u16,
    ) -> Result<u64> {
        let output = self.directory.join("callgrind.out");
        // Nothing to remove at the first count.
        let _ = fs::remove_file(&output);
        let launcher = format!(
            "{} --quiet --tool=callgrind --callgrind-out-file={}",
            wrapper::quote(&self.valgrind),
            wrapper::quote(&output),
        );
        let script = self.directory.join("callgrind.sh");
        let deployment = wrapper::wrap(deployment.clone(), script, "", &launcher)?;
        let mut running = RunningFunction::start(&deployment).await?;
        running.invoke(event.to_vec(), expected_status).await?;
        // Valgrind writes its output when a signal ends the process.
        kill(Pid::from_raw(running.id()?.try_into()?), Signal::SIGTERM)?;
        for _ in 0..MAX_PAUSES {
            let written = fs::read_to_string(&output).unwrap_or_default();
            let total = written.lines().find_map(|line| line.strip_prefix("totals: "));
            if let Some(total) = total {
                return Ok(total.trim().parse()?);
            }
            sleep(PAUSE).await;
        }
        Err("valgrind wrote no total".into())
    }
}
