//! One process of a function. Lambda calls it an execution environment.

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
    deployment::Deployment,
    error::{InvocationError, StartError},
    limits::FunctionLimits,
    name::FunctionName,
    runtime_api::{Invocation, RuntimeApi, RuntimeRequest},
};

/// The number of bytes at the end of a log that are read to find its last line.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A process that works on one event at a time. Dropping this value kills the operating system
/// process.
#[derive(Debug)]
pub struct Process {
    name: FunctionName,
    limits: FunctionLimits,
    child: Child,
    api: RuntimeApi,
    init_duration: Duration,
}

impl Process {
    /// Starts a process, and waits until it requests its first event.
    ///
    /// # Errors
    ///
    /// [`StartError`]
    pub async fn start(deployment: &Deployment) -> Result<Self, StartError> {
        let &Deployment { name, limits, ref log, .. } = deployment;
        let spawn = |error| StartError::Spawn(name, error);
        let api = RuntimeApi::start(limits.payload_bytes).await.map_err(spawn)?;
        let output = File::options().create(true).append(true).open(log).map_err(spawn)?;
        let log_length = output.metadata().map_err(spawn)?.len();
        let mut command = command(deployment, &api, output).map_err(spawn)?;
        let started = Instant::now();
        let child = command.spawn().map_err(spawn)?;
        let mut process = Self { name, limits, child, api, init_duration: Duration::ZERO };
        match timeout(limits.init_timeout, process.init()).await {
            Ok(Ok(None)) => Ok(Self { init_duration: started.elapsed(), ..process }),
            Ok(Ok(Some(status))) => {
                Err(StartError::Exited(name, status, last_line(log, log_length).map_err(spawn)?))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::TimedOut(name, limits.init_timeout)),
        }
    }

    /// Waits until the process is initialized. Returns its exit status if it exits before that.
    async fn init(&mut self) -> Result<Option<ExitStatus>, StartError> {
        tokio::select! {
            request = self.api.receive() => match request {
                Some(RuntimeRequest::InitError { message }) => {
                    Err(StartError::InitError(self.name, message))
                }
                _ => Ok(None),
            },
            status = self.child.wait() => {
                status.map(Some).map_err(|error| StartError::Spawn(self.name, error))
            }
        }
    }

    /// Returns the time from the start of the process until it requested its first event.
    #[must_use]
    pub fn init_duration(&self) -> Duration {
        self.init_duration
    }

    /// Returns the process identifier. Returns none after the process has exited.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends an event to the process and returns its response. Kills the process if it does not
    /// respond in time.
    ///
    /// # Errors
    ///
    /// [`InvocationError`]
    pub async fn invoke(&mut self, payload: Bytes) -> Result<Bytes, InvocationError> {
        let limit = self.limits.invocation_timeout;
        let invocation = self.invocation(payload);
        let request_id = invocation.request_id.clone();
        self.api.send(invocation).await;
        tokio::select! {
            biased;
            response = response(&mut self.api, &request_id, self.limits.payload_bytes) => response,
            status = self.child.wait() => match status {
                Ok(status) => Err(InvocationError::Exited(status)),
                Err(error) => Err(StartError::Spawn(self.name, error).into()),
            },
            () = sleep(limit) => {
                // An error means that the process has already exited.
                drop(self.child.kill().await);
                Err(InvocationError::TimedOut(limit))
            }
        }
    }

    fn invocation(&self, payload: Bytes) -> Invocation {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let trace = Uuid::new_v4().simple().to_string();
        let (root, parent) = trace.split_at(24.min(trace.len()));
        Invocation {
            request_id: Uuid::new_v4().to_string(),
            deadline_ms: now.saturating_add(self.limits.invocation_timeout).as_millis(),
            function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}", self.name),
            trace_id: format!("Root=1-{:08x}-{root};Parent={parent:0>16};Sampled=0", now.as_secs()),
            payload,
        }
    }

    /// Returns the exit status of the process if it has exited.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// Waits for the response to the invocation `invocation_id`.
async fn response(
    api: &mut RuntimeApi,
    invocation_id: &str,
    payload_bytes: usize,
) -> Result<Bytes, InvocationError> {
    loop {
        match api.receive().await {
            Some(RuntimeRequest::InvocationResponse { request_id, payload })
                if request_id == invocation_id =>
            {
                return Ok(payload);
            }
            Some(RuntimeRequest::InvocationError { request_id, message })
                if request_id == invocation_id =>
            {
                return Err(InvocationError::FunctionError(message));
            }
            Some(RuntimeRequest::ResponseTooLarge { request_id })
                if request_id == invocation_id =>
            {
                return Err(InvocationError::ResponseTooLarge(payload_bytes));
            }
            // A `NextInvocation`, or a late response to an earlier event.
            Some(_) => {}
            None => return Err(InvocationError::ShuttingDown),
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
        // A terminal sends Ctrl-C to the whole process group. In its own process group, the
        // function does not receive it, and finishes its requests during the graceful shutdown.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// Returns the last non-empty line of a log. Ignores the first `skip` bytes of the log.
fn last_line(path: &Path, skip: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES).max(skip);
    file.seek(SeekFrom::Start(start))?;
    let mut output = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut output)?;
    let output = String::from_utf8_lossy(&output);
    let line = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(line.unwrap_or("no output").to_owned())
}
