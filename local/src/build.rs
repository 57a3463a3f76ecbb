//! Builds the functions' binaries with cargo.

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use clap::ValueEnum;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::function::FunctionName;

/// Build profile of cargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Not optimized, fast to build
    Debug,
    /// Optimized, as deployed
    Release,
}

/// Paths of the functions' binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    write_customizations: PathBuf,
    read_customizations: PathBuf,
}

/// Failure to build the binaries.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo is missing, or its output cannot be read.
    #[error("cargo cannot be run")]
    Cargo(#[source] io::Error),
    /// The code does not compile; cargo has printed the errors.
    #[error("building the functions failed: cargo exited with {0}")]
    Failed(ExitStatus),
    /// Cargo built no binary with this name.
    #[error("cargo built no binary named {0}")]
    Missing(String),
}

impl Binaries {
    /// Builds both functions. Cargo writes its diagnostics to the standard error.
    ///
    /// # Errors
    ///
    /// [`BuildError`]
    pub async fn build(profile: Profile) -> Result<Self, BuildError> {
        Ok(Self::build_with(&[], profile).await?.0)
    }

    /// Builds both functions, and `packages`. Returns the functions' binaries, and the paths of the
    /// packages' binaries, which must have the packages' names.
    ///
    /// # Errors
    ///
    /// [`BuildError`]
    pub async fn build_with(
        packages: &[&str],
        profile: Profile,
    ) -> Result<(Self, Vec<PathBuf>), BuildError> {
        let functions = FunctionName::ALL.map(FunctionName::as_str);
        let all: Vec<&str> = functions.iter().chain(packages).copied().collect();
        let mut executables = Vec::new();
        match profile {
            // One run of cargo, so that it compiles shared dependencies once.
            Profile::Debug => executables = Cargo::build(debug_command(&all)).await?,
            // One run for each package, as `sam build` does. Cargo unifies the features of the
            // packages that it builds in one run, so the binaries would differ from deployed ones.
            Profile::Release => {
                for package in &all {
                    executables.extend(Cargo::build(release_command(package)).await?);
                }
            }
        }
        let find = |function: FunctionName| executable(&executables, function.as_str());
        let binaries = Self {
            write_customizations: find(FunctionName::WriteCustomizations)?,
            read_customizations: find(FunctionName::ReadCustomizations)?,
        };
        let paths = packages.iter().map(|package| executable(&executables, package));
        Ok((binaries, paths.collect::<Result<_, _>>()?))
    }

    /// Uses one binary for both functions: a test double.
    #[must_use]
    pub fn stand_in(binary: PathBuf) -> Self {
        Self { write_customizations: binary.clone(), read_customizations: binary }
    }

    /// Returns the path of a function's binary.
    #[must_use]
    pub fn of(&self, function: FunctionName) -> &Path {
        match function {
            FunctionName::WriteCustomizations => &self.write_customizations,
            FunctionName::ReadCustomizations => &self.read_customizations,
        }
    }
}

fn executable(executables: &[(String, PathBuf)], name: &str) -> Result<PathBuf, BuildError> {
    executables
        .iter()
        .find(|(built, _)| built == name)
        .map(|(_, path)| path.clone())
        .ok_or_else(|| BuildError::Missing(name.to_owned()))
}

/// A running cargo. When dropped, it is killed together with the compilers that it started.
struct Cargo {
    process_group: Option<Pid>,
}

impl Drop for Cargo {
    fn drop(&mut self) {
        if let Some(group) = self.process_group {
            // An error means that all processes have exited.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Cargo {
    /// Runs a build and returns the names and paths of its binaries.
    async fn build(mut command: Command) -> Result<Vec<(String, PathBuf)>, BuildError> {
        let mut child = command.spawn().map_err(BuildError::Cargo)?;
        let process_group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let mut cargo = Self { process_group };
        let mut executables = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(BuildError::Cargo)? {
                // Messages of other kinds do not have these fields.
                if let Ok(Artifact { target, executable }) = serde_json::from_str(&line) {
                    executables.push((target.name, executable));
                }
            }
        }
        let status = child.wait().await.map_err(BuildError::Cargo)?;
        cargo.process_group = None;
        if status.success() { Ok(executables) } else { Err(BuildError::Failed(status)) }
    }
}

/// Cargo's `compiler-artifact` message for a binary.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Returns the root of the workspace that this crate was built in.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Returns the command that builds the binaries of `packages` in one run.
fn debug_command(packages: &[&str]) -> Command {
    let mut command = command();
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    // Without this crate, some dependencies of the functions would have fewer features, and cargo
    // would compile them a second time. The commands that users run next are built too.
    command.args(["-p", env!("CARGO_PKG_NAME"), "-p", "admin", "-p", "cli", "-p", "smoke-test"]);
    command
}

/// Returns the command that builds the binary of `package`, which has the package's name.
fn release_command(package: &str) -> Command {
    let mut command = command();
    command.args(["--release", "-p", package, "--bin", package]);
    command
}

fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .arg("build")
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // In its own process group, cargo can be killed together with all its children.
        .process_group(0);
    // `cargo run` sets these variables. With them, build scripts that read them would run again.
    for (name, _) in std::env::vars_os() {
        let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        {
            command.env_remove(name);
        }
    }
    command
}
