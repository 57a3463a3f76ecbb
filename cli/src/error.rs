//! Errors of the commands, and their exit codes.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{api::ApiError, credentials::CredentialsError, settings::SettingsError};

/// The end of `--help`: the exit codes of [`CommandError::exit_code`].
pub const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  refused: an archive or a request breaks rules, or conflicts with the state of the service
  2  wrong usage, wrong configuration, or a file that cannot be read or written
  3  not found
  4  not permitted: no valid token, or a permission is missing
  5  unavailable: the service or the network failed; the command may be run again
  6  a build failed (--wait)
  7  the builds did not end before the timeout (--wait)
  130, 143  interrupted";

/// A local file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Returns a constructor for use in `map_err`. `action` is a verb, such as `read`.
    pub fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A setting is missing or invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A local file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The command cannot start.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// One or more archives break rules. The command has printed which.
    #[error("{}", if *.0 == 1 { "the file is refused".to_owned() } else { format!("{} files are refused", .0) })]
    FilesRefused(usize),
    /// An archive breaks a rule of the service.
    #[error("{}: {message}", .file.display())]
    Refused {
        /// The archive.
        file: PathBuf,
        /// The service's message.
        message: String,
    },
    /// The token is missing or not valid.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The service did not accept a request.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The customization does not have this version.
    #[error("customization {id} has no version {version}")]
    VersionNotFound {
        /// The customization.
        id: String,
        /// The version.
        version: String,
    },
    /// The downloaded bytes are not those of the customization.
    #[error("the downloaded file has the SHA-256 {actual} instead of {expected}")]
    DigestMismatch {
        /// The SHA-256 that the service states.
        expected: String,
        /// The SHA-256 of the downloaded bytes.
        actual: String,
    },
    /// Builds failed.
    #[error("{0}")]
    BuildsFailed(String),
    /// The builds did not end in time.
    #[error("{0}")]
    WaitTimeout(String),
}

impl CommandError {
    /// Returns a constructor of a [`CommandError::File`], for use in `map_err`.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let error = FileError::new(action, path);
        move |source| error(source).into()
    }

    /// The exit code of a command that ended with this error. [`EXIT_CODES`] describes them.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            // The reader of a pipe has read enough, such as `head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::FilesRefused(_) | Self::Refused { .. } => 1,
            Self::Usage(_)
            | Self::Settings(_)
            | Self::File(_)
            | Self::Start(_)
            | Self::Output(_) => 2,
            Self::VersionNotFound { .. } => 3,
            Self::Credentials(error) => error.exit_code(),
            Self::Api(error) => error.exit_code(),
            Self::DigestMismatch { .. } => 5,
            Self::BuildsFailed(_) => 6,
            Self::WaitTimeout(_) => 7,
        };
        ExitCode::from(code)
    }

    /// Returns true if there is nothing to report.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// An error with its causes: `cannot read x: permission denied`.
#[derive(Debug)]
pub struct ErrorChain<'a>(pub &'a dyn std::error::Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
