//! Programs that write or read tars.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Returns true if `tool` is installed.
///
/// A missing tool is reported once on standard error, past the capture of test output. It fails the
/// test if `REQUIRE_TOOLS=1`.
pub(crate) fn is_installed(tool: &'static str) -> bool {
    static INSTALLED: Mutex<BTreeMap<&str, bool>> = Mutex::new(BTreeMap::new());
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_installed = *installed.entry(tool).or_insert_with(|| {
        let found = starts(tool);
        if !found {
            let _ = writeln!(io::stderr(), "{tool} is missing: tests with it are skipped");
        }
        found
    });
    assert!(is_installed || env::var("REQUIRE_TOOLS").as_deref() != Ok("1"), "{tool} is missing");
    is_installed
}

fn starts(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command
        .arg(if tool == "go" { "version" } else { "--version" })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok()
}
