//! Configuration: environment variables, read once at start.

use crate::{
    csp::{InvalidKeySource, Keys, PublishedKey, TokenRules},
    https,
    routes::Permission,
    storage::AwsConfig,
};

/// The configuration of a function.
#[derive(Debug)]
pub struct Config {
    /// The permission that the function's callers need.
    pub permission: Permission,
    /// The function's name on Lambda: `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets.
    pub function_name: String,
    /// The region and the credentials, which Lambda sets: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    pub aws: AwsConfig,
    /// The DynamoDB table: `TABLE_NAME`.
    pub table_name: String,
    /// The S3 bucket of the uploaded files: `BUCKET_NAME`.
    pub bucket_name: String,
    /// The S3 bucket of direct uploads: `UPLOAD_BUCKET_NAME`, only for the permission to write.
    pub upload_bucket_name: Option<String>,
    /// The rules for tokens: `CSP_ISSUER`; the optional `CSP_AUDIENCES`; and
    /// `CSP_WRITE_PERMISSIONS` or `CSP_READ_PERMISSIONS`.
    pub csp_rules: TokenRules,
    /// The issuer's public keys: `CSP_JWKS_URL` (their endpoint) or `CSP_JWKS` (the JWKS itself).
    pub csp_keys: Keys,
    /// The prefix of problem types, without a slash at the end: `PROBLEM_TYPE_BASE`.
    pub problem_type_base: String,
}

/// The configuration is not usable. The message names the variable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable is not UTF-8.
    #[error("the environment variable {0} is not UTF-8")]
    NotText(&'static str),
    /// The variable had another name in an earlier release.
    #[error("the environment variable {old} is now named {new}; rename it")]
    Renamed {
        /// The old name, which is set.
        old: &'static str,
        /// The new name.
        new: &'static str,
    },
    /// Both or neither of the variables are set.
    #[error("exactly one of the environment variables CSP_JWKS_URL and CSP_JWKS must be set")]
    KeySources,
    /// The keys are not usable.
    #[error("the environment variable {0} cannot be used")]
    InvalidKeySource(&'static str, #[source] InvalidKeySource),
    /// The list has no permission.
    #[error("the environment variable {0} must list permissions, separated by commas")]
    NoPermission(&'static str),
    /// The prefix of problem types is not an absolute URL. RFC 9457 recommends absolute URIs.
    #[error("the environment variable PROBLEM_TYPE_BASE must be an http or https URL")]
    InvalidTypeBase,
}

/// The old name of `CSP_WRITE_PERMISSIONS`. The function refuses to start with it: if it ignored
/// the variable, it could accept other permissions than the operator intends.
const OLD_WRITE_PERMISSIONS: &str = "CSP_CREATE_PERMISSIONS";

/// The variable that lists the values of `perms` that grant `permission`.
const fn permissions_variable(permission: Permission) -> &'static str {
    match permission {
        Permission::Write => "CSP_WRITE_PERMISSIONS",
        Permission::Read => "CSP_READ_PERMISSIONS",
    }
}

impl Config {
    /// Reads the environment of the function that serves the routes with `permission`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]
    pub fn from_env(permission: Permission) -> Result<Self, ConfigError> {
        Self::read(permission, |name| std::env::var_os(name).map(std::ffi::OsString::into_string))
    }

    fn read(
        permission: Permission,
        variable: impl Fn(&str) -> Option<Result<String, std::ffi::OsString>>,
    ) -> Result<Self, ConfigError> {
        let optional = |name| match variable(name) {
            Some(Ok(value)) if !value.is_empty() => Ok(Some(value)),
            Some(Err(_)) => Err(ConfigError::NotText(name)),
            _ => Ok(None),
        };
        let required = |name| optional(name)?.ok_or(ConfigError::Missing(name));

        let is_local = |name| -> Result<bool, ConfigError> {
            let endpoint = optional(name)?.or(optional("AWS_ENDPOINT_URL")?);
            let url = endpoint.and_then(|endpoint| endpoint.parse().ok());
            Ok(url.is_some_and(|url| https::is_loopback(&url)))
        };
        let stores_are_local =
            is_local("AWS_ENDPOINT_URL_DYNAMODB")? && is_local("AWS_ENDPOINT_URL_S3")?;
        let published =
            if stores_are_local { PublishedKey::Trusted } else { PublishedKey::Rejected };
        let csp_keys = match (optional("CSP_JWKS_URL")?, optional("CSP_JWKS")?) {
            (Some(url), None) => Keys::fetched(&url, published)
                .map_err(|error| ConfigError::InvalidKeySource("CSP_JWKS_URL", error))?,
            (None, Some(jwks)) => Keys::fixed(&jwks, published)
                .map_err(|error| ConfigError::InvalidKeySource("CSP_JWKS", error))?,
            _ => return Err(ConfigError::KeySources),
        };
        if optional(OLD_WRITE_PERMISSIONS)?.is_some() {
            let new = permissions_variable(Permission::Write);
            return Err(ConfigError::Renamed { old: OLD_WRITE_PERMISSIONS, new });
        }
        let variable = permissions_variable(permission);
        let permissions = list(&required(variable)?);
        if permissions.is_empty() {
            return Err(ConfigError::NoPermission(variable));
        }
        let audiences = list(&optional("CSP_AUDIENCES")?.unwrap_or_default());
        let csp_rules = TokenRules { issuer: required("CSP_ISSUER")?, audiences, permissions };
        let problem_type_base = required("PROBLEM_TYPE_BASE")?;
        let is_url = ["https://", "http://"].iter().any(|scheme| {
            problem_type_base.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())
        });
        if !is_url {
            return Err(ConfigError::InvalidTypeBase);
        }
        let aws = AwsConfig::new(
            required("AWS_REGION")?,
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            optional("AWS_SESSION_TOKEN")?,
        );
        Ok(Self {
            permission,
            function_name: required("AWS_LAMBDA_FUNCTION_NAME")?,
            aws,
            table_name: required("TABLE_NAME")?,
            bucket_name: required("BUCKET_NAME")?,
            upload_bucket_name: match permission {
                Permission::Write => Some(required("UPLOAD_BUCKET_NAME")?),
                Permission::Read => None,
            },
            csp_rules,
            csp_keys,
            problem_type_base: problem_type_base.trim_end_matches('/').to_owned(),
        })
    }
}

