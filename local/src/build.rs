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

impl Profile {
    /// Profile that this crate was built with.
    const OWN: Self = if cfg!(debug_assertions) { Self::Debug } else { Self::Release };
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
    /// The code does not compile; cargo has printed why.
    #[error("building the functions failed: cargo ended with {0}")]
    Failed(ExitStatus),
    /// Cargo built no binary of this name.
    #[error("cargo built no binary {0}")]
    Missing(String),
}

impl Binaries {
    /// Builds both functions. Cargo's diagnostics go to the standard error.
    ///
    /// # Errors
    ///
    /// [`BuildError`]
    pub async fn build(profile: Profile) -> Result<Self, BuildError> {
        Self::find(&Cargo::build(command(profile, &[])).await?)
    }

    /// Builds both functions and `package` in one run, which compiles shared dependencies once.
    /// Returns the functions' binaries, and the path of the binary that `package` names.
    ///
    /// # Errors
    ///
    /// [`BuildError`]
    pub async fn build_with(
        package: &str,
        profile: Profile,
    ) -> Result<(Self, PathBuf), BuildError> {
        let executables = Cargo::build(command(profile, &[package])).await?;
        Ok((Self::find(&executables)?, executable(&executables, package)?))
    }

    fn find(executables: &[(String, PathBuf)]) -> Result<Self, BuildError> {
        let find = |function: FunctionName| executable(executables, function.as_str());
        Ok(Self {
            write_customizations: find(FunctionName::WriteCustomizations)?,
            read_customizations: find(FunctionName::ReadCustomizations)?,
        })
    }

    /// Uses one binary in the place of both functions: a test double.
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

/// Finds the path of the binary `name`.
fn executable(executables: &[(String, PathBuf)], name: &str) -> Result<PathBuf, BuildError> {
    executables
        .iter()
        .find(|(built, _)| built == name)
        .map(|(_, path)| path.clone())
        .ok_or_else(|| BuildError::Missing(name.to_owned()))
}

/// A running cargo; dropped, it is killed together with the compilers that it started.
struct Cargo {
    group: Option<Pid>,
}

impl Drop for Cargo {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // An error means that all processes have exited.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Cargo {
    /// Runs a build and returns the names and paths of its binaries.
    async fn build(mut command: Command) -> Result<Vec<(String, PathBuf)>, BuildError> {
        let mut child = command.spawn().map_err(BuildError::Cargo)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let mut cargo = Self { group };
        let mut executables = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(BuildError::Cargo)? {
                // Other messages lack these fields.
                if let Ok(Artifact { target, executable }) = serde_json::from_str(&line) {
                    executables.push((target.name, executable));
                }
            }
        }
        let status = child.wait().await.map_err(BuildError::Cargo)?;
        cargo.group = None;
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

/// Returns the command that builds both functions and `others`, packages with a binary of their name.
fn command(profile: Profile, others: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .arg("build")
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A process group of its own, so that it can be killed with all its children.
        .process_group(0);
    let packages =
        || FunctionName::ALL.iter().map(|function| function.as_str()).chain(others.iter().copied());
    command.args(packages().flat_map(|package| ["-p", package]));
    if profile == Profile::Release {
        // No other binaries: link-time optimization takes minutes for each.
        command.arg("--release").args(packages().flat_map(|binary| ["--bin", binary]));
    }
    if profile == Profile::OWN {
        // Cargo unifies the features of the packages that it builds together: alone, the functions
        // would need the dependencies with other features, and cargo would compile them again.
        // `admin` is built too, because users run it next.
        command.args(["-p", env!("CARGO_PKG_NAME"), "-p", "admin"]);
    }
    // `cargo run` sets these for its program; a build script that reads them would run again.
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| of_package.iter().any(|p| name.starts_with(p))) {
            command.env_remove(name);
        }
    }
    command
}
