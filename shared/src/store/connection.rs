//! How AWS is reached: where, as whom, and for how long.

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

/// How long one attempt may take: long enough for the largest upload.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an operation may take with all of the SDK's attempts. Whatever a request does in all, the
/// edge ends it before its invocation ends.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);

/// A function's access to AWS.
#[derive(Clone, Debug)]
pub struct Access {
    region: String,
    credentials: Credentials,
}

impl Access {
    /// Access in `region` with the credentials that Lambda gives a function: they are good for as
    /// long as its process lives.
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

    /// Where requests to `service` go, those for a bucket to a host of its own: to open connections
    /// ahead. The SDK knows more endpoints than this, of China, say; there a start opens none.
    #[must_use]
    pub fn origin_of(&self, service: &str, bucket: Option<&str>) -> String {
        let bucket = bucket.map(|name| format!("{name}.")).unwrap_or_default();
        set_for(service, "AWS_ENDPOINT_URL")
            .unwrap_or_else(|| format!("https://{bucket}{service}.{}.amazonaws.com", self.region))
    }

    /// What AWS's clients are configured with: one HTTPS client for all of them, and an end to
    /// every wait.
    ///
    /// Built by hand: the SDK's own loader brings every other place that credentials could be in,
    /// which no function needs in its binary.
    #[must_use]
    pub fn sdk_config(self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials))
            .service_config(Environment)
            .http_client(http_client())
            .retry_config(retries())
            .timeout_config(timeouts())
            .build()
    }
}

/// The client that all requests to AWS go through.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let connector = https::connector();
    http_client_fn(move |_, _| connector.clone())
}

/// How often a request to AWS is tried.
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard()
}

/// How long a request to AWS may take.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The environment, as the SDK asks for what is set in it.
#[derive(Debug)]
struct Environment;

impl LoadServiceConfig for Environment {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        set_for(key.service_id(), key.env())
    }
}

/// What the environment sets for one service or for all of them, such as `AWS_ENDPOINT_URL_S3` and
/// `AWS_ENDPOINT_URL`.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
fn set_for(service: &str, variable: &str) -> Option<String> {
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
    use crate::{id::Digest, store::Bucket};

    #[tokio::test]
    async fn connections_are_opened_to_where_the_sdk_sends_requests() {
        for region in ["us-east-1", "eu-central-1", "us-gov-west-1"] {
            let text = str::to_owned;
            let access = Access::new(text(region), text("id"), text("secret"), None);
            let bucket = Bucket::new(access.clone().sdk_config(), text("customizations"));
            let (catalog_id, file_name) = ("c".parse().unwrap(), "a.tar.gz".parse().unwrap());
            let link = bucket.link(&catalog_id, Digest::of(b""), &file_name).await.unwrap();
            let s3 = access.origin_of("s3", Some("customizations"));
            assert!(link.starts_with(&format!("{s3}/")), "{link} is not below {s3}");

            let params = Params::builder().region(region).build().unwrap();
            let dynamodb = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            assert_eq!(dynamodb.url(), access.origin_of("dynamodb", None));
        }
    }
}
