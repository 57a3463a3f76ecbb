//! Processes of the commands and of a stack's functions.
//!
//! ```no_run
//! use tests::{process, stack::TestStack};
//!
//! # async fn example(stack: &TestStack) {
//! let output = process::command("admin").await.arg("--version").output().await.unwrap();
//! assert!(output.status.success());
//! for function in process::functions(stack) {
//!     process::kill(function).await;
//! }
//! # }
//! ```

use std::{fs, path::Path, process::Stdio, time::Duration};

use local::function::FunctionName;
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::stack::{TestStack, binaries};

/// Deadline of each wait for a process, long enough for a slow machine.
pub const TIMEOUT: Duration = Duration::from_mins(2);

/// The command `name` of this workspace (`admin`, `local`), from the build of the functions.
pub async fn command(name: &str) -> Command {
    let binaries = binaries().await;
    let directory = binaries.of(FunctionName::WriteCustomizations).parent().map(Path::to_owned);
    Command::new(directory.expect("a binary is in a directory").join(name))
}

/// A running `local` command. Dropping it kills the process.
#[derive(Debug)]
pub struct Local {
    /// The process.
    pub process: Child,
    /// The URL in its `ready` line.
    pub url: String,
    /// Keeps the pipe open: the process would fail when it writes to a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

impl Local {
    /// Starts `local` with `arguments` and waits for its `ready` line.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut process = command("local")
            .await
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("local starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let ready = async {
            loop {
                let mut line = String::new();
                let bytes = stdout.read_line(&mut line).await.expect("the output is UTF-8");
                assert_ne!(bytes, 0, "local ended before it was ready");
                if let Some(url) = line.strip_prefix("ready ") {
                    return url.trim_end().to_owned();
                }
            }
        };
        let url = timeout(TIMEOUT, ready).await.expect("local is ready in time");
        Self { process, url, _stdout: stdout }
    }

    /// The identifier of the process.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("the process has not ended")
    }
}

/// The state and the parent of a process or of a thread.
///
/// See <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
fn state_and_parent(id: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Returns true if a thread of the process is running.
///
/// Checks every thread: the process keeps its files and ports until the last thread has ended. A
/// zombie does not count: it has released them.
pub fn is_running(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let mut ids = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.any(|id| state_and_parent(id).is_some_and(|(state, _)| !matches!(&*state, "Z" | "X")))
}

/// The child processes of `parent`.
pub fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| state_and_parent(*pid).is_some_and(|(_, other)| other == parent);
    let entries = fs::read_dir("/proc").expect("processes can be listed");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

/// The processes of a stack's functions.
///
/// All tests run in one process, so the functions of all stacks are its children. The endpoint in
/// their environment distinguishes the stacks.
pub fn functions(stack: &TestStack) -> Vec<u32> {
    let name = "AWS_ENDPOINT_URL_DYNAMODB";
    let endpoint = stack.stack().environment().get(name).expect("the functions have an endpoint");
    let variable = format!("{name}={endpoint}");
    let belongs_to_stack = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|other| other == variable.as_bytes())
    };
    children(std::process::id()).into_iter().filter(belongs_to_stack).collect()
}

/// Sends SIGKILL to a process and waits until it has ended.
pub async fn kill(pid: u32) {
    // Ignores the error of a process that has already ended.
    let _ = signal::kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    while is_running(pid) {
        sleep(Duration::from_millis(1)).await;
    }
}
