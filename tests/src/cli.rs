//! The commands that use the service over HTTP, run as processes against a stack: `customizations`,
//! and `smoke-test`.
//!
//! ```no_run
//! use tests::{cli::Cli, stack::TestStack};
//!
//! # async fn example() {
//! let stack = TestStack::start().await;
//! let cli = Cli::new(&stack);
//! let output = cli.run(&["list"]).await;
//! output.assert_success();
//! # }
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use local::csp::Token;
use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    unistd::dup,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    process::command,
    stack::{SAMPLE_CATALOG, TestStack},
};

/// A user of the command: a home folder, a working folder, and an environment.
#[derive(Debug)]
pub struct Cli {
    directory: TempDir,
    environment: BTreeMap<String, String>,
}

/// The result of a command.
#[derive(Debug)]
pub struct CliOutput {
    /// The exit code.
    pub code: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

impl CliOutput {
    /// Asserts exit code 0.
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts a failure with this code and exactly this standard error, and without a result.
    #[track_caller]
    pub fn assert_failure(&self, code: i32, stderr: &str) {
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), stderr), "{self:?}");
        assert_eq!(self.stdout, "", "a failed command prints no result");
    }

    /// The standard output as JSON. Asserts exit code 0.
    #[track_caller]
    pub fn json(&self) -> Value {
        self.assert_success();
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Cli {
    /// A user with a valid access token for the sample catalog of `stack`.
    pub fn new(stack: &TestStack) -> Self {
        let token = Token::default().sign().expect("the token is signed");
        Self::offline()
            .env("CUSTOMIZATIONS_URL", &stack.base_url())
            .env("CUSTOMIZATIONS_CATALOG", SAMPLE_CATALOG)
            .env("CSP_ACCESS_TOKEN", &token)
    }

    /// A user with an empty environment.
    pub fn offline() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["home", "work"] {
            fs::create_dir(directory.path().join(name)).expect("a folder");
        }
        let home = directory.path().join("home").display().to_string();
        Self { directory, environment: BTreeMap::from([("HOME".to_owned(), home)]) }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// A path in the home folder.
    pub fn home(&self, path: &str) -> PathBuf {
        self.directory.path().join("home").join(path)
    }

    /// A path in the working folder, in which the command runs.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("work").join(path)
    }

    /// Writes a file of the working folder, with its folders.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, content).expect("the file is written");
        self
    }

    /// The names in the working folder.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).expect("the folder can be read");
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The command with these arguments, not started yet.
    pub async fn command(&self, arguments: &[&str]) -> Command {
        self.program("customizations", arguments).await
    }

    /// Any command of this workspace with these arguments, not started yet.
    pub async fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = command(name).await;
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs the command.
    pub async fn run(&self, arguments: &[&str]) -> CliOutput {
        self.run_program("customizations", arguments).await
    }

    /// Runs any command of this workspace.
    pub async fn run_program(&self, name: &str, arguments: &[&str]) -> CliOutput {
        let command = self.program(name, arguments);
        let output = command.await.output().await.expect("the command runs");
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        CliOutput {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs the command on a terminal. Returns its exit code and all that it wrote to the terminal.
    pub async fn run_on_terminal(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let program = [&["customizations"], arguments].concat();
        self.type_on_terminal(&program, ("", "")).await
    }

    /// Runs any program on a terminal, and types an input after a prompt. The command is in its
    /// `PATH`.
    pub async fn type_on_terminal(
        &self,
        program: &[&str],
        (prompt, input): (&'static str, &'static str),
    ) -> (Option<i32>, String) {
        let size = Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).expect("a terminal");
        let end = || Stdio::from(dup(&slave).expect("a file descriptor"));
        let customizations = self.command(&[]).await;
        let binaries = Path::new(customizations.as_std().get_program()).parent();
        let path = format!("{}:/usr/bin:/bin", binaries.expect("a folder").display());
        let mut command = Command::new("setsid");
        command
            // The terminal controls the program, as it does in a shell.
            .args(["--ctty", "--wait"])
            .args(program)
            .env_clear()
            .envs(&self.environment)
            .envs([("PATH", path.as_str()), ("TERM", "xterm-256color")])
            .current_dir(self.path(""))
            .kill_on_drop(true)
            .stdin(end())
            .stdout(end())
            .stderr(end());
        let mut child = command.spawn().expect("the program runs");
        // The terminal ends when the last process has closed it.
        drop((command, slave));
        let mut master = File::from(master);
        let screen = tokio::task::spawn_blocking(move || {
            let mut screen = String::new();
            if !prompt.is_empty() {
                screen = read_until(&mut master, prompt);
                master.write_all(input.as_bytes()).expect("the terminal accepts input");
            }
            screen + &read_to_hangup(master)
        });
        let status = child.wait().await.expect("the program ends");
        (status.code(), screen.await.expect("the terminal can be read"))
    }
}

/// Reads a terminal until `text` is on it.
fn read_until(master: &mut File, text: &str) -> String {
    let mut screen = String::new();
    let mut buffer = [0; 1024];
    while !screen.contains(text) {
        let length = master.read(&mut buffer).expect("the terminal can be read");
        screen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    screen
}

/// Reads a terminal until its other end is closed, which is an error on Linux.
fn read_to_hangup(mut master: File) -> String {
    let mut screen = Vec::new();
    match master.read_to_end(&mut screen) {
        Ok(_) => {}
        Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}"),
    }
    String::from_utf8_lossy(&screen).into_owned()
}

/// The text of a file.
pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
