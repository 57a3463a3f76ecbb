//! Configuration of a function.

use std::path::PathBuf;

use super::{limits::FunctionLimits, name::FunctionName};
use crate::environment::Environment;

/// Binary and configuration of a function.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Name of the function.
    pub name: FunctionName,
    /// Path of its binary.
    pub binary: PathBuf,
    /// Environment of its processes, without the variables that Lambda sets.
    pub environment: Environment,
    /// Log file, to which its output is appended.
    pub log: PathBuf,
    /// Limits of its processes.
    pub limits: FunctionLimits,
}
