//! The share of a CPU that Lambda gives a function, as a quota of a control group of Linux.
//!
//! Lambda assigns CPU in proportion to memory; 1,769 MB have one vCPU
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use local::function::Deployment;
use measure::Result;

use super::wrapper;

/// Memory with one vCPU, in MB.
const MEMORY_OF_ONE_CPU: u64 = 1_769;

/// Period in which the quota applies, in microseconds. AWS does not document Lambda's period. A short
/// one slows a process evenly: within a long one, a whole cold start fits into the quota.
const PERIOD_MICROS: u64 = 4_000;

/// A control group. It is removed when this value is dropped; by then its processes must have
/// exited.
#[derive(Debug)]
pub(super) struct CpuQuota {
    directory: PathBuf,
}

impl CpuQuota {
    /// Creates a control group with the CPU share of a function with `memory` MB.
    pub(super) fn new(memory: u64) -> Result<Self> {
        let quota = Self::try_new(memory);
        Ok(quota.map_err(|error| {
            format!(
                "this machine does not allow CPU quotas (they need root and the cpu controller of \
                 Linux control groups): {error}"
            )
        })?)
    }

    fn try_new(memory: u64) -> io::Result<Self> {
        let quota = PERIOD_MICROS * memory.min(MEMORY_OF_ONE_CPU) / MEMORY_OF_ONE_CPU;
        let name = format!("bench-{}-{memory}", std::process::id());
        // Version 1 mounts each controller in a directory of its own.
        let (version_1, version_2) = (Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup"));
        let is_version_1 = version_1.is_dir();
        let directory = if is_version_1 { version_1 } else { version_2 }.join(name);
        fs::create_dir(&directory)?;
        // From here on, dropping it removes the directory.
        let group = Self { directory };
        let write = |file: &str, value: String| fs::write(group.directory.join(file), value);
        if is_version_1 {
            write("cpu.cfs_period_us", PERIOD_MICROS.to_string())?;
            write("cpu.cfs_quota_us", quota.to_string())?;
        } else {
            write("cpu.max", format!("{quota} {PERIOD_MICROS}"))?;
        }
        Ok(group)
    }

    /// Returns the deployment whose processes join this control group when they start.
    pub(super) fn apply(&self, deployment: Deployment, script: PathBuf) -> Result<Deployment> {
        let processes = wrapper::quote(&self.directory.join("cgroup.procs"));
        wrapper::wrap(deployment, script, &format!("echo $$ > {processes}"), "")
    }
}

impl Drop for CpuQuota {
    fn drop(&mut self) {
        // An error means that a process has not yet exited. The empty group does no harm.
        let _ = fs::remove_dir(&self.directory);
    }
}
