//! Tokens of the CSP.
//!
//! The service needs an access token, which is valid for half an hour. It comes from
//! `CSP_ACCESS_TOKEN`, or the CSP issues it for an API token: `CSP_API_TOKEN`, or that of
//! `customizations login`. No token is printed, and no access token is kept.

use std::{
    fmt, fs,
    io::{self, BufRead, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::{StatusCode, Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tempfile::NamedTempFile;
use tokio::sync::Mutex;

use crate::{
    api::{HttpClient, HttpError},
    error::FileError,
    output::printable,
    settings::{Settings, variable_value},
};

/// The path of the CSP that exchanges API tokens for access tokens.
const EXCHANGE_PATH: &str = "/csp/gateway/am/api/auth/api-tokens/authorize";

/// The remaining lifetime at which an access token is replaced, or half of a shorter lifetime.
const REFRESH_BEFORE: Duration = Duration::from_mins(2);

/// The maximum length of a token in bytes: API Gateway accepts headers of 10,240 bytes.
const MAX_TOKEN_BYTES: u64 = 10_240;

/// An error of the token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No token is configured.
    #[error(
        "no token: set CSP_ACCESS_TOKEN or CSP_API_TOKEN, or save an API token with \
         `customizations login`"
    )]
    Missing,
    /// The text cannot be a token.
    #[error("the token from {0} is not valid: it has spaces, or characters that are not ASCII")]
    Malformed(TokenSource),
    /// The CSP refuses the API token.
    #[error("the CSP refuses the API token from {origin}{}", .message.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
    Refused {
        /// The origin of the token.
        origin: TokenSource,
        /// The message of the CSP.
        message: Option<String>,
    },
    /// The CSP cannot be used.
    #[error("the CSP cannot exchange the API token")]
    Exchange(#[source] HttpError),
    /// The CSP's response has no token.
    #[error("the CSP at {0} sends no access token; is this the URL of a CSP?")]
    Response(Url),
    /// The file of `login`, or its standard input, cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Other users can read the file of `login`.
    #[error("{path} can be read by other users; make it private: chmod 600 {path}", path = .0.display())]
    Exposed(PathBuf),
}

impl CredentialsError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Missing | Self::Malformed(_) | Self::Refused { .. } => 4,
            Self::Exchange(_) | Self::Response(_) => 5,
            Self::File(_) | Self::Exposed(_) => 2,
        }
    }
}

/// Origin of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The environment variable with an access token.
    AccessTokenVariable,
    /// The environment variable with an API token.
    ApiTokenVariable,
    /// The file of `login`.
    File(PathBuf),
    /// The standard input of `login`.
    Input,
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessTokenVariable => f.write_str("CSP_ACCESS_TOKEN"),
            Self::ApiTokenVariable => f.write_str("CSP_API_TOKEN"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Input => f.write_str("the input"),
        }
    }
}

/// A configured token.
#[derive(Debug)]
pub struct ConfiguredToken {
    /// Its origin.
    pub source: TokenSource,
    secret: SecretString,
}

impl ConfiguredToken {
    /// Finds the token: that of the first origin that has one.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] if the file of `login` cannot be used.
    pub fn find(settings: &Settings) -> Result<Option<Self>, CredentialsError> {
        for (source, name) in [
            (TokenSource::AccessTokenVariable, "CSP_ACCESS_TOKEN"),
            (TokenSource::ApiTokenVariable, "CSP_API_TOKEN"),
        ] {
            if let Some(secret) = variable_value(name) {
                return Ok(Some(Self { source, secret: secret.into() }));
            }
        }
        let path = file(settings);
        Ok(read_file(&path)?.map(|secret| Self { source: TokenSource::File(path), secret }))
    }

    /// Reads an API token from the standard input.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] if the standard input is empty or cannot be read.
    pub fn read() -> Result<Self, CredentialsError> {
        let mut line = String::new();
        let mut input = io::Read::take(io::stdin().lock(), MAX_TOKEN_BYTES);
        let read = input.read_line(&mut line);
        read.map_err(FileError::new("read", Path::new("the standard input")))?;
        let secret = SecretString::from(line.trim());
        if secret.expose_secret().is_empty() {
            return Err(CredentialsError::Missing);
        }
        Ok(Self { source: TokenSource::Input, secret })
    }

