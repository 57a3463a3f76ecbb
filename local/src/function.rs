//! A function as Lambda runs it: as many processes as there are requests, one request each.

mod process;
mod runtime_api;

use std::{
    fmt::{self, Display, Formatter},
    path::PathBuf,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use shared::routes::Permission;
use tokio::sync::{Semaphore, watch};
use tracing::warn;

pub use self::process::{Process, StartError};
use crate::{limits::Limits, stores::Environment};

/// The functions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionName {
    /// Takes uploads.
    WriteCustomizations,
    /// Answers what became of them.
    ReadCustomizations,
}

impl FunctionName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::WriteCustomizations, Self::ReadCustomizations];

    /// The function that serves the routes with `permission`.
    #[must_use]
    pub const fn of(permission: Permission) -> Self {
        match permission {
            Permission::Write => Self::WriteCustomizations,
            Permission::Read => Self::ReadCustomizations,
        }
    }

    /// The function's name, which is its package's and its binary's too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriteCustomizations => Permission::Write.function(),
            Self::ReadCustomizations => Permission::Read.function(),
        }
    }
}

impl Display for FunctionName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What is deployed as a function.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The function's name.
    pub name: FunctionName,
    /// Its binary.
    pub binary: PathBuf,
    /// All of its environment, but for what Lambda itself adds.
    pub environment: Environment,
    /// The file that its output is added to.
    pub log: PathBuf,
    /// What bounds it.
    pub limits: Limits,
}

/// Why an event has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// No process could be started for it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The function says so itself.
    #[error("the function failed: {0}")]
    Failed(String),
    /// Its process ended in the midst of it.
    #[error("the function's process ended ({0})")]
    Ended(ExitStatus),
    /// Its process was ended, as it took too long.
    #[error("the function did not answer within {0:?}")]
    TimedOut(Duration),
    /// Its answer is larger than Lambda takes.
    #[error("the function's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The whole stack is stopping.
    #[error("the function is being stopped")]
    Stopping,
}

/// A deployed function. Processes are started as requests need them, and stay.
#[derive(Debug)]
pub struct Function {
    deployment: Deployment,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Process>>,
    stopping: watch::Sender<bool>,
}

impl Function {
    /// Deploys a function, and starts its first process to see that it works.
    ///
    /// # Errors
    ///
    /// [`StartError`]
    pub async fn start(deployment: Deployment) -> Result<Arc<Self>, StartError> {
        let first = Process::start(&deployment).await?;
        Ok(Arc::new(Self {
            slots: Arc::new(Semaphore::new(deployment.limits.concurrency)),
            idle: Mutex::new(vec![first]),
            stopping: watch::Sender::new(false),
            deployment,
        }))
    }

    /// Has the function answer `event`. Once a process has it, it is worked on to its end, even if
    /// nobody waits for the answer any more.
    ///
    /// # Errors
    ///
    /// [`InvocationError`]
    pub async fn invoke(self: &Arc<Self>, event: Bytes) -> Result<Bytes, InvocationError> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| InvocationError::Stopping)?;
        let function = Arc::clone(self);
        let answer = tokio::spawn(async move {
            let _slot = slot;
            let mut stopping = function.stopping.subscribe();
            tokio::select! {
                answer = function.answer(event) => answer,
                _ = stopping.wait_for(|&stopping| stopping) => Err(InvocationError::Stopping),
            }
        });
        answer.await.unwrap_or(Err(InvocationError::Stopping))
    }

    async fn answer(&self, event: Bytes) -> Result<Bytes, InvocationError> {
        let mut process = match self.idle_process() {
            Some(process) => process,
            None => Process::start(&self.deployment).await?,
        };
        let answer = process.invoke(event).await;
        if process.ended().is_none() {
            self.idle().push(process);
        }
        answer
    }

    fn idle_process(&self) -> Option<Process> {
        loop {
            let mut process = self.idle().pop()?;
            match process.ended() {
                None => return Some(process),
                Some(status) => warn!(
                    function = %self.deployment.name,
                    %status,
                    "a process has ended; another takes its place"
                ),
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all of the function's processes; events from now on are refused.
    pub fn stop(&self) {
        self.slots.close();
        self.stopping.send_replace(true);
        self.idle().clear();
    }
}
