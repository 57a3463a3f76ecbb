//! What is behind the functions: the table, the bucket and the keys, each on a port of its own.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    io,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use shared::storage::Table;

use crate::{
    csp,
    data_dir::DataDir,
    dynamodb::{DynamoDb, DynamoDbError},
    s3::{S3Server, Signer},
    server::Server,
};

/// The table.
pub const TABLE: &str = "customizations";

/// The bucket.
pub const BUCKET: &str = "customizations";

/// What the types of problems begin with.
pub const PROBLEM_TYPE_BASE: &str = "https://example.com/probs";

const REGION: &str = "us-east-1";

/// Whom alone the bucket answers to; known to all, as it guards nothing.
const SIGNER: Signer =
    Signer { access_key_id: "local", secret_access_key: "insecure-local-secret" };

/// The running stores.
#[derive(Debug)]
pub struct Stores {
    dynamodb: DynamoDb,
    s3: S3Server,
    keys: Server,
    data_dir: DataDir,
}

/// Why the stores do not start.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// DynamoDB does not.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// S3 does not.
    #[error("the S3 bucket cannot be opened")]
    S3(#[source] io::Error),
    /// The server of the keys does not.
    #[error("the token keys cannot be served")]
    Keys(#[source] io::Error),
}

impl Stores {
    /// Starts the stores on what `data_dir` holds.
    ///
    /// # Errors
    ///
    /// [`StoresError`]
    pub async fn start(data_dir: DataDir) -> Result<Self, StoresError> {
        let dynamodb = DynamoDb::start(&data_dir.dynamodb(), TABLE)?;
        let s3 = S3Server::start(&data_dir.s3(), BUCKET, SIGNER).await.map_err(StoresError::S3)?;
        let keys = csp::serve_keys().await.map_err(StoresError::Keys)?;
        Ok(Self { dynamodb, s3, keys, data_dir })
    }

    /// Where everything is kept.
    #[must_use]
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// DynamoDB's endpoint.
    #[must_use]
    pub fn dynamodb_endpoint(&self) -> String {
        self.dynamodb.endpoint()
    }

    /// S3's endpoint.
    #[must_use]
    pub fn s3_endpoint(&self) -> String {
        self.s3.endpoint()
    }

    /// The environment in which the functions, or any program with an AWS SDK, work with these
    /// stores.
    #[must_use]
    pub fn environment(&self) -> Environment {
        let variables = [
            ("AWS_ACCESS_KEY_ID", SIGNER.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", SIGNER.secret_access_key),
            ("AWS_REGION", REGION),
            // Or an SDK would look for a machine in the cloud around it.
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb_endpoint()),
            ("AWS_ENDPOINT_URL_S3", &self.s3_endpoint()),
            ("TABLE_NAME", TABLE),
            ("BUCKET_NAME", BUCKET),
            ("CSP_ISSUER", csp::ISSUER),
            // Not the keys themselves: their quotes would not survive every reader of such lines.
            ("CSP_JWKS_URL", &self.keys.url()),
            ("CSP_WRITE_PERMISSIONS", csp::WRITE_PERMISSIONS),
            ("CSP_READ_PERMISSIONS", csp::READ_PERMISSIONS),
            ("PROBLEM_TYPE_BASE", PROBLEM_TYPE_BASE),
            // As in the deployment's template: memory of large uploads goes back at their end.
            ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ];
        Environment(
            variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        )
    }

    /// The table, for programs that run the stack in their own process.
    #[must_use]
    pub fn table(&self) -> Table {
        Table::new(&self.sdk_config(), TABLE.to_owned())
    }

    /// What a client of the DynamoDB is configured with.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let Signer { access_key_id, secret_access_key } = SIGNER;
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "local");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(self.dynamodb_endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build()
    }

    /// Stops the stores; once this returns, the data directory can be opened again.
    pub async fn stop(self) {
        const GRACE: Duration = Duration::from_secs(2);
        tokio::join!(self.s3.stop(GRACE), self.keys.stop(GRACE), self.dynamodb.stop());
    }
}

/// Environment variables; displayed as lines of `NAME=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Takes a variable out.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The variables' names and values, in the names' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Display for Environment {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(name, value)| writeln!(formatter, "{name}={value}"))
    }
}
