//! CPU time and memory of processes, as Linux reports them in `/proc`.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use measure::Result;
use nix::time::ClockId;

/// Memory of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Current resident set size, in bytes.
    pub(crate) rss: u64,
    /// Peak resident set size, in bytes.
    pub(crate) peak_rss: u64,
}

/// Returns the CPU time of all threads of a process. The process must be idle, because the CPU time
/// of a running thread is not yet counted completely.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may exit after the folder was listed.
        let Ok(schedstat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let cpu_time = schedstat.split_whitespace().next().ok_or("schedstat is empty")?;
        nanoseconds += cpu_time.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Runs `work` and returns the CPU time that this thread used for it.
pub(crate) fn cpu_time_of<T, E>(
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<Duration>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let cpu_time = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from);
    let before = cpu_time()?;
    work().map_err(Into::into)?;
    Ok(cpu_time()?.saturating_sub(before))
}

/// Returns the memory of a process.
pub(crate) fn memory(process: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| -> Result<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        let value = value.ok_or_else(|| format!("/proc/{process}/status has no {name}"))?;
        let kibibytes = value.trim().strip_suffix(" kB").ok_or("the unit is not kB")?;
        Ok(kibibytes.parse::<u64>()? * 1024)
    };
    Ok(Memory { rss: bytes("VmRSS:")?, peak_rss: bytes("VmHWM:")? })
}

/// Returns the running child processes of this process, and the paths of their binaries.
pub(crate) fn children() -> io::Result<Vec<(u32, PathBuf)>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let Ok(pids) = fs::read_to_string(thread?.path().join("children")) else { continue };
        for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            if let Ok(binary) = fs::read_link(Path::new("/proc").join(format!("{pid}/exe"))) {
                children.push((pid, binary));
            }
        }
    }
    Ok(children)
}
