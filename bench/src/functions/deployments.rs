//! Deployments of the functions, and their running processes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use local::{
    build::Binaries,
    function::{Deployment, FunctionLimits, FunctionName, Process},
    stores::Stores,
};
use measure::Result;

use super::{
    cpu_quota::CpuQuota,
    transports::{Proxies, Transports},
};
use crate::{
    resource_usage::{self, Memory},
    response,
};

/// Memory of the functions in template.yaml, in MB.
const WRITE_MEMORY: u64 = 1_769;
const READ_MEMORY: u64 = 512;

/// Time after which a process that has responded has requested the next event, and is idle.
const IDLE_DELAY: Duration = Duration::from_millis(3);

/// The functions over both transports, and the bare function, which opens no connections.
#[derive(Debug)]
pub(super) struct Deployments {
    pub(super) create: Transports<Deployment>,
    pub(super) get: Transports<Deployment>,
    pub(super) bare: Deployment,
    /// The groups exist as long as the deployments.
    _quotas: Vec<CpuQuota>,
}

impl Deployments {
    pub(super) fn new(
        binaries: &Binaries,
        bare_function: &Path,
        stores: &Stores,
        proxies: &Proxies,
    ) -> Self {
        let environments =
            Transports { plain: stores.environment(), tls: proxies.environment.clone() };
        let deploy = |name: FunctionName, binary: &Path| {
            environments.clone().map(|environment| Deployment {
                name,
                binary: binary.to_owned(),
                environment,
                log: stores.data_dir().path().join(format!("{name}.log")),
                limits: FunctionLimits::AWS,
            })
        };
        let deploy_built = |name| deploy(name, binaries.of(name));
        Self {
            create: deploy_built(FunctionName::WriteCustomizations),
            get: deploy_built(FunctionName::ReadCustomizations),
            // `FunctionName` has no variant for the bare function. Any variant works.
            bare: deploy(FunctionName::ReadCustomizations, bare_function).plain,
            _quotas: Vec::new(),
        }
    }

    /// Limits the CPU of each process to the share that Lambda gives it. `directory` gets the
    /// scripts that start the processes.
    pub(super) fn with_lambda_cpu(self, directory: &Path) -> Result<Self> {
        let (write, read) = (CpuQuota::new(WRITE_MEMORY)?, CpuQuota::new(READ_MEMORY)?);
        let apply = |quota: &CpuQuota, name: &str, deployments: Transports<Deployment>| {
            let scripts = Transports { plain: "plain", tls: "tls" };
            deployments.zip(scripts).try_map(|(deployment, transport)| {
                quota.apply(deployment, directory.join(format!("{name}-{transport}.sh")))
            })
        };
        Ok(Self {
            create: apply(&write, "create", self.create)?,
            get: apply(&read, "get", self.get)?,
            bare: read.apply(self.bare, directory.join("bare.sh"))?,
            _quotas: vec![write, read],
        })
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

    /// Starts a process for each transport.
    pub(super) async fn start_both(
        deployments: &Transports<Deployment>,
    ) -> Result<Transports<Self>> {
        let Transports { plain, tls } = deployments;
        Ok(Transports { plain: Self::start(plain).await?, tls: Self::start(tls).await? })
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

    /// Returns the identifier of the process.
    pub(super) fn id(&self) -> Result<u32> {
        Ok(self.process.id().ok_or("the process has exited")?)
    }
}
