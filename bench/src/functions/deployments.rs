//! Deployments of the functions, and their running processes.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use local::{
    build::Binaries,
    function::{Deployment, FunctionLimits, FunctionName, Process},
    stores::Stores,
};
use measure::Result;

use crate::{
    resource_usage::{self, Memory},
    response,
};

/// Time after which a process that has responded has requested the next event, and is idle.
const IDLE_DELAY: Duration = Duration::from_millis(3);

/// The functions, and the bare function.
#[derive(Debug)]
pub(super) struct Deployments {
    pub(super) create: Deployment,
    pub(super) get: Deployment,
    pub(super) bare: Deployment,
}

impl Deployments {
    pub(super) fn new(binaries: &Binaries, bare_function: PathBuf, stores: &Stores) -> Self {
        let deploy = |name: FunctionName, binary: PathBuf| Deployment {
            name,
            binary,
            environment: stores.environment(),
            log: stores.data_dir().path().join(format!("{name}.log")),
            limits: FunctionLimits::AWS,
        };
        let deploy_built = |name| deploy(name, binaries.of(name).to_owned());
        Self {
            create: deploy_built(FunctionName::WriteCustomizations),
            get: deploy_built(FunctionName::ReadCustomizations),
            // `FunctionName` has no variant for the bare function. Any variant works.
            bare: deploy(FunctionName::ReadCustomizations, bare_function),
        }
    }
}

/// A running process of a function.
#[derive(Debug)]
pub(super) struct RunningFunction {
    process: Process,
    /// CPU time of the process at the last call of [`Self::cpu_time`].
    cpu_time: Duration,
}

impl RunningFunction {
    pub(super) async fn start(deployment: &Deployment) -> Result<Self> {
        let process = Process::start(deployment).await?;
        Ok(Self { process, cpu_time: Duration::ZERO })
    }

    /// Returns the time from the start of the process until it requested its first event.
    pub(super) fn init_duration(&self) -> Duration {
        self.process.init_duration()
    }

    /// Sends an event. Returns the latency and the body of the response. A status other than
    /// `expected_status` is an error.
    pub(super) async fn invoke(
        &mut self,
        event: Vec<u8>,
        expected_status: u16,
    ) -> Result<(Duration, String)> {
        let event = Bytes::from(event);
        let started = Instant::now();
        let response = self.process.invoke(event).await?;
        Ok((started.elapsed(), response::body(&response, expected_status)?))
    }

    /// Waits until the process is idle. Returns the CPU time that it has used since the last call.
    pub(super) async fn cpu_time(&mut self) -> Result<Duration> {
        tokio::time::sleep(IDLE_DELAY).await;
        let now = resource_usage::cpu_time(self.id()?)?;
        Ok(now.saturating_sub(std::mem::replace(&mut self.cpu_time, now)))
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        resource_usage::memory(self.id()?)
    }

    fn id(&self) -> Result<u32> {
        Ok(self.process.id().ok_or("the process has exited")?)
    }
}
