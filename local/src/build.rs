//! The functions' binaries: built with the cargo and the options that this crate was.

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

/// How well cargo optimizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Fast to build, and slow
    Debug,
    /// As deployed
    Release,
}

impl Profile {
    /// What this crate was built with.
    const OWN: Self = if cfg!(debug_assertions) { Self::Debug } else { Self::Release };
}

/// Where the functions' binaries are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    write_customizations: PathBuf,
    read_customizations: PathBuf,
}

/// Why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no cargo, or its answer cannot be read.
    #[error("cargo cannot be run")]
    Cargo(#[source] io::Error),
    /// The code does not compile; cargo has told why.
    #[error("building the functions failed: cargo ended with {0}")]
    Failed(ExitStatus),
    /// Cargo built something else.
    #[error("cargo built no binary {0}")]
    Missing(String),
}

impl Binaries {
    /// Builds both functions. What cargo has to say goes to the standard error.
    ///
    /// # Errors
    ///
    /// [`BuildError`]
    pub async fn build(profile: Profile) -> Result<Self, BuildError> {
        Self::find(&Cargo::build(command(profile, &[])).await?)
    }

    /// Builds both functions and, together with them, `package`, so that what they have in common
    /// is compiled once; its binary of the same name is the second of both results.
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

    /// One binary in the place of both.
    #[must_use]
    pub fn stand_in(binary: PathBuf) -> Self {
        Self { write_customizations: binary.clone(), read_customizations: binary }
    }

    /// A function's binary.
    #[must_use]
    pub fn of(&self, function: FunctionName) -> &Path {
        match function {
            FunctionName::WriteCustomizations => &self.write_customizations,
            FunctionName::ReadCustomizations => &self.read_customizations,
        }
    }
}

/// The path of the binary `name`, of the names and paths that a build has made.
fn executable(executables: &[(String, PathBuf)], name: &str) -> Result<PathBuf, BuildError> {
    executables
        .iter()
        .find(|(built, _)| built == name)
        .map(|(_, path)| path.clone())
        .ok_or_else(|| BuildError::Missing(name.to_owned()))
}

/// A cargo at work, with all the compilers that it runs; dropped, they all end.
struct Cargo {
    group: Option<Pid>,
}

impl Drop for Cargo {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // An error means that there is nobody left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Cargo {
    /// The names and paths of the binaries that a build makes.
    async fn build(mut command: Command) -> Result<Vec<(String, PathBuf)>, BuildError> {
        let mut child = command.spawn().map_err(BuildError::Cargo)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let mut cargo = Self { group };
        let mut executables = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(BuildError::Cargo)? {
                // Cargo's other messages have other fields.
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

/// A `compiler-artifact` message of cargo, where the artifact is a binary.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The root of the workspace that this crate was built in.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// What builds both functions, and the binaries of these packages' own names.
fn command(profile: Profile, others: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .arg("build")
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own, so that it can be ended with all its children.
        .process_group(0);
    let wanted =
        || FunctionName::ALL.iter().map(|function| function.as_str()).chain(others.iter().copied());
    command.args(wanted().flat_map(|package| ["-p", package]));
    if profile == Profile::Release {
        // Nothing else: to link a whole program takes minutes.
        command.arg("--release").args(wanted().flat_map(|binary| ["--bin", binary]));
    }
    if profile == Profile::OWN {
        // Cargo unites the features of what it builds together: alone, the functions would have
        // dependencies with other features than this crate's, and compile them all again.
        // With them comes the operator's command, which is wanted next.
        command.args(["-p", env!("CARGO_PKG_NAME"), "-p", "admin"]);
    }
    // What `cargo run` sets for its program would make build scripts believe that things changed.
    for (name, _) in std::env::vars_os() {
        let of_our_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| of_our_package.iter().any(|p| name.starts_with(p))) {
            command.env_remove(name);
        }
    }
    command
}
