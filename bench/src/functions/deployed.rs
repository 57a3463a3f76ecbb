//! The binaries as functions, and their processes at work.

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
use measure::Outcome;

use crate::{
    answer,
    usage::{self, Memory},
};

/// What a process needs at most, after its answer, to ask for the next event and come to rest.
const REST: Duration = Duration::from_millis(3);

/// The functions, and the one that does nothing.
#[derive(Debug)]
pub(super) struct Deployed {
    pub(super) create: Deployment,
    pub(super) get: Deployment,
    pub(super) bare: Deployment,
}

impl Deployed {
    pub(super) fn new(binaries: &Binaries, bare: PathBuf, stores: &Stores) -> Self {
        let deploy = |name: FunctionName, binary: PathBuf| Deployment {
            name,
            binary,
            environment: stores.environment(),
            log: stores.data_dir().path().join(format!("{name}.log")),
            limits: FunctionLimits::AWS,
        };
        let of = |name| deploy(name, binaries.of(name).to_owned());
        Self {
            create: of(FunctionName::WriteCustomizations),
            get: of(FunctionName::ReadCustomizations),
            // In the place of one that it is measured against.
            bare: deploy(FunctionName::ReadCustomizations, bare),
        }
    }
}

/// A function's process.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    /// The processor's time that is accounted for.
    cpu: Duration,
}

impl Running {
    pub(super) async fn start(deployment: &Deployment) -> Outcome<Self> {
        let process = Process::start(deployment).await?;
        Ok(Self { process, cpu: Duration::ZERO })
    }

    /// From its start until it asked for an event.
    pub(super) fn init(&self) -> Duration {
        self.process.init_duration()
    }

    /// How long the answer to `event` took, and its body; any other status than `expected` is an
    /// error.
    pub(super) async fn answer(
        &mut self,
        event: Vec<u8>,
        expected: u16,
    ) -> Outcome<(Duration, String)> {
        let event = Bytes::from(event);
        let started = Instant::now();
        let answer = self.process.invoke(event).await?;
        Ok((started.elapsed(), answer::body(&answer, expected)?))
    }

    /// The processor's time that it has used since this was asked last, once it is at rest.
    pub(super) async fn cpu(&mut self) -> Outcome<Duration> {
        tokio::time::sleep(REST).await;
        let now = usage::cpu(self.id()?)?;
        Ok(now.saturating_sub(std::mem::replace(&mut self.cpu, now)))
    }

    pub(super) fn memory(&self) -> Outcome<Memory> {
        usage::memory(self.id()?)
    }

    fn id(&self) -> Outcome<u32> {
        Ok(self.process.id().ok_or("the process has ended")?)
    }
}
