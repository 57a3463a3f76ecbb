//! Processes: the commands as an operator starts them, and the functions of a stack.

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

/// Bounds every wait in the tests, even on a slow machine.
pub const TIMEOUT: Duration = Duration::from_mins(2);

/// The command `name`, which is built with the functions.
pub async fn command(name: &str) -> Command {
    let binaries = binaries().await;
    let folder = binaries.of(FunctionName::WriteCustomizations).parent().map(Path::to_owned);
    Command::new(folder.expect("a binary is in a folder").join(name))
}

/// The command `local`, at work. Dropped, it is killed.
#[derive(Debug)]
pub struct Local {
    /// Its process.
    pub process: Child,
    /// What it says to be ready at.
    pub url: String,
    /// Open as long as it may print.
    _output: BufReader<ChildStdout>,
}

impl Local {
    /// Starts it and waits until it is ready.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut process = command("local")
            .await
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("local starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let ready = async {
            loop {
                let mut line = String::new();
                let bytes = output.read_line(&mut line).await.expect("its output is text");
                assert_ne!(bytes, 0, "the stack is not ready");
                if let Some(url) = line.strip_prefix("ready ") {
                    return url.trim_end().to_owned();
                }
            }
        };
        let url = timeout(TIMEOUT, ready).await.expect("the stack is ready in time");
        Self { process, url, _output: output }
    }

    /// Its process's identifier.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("it has not ended")
    }
}

/// The state of a process, or of one of its threads, and its parent.
fn state(id: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Whether there is such a process, and not only its end to be noticed by its parent. What it holds
/// it holds until the last of its threads has ended, and the first may end before.
pub fn is_running(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let mut ids = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.any(|id| state(id).is_some_and(|(state, _)| !matches!(&*state, "Z" | "X")))
}

/// The processes that `parent` has started.
pub fn children(parent: u32) -> Vec<u32> {
    let of_parent = |pid: &u32| state(*pid).is_some_and(|(_, other)| other == parent);
    let entries = fs::read_dir("/proc").expect("processes can be listed");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(of_parent).collect()
}

/// The processes of a stack's functions, which their environment tells from those of others.
pub fn functions(stack: &TestStack) -> Vec<u32> {
    let name = "AWS_ENDPOINT_URL_DYNAMODB";
    let endpoint = stack.stack().environment().get(name).expect("functions have a table");
    let variable = format!("{name}={endpoint}");
    let is_of_stack = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|other| other == variable.as_bytes())
    };
    children(std::process::id()).into_iter().filter(is_of_stack).collect()
}

/// Ends a process without asking it, and waits until it has ended.
pub async fn kill(pid: u32) {
    // It may have ended by itself a moment before.
    let _ = signal::kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    while is_running(pid) {
        sleep(Duration::from_millis(1)).await;
    }
}