/// The entries of a comma-separated list.
fn list(text: &str) -> Vec<String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::error::ErrorChain;

    /// A JWKS with one key of 2048 bits.
    fn jwks() -> String {
        let modulus = base64_simd::URL_SAFE_NO_PAD.encode_to_string([0xff; 256]);
        format!(r#"{{"keys":[{{"kty":"RSA","n":"{modulus}","e":"AQAB"}}]}}"#)
    }

    fn read(changes: &[(&'static str, &'static str)]) -> Result<Config, String> {
        let jwks = jwks();
        let mut variables = HashMap::from([
            ("AWS_LAMBDA_FUNCTION_NAME", "function"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("TABLE_NAME", "table"),
            ("BUCKET_NAME", "bucket"),
            ("CSP_ISSUER", "https://issuer.example"),
            ("CSP_JWKS", jwks.as_str()),
            ("CSP_READ_PERMISSIONS", "a, b,"),
            ("PROBLEM_TYPE_BASE", "https://example.com/probs/"),
        ]);
        variables.extend(changes.iter().copied());
        Config::read(Permission::Read, |name| variables.get(name).map(|&value| Ok(value.into())))
            .map_err(|error| ErrorChain(&error).to_string())
    }

    #[test]
    fn a_complete_configuration_is_accepted() {
        let config = read(&[]).unwrap();
        assert_eq!(config.csp_rules.permissions, ["a", "b"]);
        assert_eq!(config.problem_type_base, "https://example.com/probs");
        assert!(!format!("{config:?}").contains("secret\""), "secrets are redacted");
        for url in ["https://keys.example/jwks?format=jwks", "http://127.0.0.1:1/", "http://[::1]/"]
        {
            let config = read(&[("CSP_JWKS", ""), ("CSP_JWKS_URL", url)]).unwrap();
            assert!(matches!(config.csp_keys, Keys::Fetched(_)), "{url}");
        }
    }

    #[test]
    fn the_published_key_is_accepted_only_with_local_stores() {
        const PUBLISHED: &str = include_str!("../../local/csp/insecure-keys.json");
        const LOCAL: &str = "http://127.9.9.9:1";
        let read = |dynamodb, s3, all| {
            read(&[
                ("CSP_JWKS", PUBLISHED),
                ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
                ("AWS_ENDPOINT_URL_S3", s3),
                ("AWS_ENDPOINT_URL", all),
            ])
        };
        for (dynamodb, s3, all) in
            [(LOCAL, "http://[::1]:2", ""), ("http://localhost:1", LOCAL, ""), ("", "", LOCAL)]
        {
            assert!(read(dynamodb, s3, all).is_ok(), "{dynamodb} {s3} {all}");
        }
        for (dynamodb, s3, all) in [
            ("", "", ""),
            (LOCAL, "", ""),
            ("", LOCAL, ""),
            (LOCAL, "https://localhost.example", ""),
            ("https://192.0.2.1", "", LOCAL),
        ] {
            assert_eq!(
                read(dynamodb, s3, all).unwrap_err(),
                "the environment variable CSP_JWKS cannot be used: holds the published key of \
                 local tokens; generate your own key pair",
            );
        }
    }

    #[test]
    fn the_error_names_a_missing_or_invalid_variable() {
        const KEY_SOURCES: &str =
            "exactly one of the environment variables CSP_JWKS_URL and CSP_JWKS must be set";
        const NOT_HTTPS: &str = "the environment variable CSP_JWKS_URL cannot be used: \
                                 not an https URL (or http on loopback)";
        for (changes, message) in [
            (&[("TABLE_NAME", "")][..], "the environment variable TABLE_NAME is not set"),
            (&[("AWS_REGION", "")], "the environment variable AWS_REGION is not set"),
            (&[("CSP_JWKS", "")], KEY_SOURCES),
            (&[("CSP_JWKS_URL", "https://keys.example/")], KEY_SOURCES),
            (&[("CSP_JWKS", ""), ("CSP_JWKS_URL", "http://keys.example/")], NOT_HTTPS),
            (&[("CSP_JWKS", ""), ("CSP_JWKS_URL", "http://127.0.0.1.example/")], NOT_HTTPS),
            (&[("CSP_JWKS", ""), ("CSP_JWKS_URL", "ftp://keys.example/")], NOT_HTTPS),
            (
                &[("CSP_JWKS", ""), ("CSP_JWKS_URL", "https://keys example/")],
                "the environment variable CSP_JWKS_URL cannot be used: \
                 not a URL: invalid uri character",
            ),
            (
                &[("CSP_JWKS", "{}")],
                "the environment variable CSP_JWKS cannot be used: not a JWKS (line 1, column 2)",
            ),
            (
                &[("CSP_JWKS", r#"{"keys":[]}"#)],
                "the environment variable CSP_JWKS cannot be used: \
                 no RSA key of 2048 to 8192 bits for RS256 signatures",
            ),
            (
                &[("CSP_READ_PERMISSIONS", " ,")],
                "the environment variable CSP_READ_PERMISSIONS must list permissions, separated by commas",
            ),
            (
                &[("CSP_CREATE_PERMISSIONS", "csp:org_owner")],
                "the environment variable CSP_CREATE_PERMISSIONS is now named \
                 CSP_WRITE_PERMISSIONS; rename it",
            ),
            (
                &[("PROBLEM_TYPE_BASE", "probs")],
                "the environment variable PROBLEM_TYPE_BASE must be an http or https URL",
            ),
        ] {
            assert_eq!(read(changes).unwrap_err(), message);
        }
    }
}
