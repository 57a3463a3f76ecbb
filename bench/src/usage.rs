//! What a process uses of the machine, as Linux tells it in `/proc`.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use measure::Outcome;
use nix::time::ClockId;

/// Bytes of memory that a process has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: u64,
    /// The most that it had at any time.
    pub(crate) peak: u64,
}

/// The processor's time that a process has used, in all of its threads, as long as it is at rest:
/// what is running at the moment is not counted yet.
pub(crate) fn cpu(process: u32) -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end in between.
        let Ok(schedule) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let used = schedule.split_whitespace().next().ok_or("schedstat is empty")?;
        nanoseconds += used.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The processor's time that this thread needs for `work`.
pub(crate) fn of<T, E>(work: impl FnOnce() -> Result<T, E>) -> Outcome<Duration>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let used = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from);
    let before = used()?;
    work().map_err(Into::into)?;
    Ok(used()?.saturating_sub(before))
}

/// The memory of a process.
pub(crate) fn memory(process: u32) -> Outcome<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| -> Outcome<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        let kilobytes = line.trim().strip_suffix(" kB").ok_or("not in kB")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    };
    Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// The processes that this one has started and that still run, with the binaries that they run.
pub(crate) fn children() -> io::Result<Vec<(u32, PathBuf)>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let Ok(numbers) = fs::read_to_string(thread?.path().join("children")) else { continue };
        for number in numbers.split_whitespace().filter_map(|number| number.parse().ok()) {
            if let Ok(binary) = fs::read_link(Path::new("/proc").join(format!("{number}/exe"))) {
                children.push((number, binary));
            }
        }
    }
    Ok(children)
}
