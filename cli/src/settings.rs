//! Settings, from flags, the environment and the configuration file, in this order of precedence.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use reqwest::Url;
use serde::Deserialize;

use crate::args::SettingsArgs;

/// The CSP of VMware.
const DEFAULT_CSP_URL: &str = "https://console.cloud.vmware.com";

/// Origin of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// A file.
    File(PathBuf),
    /// None of them: the default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value as written.
    pub value: String,
    /// Its origin.
    pub source: Source,
}

/// The settings of a command. A setting without a value is `None`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL of the service.
    pub url: Option<Setting>,
    /// The identifier of the catalog.
    pub catalog: Option<Setting>,
    /// The URL of the CSP.
    pub csp_url: Setting,
    /// The folder of the configuration file. It may not exist.
    pub directory: PathBuf,
}

/// The content of `config.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    url: Option<String>,
    catalog: Option<String>,
    csp_url: Option<String>,
}

/// A setting is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration file cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The configuration file is not valid.
    #[error("{} is not valid", .0.display())]
    Parse(PathBuf, #[source] toml::de::Error),
    /// A setting is set nowhere.
    #[error("no {name}: use {flag}, set {variable}, or write `{key} = \"…\"` to {}", .file.display())]
    Missing {
        /// The name in a sentence.
        name: &'static str,
        /// The flag.
        flag: &'static str,
        /// The environment variable.
        variable: &'static str,
        /// The key of the configuration file.
        key: &'static str,
        /// The configuration file.
        file: PathBuf,
    },
    /// A URL is not valid.
    #[error("the URL {value} ({from}) is not valid: {reason}")]
    Url {
        /// The value.
        value: String,
        /// Its origin.
        from: Source,
        /// The reason.
        reason: String,
    },
    /// Neither `HOME` nor `XDG_CONFIG_HOME` names a folder for the configuration.
    #[error("no folder for the configuration: set HOME or XDG_CONFIG_HOME")]
    NoHome,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]
    pub fn read(args: &SettingsArgs) -> Result<Self, SettingsError> {
        let directory = config_directory()?;
        let path = directory.join("config.toml");
        let file = ConfigFile::read(&path)?;
        let find = |flag: Option<&String>, names: (&'static str, &'static str), file| {
            let (flag_name, variable) = names;
            flag.map(|value| (value.clone(), Source::Flag(flag_name)))
                .or_else(|| Some((variable_value(variable)?, Source::Environment(variable))))
                .or_else(|| Some((file?, Source::File(path.clone()))))
                .map(|(value, source)| Setting { value, source })
        };
        Ok(Self {
            url: find(args.url.as_ref(), ("--url", "CUSTOMIZATIONS_URL"), file.url),
            catalog: find(
                args.catalog.as_ref(),
                ("--catalog", "CUSTOMIZATIONS_CATALOG"),
                file.catalog,
            ),
            csp_url: find(args.csp_url.as_ref(), ("--csp-url", "CSP_URL"), file.csp_url)
                .unwrap_or_else(|| Setting {
                    value: DEFAULT_CSP_URL.to_owned(),
                    source: Source::Default,
                }),
            directory,
        })
    }

    /// The path of the configuration file. It may not exist.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    /// The URL of the service, without the API's version. Operators may give it with the version, as
    /// the stack's output `ApiUrl` has it.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Missing`] or [`SettingsError::Url`]
    pub fn require_url(&self) -> Result<Url, SettingsError> {
        let missing = || SettingsError::Missing {
            name: "URL of the service",
            flag: "--url",
            variable: "CUSTOMIZATIONS_URL",
            key: "url",
            file: self.file(),
        };
        Ok(without_version(parse_url(self.url.as_ref().ok_or_else(missing)?)?))
    }

    /// The identifier of the catalog.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Missing`]
    pub fn require_catalog(&self) -> Result<&str, SettingsError> {
        let missing = || SettingsError::Missing {
            name: "catalog",
            flag: "--catalog",
            variable: "CUSTOMIZATIONS_CATALOG",
            key: "catalog",
            file: self.file(),
        };
        Ok(&self.catalog.as_ref().ok_or_else(missing)?.value)
    }

    /// The URL of the CSP.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Url`]
    pub fn csp_url(&self) -> Result<Url, SettingsError> {
        parse_url(&self.csp_url)
    }
}

impl ConfigFile {
    fn read(path: &Path) -> Result<Self, SettingsError> {
        match fs::read_to_string(path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|error| SettingsError::Parse(path.to_owned(), error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(SettingsError::Read(path.to_owned(), error)),
        }
    }
}

/// Returns an environment variable's value. An empty one counts as not set.
#[must_use]
pub fn variable_value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn config_directory() -> Result<PathBuf, SettingsError> {
    let configured = variable_value("XDG_CONFIG_HOME").map(PathBuf::from);
    // As the XDG specification says, a relative path counts as not set.
    let parent = configured
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".config")))
        .ok_or(SettingsError::NoHome)?;
    Ok(parent.join("customizations"))
}

fn without_version(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    if let Some(path) = path.strip_suffix("/v1").map(str::to_owned) {
        url.set_path(&path);
    }
    url
}

/// Parses a URL that a token is sent to.
fn parse_url(setting: &Setting) -> Result<Url, SettingsError> {
    let error = |reason: String| SettingsError::Url {
        value: setting.value.clone(),
        from: setting.source.clone(),
        reason,
    };
    let url = Url::parse(&setting.value).map_err(|cause| error(cause.to_string()))?;
    let is_local = match url.host_str() {
        Some(host) => {
            let host = host.trim_matches(['[', ']']);
            host == "localhost"
                || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        None => return Err(error("it has no host".to_owned())),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_local => {}
        "http" => {
            return Err(error("it would send the token unencrypted; use https".to_owned()));
        }
        _ => return Err(error("use https".to_owned())),
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error("it must have no query and no fragment".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error("it must have no user name and no password".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_have_the_version_of_the_api() {
        for (url, base) in [
            ("https://api.example.com/v1", "https://api.example.com/"),
            ("https://api.example.com/v1/", "https://api.example.com/"),
            ("https://api.example.com/prod/v1", "https://api.example.com/prod"),
            ("https://api.example.com/prod", "https://api.example.com/prod"),
            ("https://api.example.com", "https://api.example.com/"),
        ] {
            assert_eq!(without_version(Url::parse(url).unwrap()).as_str(), base);
        }
    }

    #[test]
    fn a_token_is_sent_only_over_https_or_to_this_machine() {
        for (url, is_valid) in [
            ("https://api.example.com", true),
            ("https://api.example.com/prod/", true),
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000", true),
            ("http://[::1]:9000", true),
            ("http://api.example.com", false),
            ("http://localhost.example.com", false),
            ("ftp://localhost", false),
            ("api.example.com", false),
            ("https://user:secret@api.example.com", false),
            ("https://api.example.com?x=1", false),
            ("https://api.example.com#x", false),
        ] {
            let setting = Setting { value: url.to_owned(), source: Source::Default };
            assert_eq!(parse_url(&setting).is_ok(), is_valid, "{url}");
        }
    }
}