    /// Saves the token for later commands. Returns the file, which only its owner can read.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::File`]
    pub fn save(&self, settings: &Settings) -> Result<PathBuf, CredentialsError> {
        let path = file(settings);
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings.directory)?;
            // `tempfile` creates the file with mode 600. The file is replaced as a whole.
            let mut temporary = NamedTempFile::new_in(&settings.directory)?;
            temporary.write_all(self.secret.expose_secret().as_bytes())?;
            temporary.write_all(b"\n")?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path)?;
            Ok(())
        };
        write().map_err(FileError::new("write", &path))?;
        Ok(path)
    }

    fn header(&self) -> Result<HeaderValue, CredentialsError> {
        bearer(&self.secret).ok_or_else(|| CredentialsError::Malformed(self.source.clone()))
    }
}

/// Deletes the saved API token. Returns its file if there was one.
///
/// # Errors
///
/// [`CredentialsError::File`]
pub fn forget(settings: &Settings) -> Result<Option<PathBuf>, CredentialsError> {
    let path = file(settings);
    match fs::remove_file(&path) {
        Ok(()) => Ok(Some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("delete", &path)(error).into()),
    }
}

fn file(settings: &Settings) -> PathBuf {
    settings.directory.join("api-token")
}

fn read_file(path: &Path) -> Result<Option<SecretString>, CredentialsError> {
    let error = |cause| FileError::new("read", path)(cause);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(error(cause).into()),
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(CredentialsError::Exposed(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(error)?;
    Ok(Some(text.trim().into()))
}

/// Returns the value of the header `Authorization`, if the token can be in a header.
#[must_use]
pub fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let token = token.expose_secret();
    if token.is_empty() || token.chars().any(|c| !c.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The source of the access tokens that requests carry.
#[derive(Debug)]
pub struct AccessTokens {
    token: ConfiguredToken,
    csp_url: Url,
    http: HttpClient,
    current: Mutex<Option<AccessToken>>,
}

#[derive(Clone, Debug)]
struct AccessToken {
    header: HeaderValue,
    refresh_at: Instant,
}

/// The CSP's response. See the CSP's API reference, "Exchange organization scoped API-token for
/// user access token".
#[derive(Deserialize)]
struct Exchanged {
    access_token: SecretString,
    /// Seconds.
    expires_in: u64,
}

/// The CSP's response to an invalid token.
#[derive(Deserialize)]
struct ExchangeError {
    message: String,
}

impl AccessTokens {
    /// A source that uses `token`.
    #[must_use]
    pub fn new(token: ConfiguredToken, csp_url: Url, http: HttpClient) -> Self {
        Self { token, csp_url, http, current: Mutex::new(None) }
    }

    /// Returns the token that they come from.
    #[must_use]
    pub fn into_token(self) -> ConfiguredToken {
        self.token
    }

    /// Origin of the token.
    #[must_use]
    pub fn source(&self) -> &TokenSource {
        &self.token.source
    }

    /// Returns the header of the current access token. Exchanges the API token for a new access
    /// token at the first call, and when the current one expires soon.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]
    pub async fn header(&self) -> Result<HeaderValue, CredentialsError> {
        if self.token.source == TokenSource::AccessTokenVariable {
            return self.token.header();
        }
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| token.refresh_at > Instant::now()) {
            return Ok(token.header.clone());
        }
        let token = self.exchange().await?;
        let header = token.header.clone();
        *current = Some(token);
        Ok(header)
    }

    /// Drops the current access token, which the service refuses. Returns true if the API token can
    /// be exchanged for another one.
    pub async fn invalidate(&self) -> bool {
        self.current.lock().await.take().is_some()
    }

    async fn exchange(&self) -> Result<AccessToken, CredentialsError> {
        // A malformed token would be a confusing error of the CSP.
        self.token.header()?;
        let mut url = self.csp_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{EXCHANGE_PATH}"));
        let form = [("refresh_token", self.token.secret.expose_secret())];
        let requested_at = Instant::now();
        let response = self.http.send(|client| client.post(url.clone()).form(&form)).await;
        let response = response.map_err(CredentialsError::Exchange)?;
        match response.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let message = serde_json::from_slice(&response.body).ok();
                let message = message.map(|error: ExchangeError| printable(&error.message));
                return Err(CredentialsError::Refused {
                    origin: self.token.source.clone(),
                    message,
                });
            }
            _ => return Err(CredentialsError::Response(self.csp_url.clone())),
        }
        let invalid = || CredentialsError::Response(self.csp_url.clone());
        let exchanged: Exchanged = serde_json::from_slice(&response.body).map_err(|_| invalid())?;
        let header = bearer(&exchanged.access_token).ok_or_else(invalid)?;
        let lifetime = Duration::from_secs(exchanged.expires_in.min(24 * 60 * 60));
        let refresh_at = requested_at + lifetime.saturating_sub(REFRESH_BEFORE.min(lifetime / 2));
        Ok(AccessToken { header, refresh_at })
    }
}
