//! One process of a function: what Lambda calls an execution environment.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    Deployment, FunctionName, InvocationError,
    runtime_api::{Event, Report, RuntimeApi},
};
use crate::limits::Limits;

/// How much of a function's output is shown where it does not start, in bytes.
const SHOWN_OUTPUT_BYTES: u64 = 2_000;

/// Why a function's process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no port, no binary or no file for its output.
    #[error("{0} cannot be started")]
    Run(FunctionName, #[source] io::Error),
    /// It ended, and this is the last that it wrote.
    #[error("{0} ended while it started ({1}): {2}")]
    Ended(FunctionName, ExitStatus, String),
    /// It says so itself.
    #[error("{0} could not start: {1}")]
    Failed(FunctionName, String),
    /// It did not ask for an event in time.
    #[error("{0} did not start within {1:?}")]
    TimedOut(FunctionName, Duration),
}

/// A process that works on one event at a time. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: FunctionName,
    limits: Limits,
    child: Child,
    api: RuntimeApi,
    init: Duration,
}

impl Process {
    /// Starts a process and waits until it is ready for an event.
    ///
    /// # Errors
    ///
    /// [`StartError`]
    pub async fn start(deployment: &Deployment) -> Result<Self, StartError> {
        let &Deployment { name, limits, ref log, .. } = deployment;
        let run = |error| StartError::Run(name, error);
        let api = RuntimeApi::start(limits.payload_bytes).await.map_err(run)?;
        let output = File::options().create(true).append(true).open(log).map_err(run)?;
        let written = output.metadata().map_err(run)?.len();
        let mut command = command(deployment, &api, output).map_err(run)?;
        let started = Instant::now();
        let child = command.spawn().map_err(run)?;
        let mut process = Self { name, limits, child, api, init: Duration::ZERO };
        match timeout(limits.init, process.init()).await {
            Ok(Ok(None)) => Ok(Self { init: started.elapsed(), ..process }),
            Ok(Ok(Some(status))) => {
                Err(StartError::Ended(name, status, last_line(log, written).map_err(run)?))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::TimedOut(name, limits.init)),
        }
    }

    /// Waits for the process to be ready, or tells how it ended.
    async fn init(&mut self) -> Result<Option<ExitStatus>, StartError> {
        tokio::select! {
            report = self.api.report() => match report {
                Some(Report::InitFailed(message)) => Err(StartError::Failed(self.name, message)),
                _ => Ok(None),
            },
            status = self.child.wait() => {
                status.map(Some).map_err(|error| StartError::Run(self.name, error))
            }
        }
    }

    /// How long it took from its start until it asked for an event.
    #[must_use]
    pub fn init_duration(&self) -> Duration {
        self.init
    }

    /// The operating system's number of it; none once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Has the process answer an event. One that takes too long is killed.
    ///
    /// # Errors
    ///
    /// [`InvocationError`]
    pub async fn invoke(&mut self, payload: Bytes) -> Result<Bytes, InvocationError> {
        let limit = self.limits.invocation;
        let event = self.event(payload);
        let id = event.id.clone();
        self.api.send(event).await;
        tokio::select! {
            biased;
            answer = answer(&mut self.api, &id, self.limits.payload_bytes) => answer,
            status = self.child.wait() => match status {
                Ok(status) => Err(InvocationError::Ended(status)),
                Err(error) => Err(StartError::Run(self.name, error).into()),
            },
            () = sleep(limit) => {
                // An error means that it has ended meanwhile.
                drop(self.child.kill().await);
                Err(InvocationError::TimedOut(limit))
            }
        }
    }

    fn event(&self, payload: Bytes) -> Event {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let trace = Uuid::new_v4().simple().to_string();
        let (root, parent) = trace.split_at(24.min(trace.len()));
        Event {
            id: Uuid::new_v4().to_string(),
            deadline_ms: now.saturating_add(self.limits.invocation).as_millis(),
            function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}", self.name),
            trace_id: format!("Root=1-{:08x}-{root};Parent={parent:0>16};Sampled=0", now.as_secs()),
            payload,
        }
    }

    /// How the process ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

async fn answer(
    api: &mut RuntimeApi,
    event: &str,
    payload_bytes: usize,
) -> Result<Bytes, InvocationError> {
    loop {
        match api.report().await {
            Some(Report::Answer(id, answer)) if id == event => return Ok(answer),
            Some(Report::Failed(id, message)) if id == event => {
                return Err(InvocationError::Failed(message));
            }
            Some(Report::TooLarge(id)) if id == event => {
                return Err(InvocationError::TooLarge(payload_bytes));
            }
            // It was ready for this event, or tells of another.
            Some(_) => {}
            None => return Err(InvocationError::Stopping),
        }
    }
}

fn command(deployment: &Deployment, api: &RuntimeApi, output: File) -> io::Result<Command> {
    let mut command = Command::new(&deployment.binary);
    command
        .env_clear()
        .envs(deployment.environment.iter())
        .env("AWS_LAMBDA_FUNCTION_NAME", deployment.name.as_str())
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Ctrl-C is for us: the requests at work are answered before the functions end.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// The last line of what was added to a file since it had this length.
fn last_line(path: &Path, since: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(SHOWN_OUTPUT_BYTES).max(since);
    file.seek(SeekFrom::Start(start))?;
    let mut output = Vec::new();
    file.take(SHOWN_OUTPUT_BYTES).read_to_end(&mut output)?;
    let output = String::from_utf8_lossy(&output);
    let line = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(line.unwrap_or("it wrote nothing").to_owned())
}
