//! Configuration of the AWS SDK: endpoints, credentials, retries and timeouts.

use std::{env, time::Duration};

use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedHttpClient, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_types::{
    SdkConfig,
    sdk_config::SharedCredentialsProvider,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

use crate::https;

/// The timeout of one attempt: long enough for the largest upload.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of an operation with all attempts of the SDK. The Lambda adapter limits the whole
/// request.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);

/// A function's region and credentials.
#[derive(Clone, Debug)]
pub struct AwsConfig {
    region: String,
    credentials: Credentials,
}

impl AwsConfig {
    /// Uses fixed credentials. Those in Lambda's environment variables are valid for the lifetime
    /// of the process.
    #[must_use]
    pub fn new(
        region: String,
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
    ) -> Self {
        let credentials =
            Credentials::new(access_key_id, secret_access_key, session_token, None, "environment");
        Self { region, credentials }
    }

    /// The origin of requests to `service`; each bucket has its own host name. Use it only for
    /// [`https::preconnect`]: the SDK knows more endpoints, such as those of the regions in China.
    /// In those regions the early connection fails, which has no effect.
    #[must_use]
    pub fn origin(&self, service: &str, bucket: Option<&str>) -> String {
        let bucket = bucket.map(|name| format!("{name}.")).unwrap_or_default();
        service_variable(service, "AWS_ENDPOINT_URL")
            .unwrap_or_else(|| format!("https://{bucket}{service}.{}.amazonaws.com", self.region))
    }

    /// The configuration of the SDK's clients: one HTTPS client for all, and timeouts.
    ///
    /// This does not use the SDK's loader, which would add all other sources of credentials to the
    /// binary.
    #[must_use]
    pub fn sdk_config(self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials))
            .service_config(Environment)
            .http_client(http_client())
            .retry_config(retry_config())
            .timeout_config(timeout_config())
            .build()
    }
}

/// The HTTP client of all requests to AWS.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let connector = https::connector();
    http_client_fn(move |_, _| connector.clone())
}

/// The retries of the SDK: three attempts, with backoff.
#[must_use]
pub fn retry_config() -> RetryConfig {
    RetryConfig::standard()
}

/// The timeouts of the SDK. By default, it limits neither attempts nor operations.
#[must_use]
pub fn timeout_config() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// Environment variables as the SDK's source of service settings.
#[derive(Debug)]
struct Environment;

impl LoadServiceConfig for Environment {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        service_variable(key.service_id(), key.env())
    }
}

/// The value that the environment sets for one service (`AWS_ENDPOINT_URL_S3`) or for all
/// (`AWS_ENDPOINT_URL`).
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
fn service_variable(service: &str, variable: &str) -> Option<String> {
    let service = service.to_uppercase().replace(' ', "_");
    [format!("{variable}_{service}"), variable.to_owned()]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use super::*;
    use crate::{domain::Digest, storage::Artifacts};

    #[tokio::test]
    async fn preconnected_origins_are_those_of_the_sdk() {
        for region in ["us-east-1", "eu-central-1", "us-gov-west-1"] {
            let text = str::to_owned;
            let config = AwsConfig::new(text(region), text("id"), text("secret"), None);
            let artifacts =
                Artifacts::new(config.clone().sdk_config(), text("customizations"), None);
            let (catalog_id, file_name) = ("c".parse().unwrap(), "a.tar.gz".parse().unwrap());
            let link =
                artifacts.presign_get(&catalog_id, Digest::of(b""), &file_name).await.unwrap();
            let s3 = config.origin("s3", Some("customizations"));
            assert!(link.starts_with(&format!("{s3}/")), "{link} is not below {s3}");

            let params = Params::builder().region(region).build().unwrap();
            let dynamodb = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            assert_eq!(dynamodb.url(), config.origin("dynamodb", None));
        }
    }
}
