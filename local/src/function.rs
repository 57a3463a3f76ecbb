//! A Lambda function. It has one process for each concurrent invocation, as on AWS: a process works
//! on one event at a time, and is reused for the next.
//!
//! ```no_run
//! use bytes::Bytes;
//! use local::function::{Deployment, Function};
//!
//! # async fn example(deployment: Deployment) -> Result<(), Box<dyn std::error::Error>> {
//! let function = Function::start(deployment).await?;
//! let response = function.invoke(Bytes::from_static(br#"{"httpMethod": "GET"}"#)).await?;
//! function.stop();
//! # Ok(())
//! # }
//! ```

mod deployment;
mod error;
mod limits;
mod name;
mod process;
mod runtime_api;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tracing::warn;

pub use self::{
    deployment::Deployment,
    error::{InvocationError, StartError},
    limits::FunctionLimits,
    name::FunctionName,
    process::Process,
};

/// A deployed function. It starts processes on demand, up to its concurrency limit.
#[derive(Debug)]
pub struct Function {
    deployment: Deployment,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Process>>,
    shutdown: watch::Sender<bool>,
}

impl Function {
    /// Deploys a function. Starts its first process, so that a function that cannot start is
    /// reported here.
    ///
    /// # Errors
    ///
    /// [`StartError`]
    pub async fn start(deployment: Deployment) -> Result<Arc<Self>, StartError> {
        let first = Process::start(&deployment).await?;
        Ok(Arc::new(Self {
            slots: Arc::new(Semaphore::new(deployment.limits.concurrency)),
            idle: Mutex::new(vec![first]),
            shutdown: watch::Sender::new(false),
            deployment,
        }))
    }

    /// Invokes the function with `event` and returns its response. A process that has received the
    /// event finishes it, even if the caller drops the future.
    ///
    /// # Errors
    ///
    /// [`InvocationError`]
    pub async fn invoke(self: &Arc<Self>, event: Bytes) -> Result<Bytes, InvocationError> {
        let payload_bytes = self.deployment.limits.payload_bytes;
        if event.len() > payload_bytes {
            return Err(InvocationError::RequestTooLarge(payload_bytes));
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| InvocationError::ShuttingDown)?;
        let function = Arc::clone(self);
        let invocation = tokio::spawn(async move {
            let _slot = slot;
            let mut shutdown = function.shutdown.subscribe();
            tokio::select! {
                response = function.invoke_process(event) => response,
                _ = shutdown.wait_for(|&shutdown| shutdown) => Err(InvocationError::ShuttingDown),
            }
        });
        invocation.await.unwrap_or(Err(InvocationError::ShuttingDown))
    }

    async fn invoke_process(&self, event: Bytes) -> Result<Bytes, InvocationError> {
        let mut process = match self.idle_process() {
            Some(process) => process,
            None => Process::start(&self.deployment).await?,
        };
        let response = process.invoke(event).await;
        if process.exit_status().is_none() {
            self.idle().push(process);
        }
        response
    }

    fn idle_process(&self) -> Option<Process> {
        loop {
            let mut process = self.idle().pop()?;
            match process.exit_status() {
                None => return Some(process),
                Some(status) => warn!(
                    function = %self.deployment.name,
                    %status,
                    "an idle process has exited; another process replaces it"
                ),
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills all processes of the function. Later invocations fail.
    pub fn stop(&self) {
        self.slots.close();
        self.shutdown.send_replace(true);
        self.idle().clear();
    }
}
