//! Shell scripts that start a function with a CPU quota, or in valgrind.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use local::function::Deployment;
use measure::Result;

/// Writes a script that runs `setup`, and then the function's binary as the argument of `launcher`.
/// Returns the deployment that starts this script. The process keeps its identifier.
pub(super) fn wrap(
    deployment: Deployment,
    script: PathBuf,
    setup: &str,
    launcher: &str,
) -> Result<Deployment> {
    let binary = quote(&deployment.binary);
    fs::write(&script, format!("#!/bin/sh\nset -e\n{setup}\nexec {launcher} {binary}\n"))?;
    fs::set_permissions(&script, Permissions::from_mode(0o700))?;
    Ok(Deployment { binary: script, ..deployment })
}

/// Quotes a path for the shell.
pub(super) fn quote(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
