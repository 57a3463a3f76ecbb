//! Configuration of a deployed function.

use std::path::PathBuf;

use super::{limits::FunctionLimits, name::FunctionName};
use crate::environment::Environment;

/// A function's binary and configuration.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Name of the function.
    pub name: FunctionName,
    /// Path of its binary.
    pub binary: PathBuf,
    /// Environment of its processes, without the variables that Lambda itself sets.
    pub environment: Environment,
    /// File that its output is appended to.
    pub log: PathBuf,
    /// Limits of its processes.
    pub limits: FunctionLimits,
}
