//! The services that the functions use: DynamoDB, S3 and the token keys, each on a port of its own.

use std::{io, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use shared::storage::Table;

use crate::{
    csp,
    data_dir::DataDir,
    dynamodb::{DynamoDb, DynamoDbError},
    environment::Environment,
    s3::{S3Server, Signer},
    server::Server,
};

/// Name of the table.
pub const TABLE: &str = "customizations";

/// Name of the bucket.
pub const BUCKET: &str = "customizations";

/// Base of the problem types' URIs.
pub const PROBLEM_TYPE_BASE: &str = "https://example.com/probs";

const REGION: &str = "us-east-1";

/// Credentials of S3 and DynamoDB; published, because they protect nothing.
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

/// Failure to start the stores.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// DynamoDB does not start.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// S3 does not start.
    #[error("the S3 bucket cannot be opened")]
    S3(#[source] io::Error),
    /// The server of the token keys does not start.
    #[error("the token keys cannot be served")]
    Keys(#[source] io::Error),
}

impl Stores {
    /// Starts the stores on the data in `data_dir`.
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

    /// Returns the data directory.
    #[must_use]
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Returns DynamoDB's endpoint.
    #[must_use]
    pub fn dynamodb_endpoint(&self) -> String {
        self.dynamodb.endpoint()
    }

    /// Returns S3's endpoint.
    #[must_use]
    pub fn s3_endpoint(&self) -> String {
        self.s3.endpoint()
    }

    /// Returns the environment with which the functions, and any program with an AWS SDK, use these
    /// stores.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::from([
            ("AWS_ACCESS_KEY_ID", SIGNER.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", SIGNER.secret_access_key),
            ("AWS_REGION", REGION),
            // For AWS CLI v1 and boto3. Lambda sets both variables.
            ("AWS_DEFAULT_REGION", REGION),
            // Otherwise an SDK looks for the metadata service of an EC2 instance.
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb_endpoint()),
            ("AWS_ENDPOINT_URL_S3", &self.s3_endpoint()),
            ("TABLE_NAME", TABLE),
            ("BUCKET_NAME", BUCKET),
            ("CSP_ISSUER", csp::ISSUER),
            // Not CSP_JWKS: some readers of NAME=value lines strip the quotes of its JSON.
            ("CSP_JWKS_URL", &self.keys.url()),
            ("CSP_WRITE_PERMISSIONS", csp::WRITE_PERMISSIONS),
            ("CSP_READ_PERMISSIONS", csp::READ_PERMISSIONS),
            ("PROBLEM_TYPE_BASE", PROBLEM_TYPE_BASE),
            // As in the deployment's template: frees the memory of large uploads at their end.
            ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ])
    }

    /// Returns the table, for programs that run the stack in their own process.
    #[must_use]
    pub fn table(&self) -> Table {
        Table::new(&Self::sdk_config(self.dynamodb_endpoint()), TABLE.to_owned())
    }

    /// Returns a client of DynamoDB.
    #[must_use]
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&Self::sdk_config(self.dynamodb_endpoint()))
    }

    /// Returns a client of S3.
    #[must_use]
    pub fn s3_client(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&Self::sdk_config(self.s3_endpoint()))
    }

    fn sdk_config(endpoint: String) -> SdkConfig {
        let Signer { access_key_id, secret_access_key } = SIGNER;
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "local");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(shared::storage::http_client())
            .build()
    }

    /// Stops the stores; once this returns, the data directory can be opened again.
    pub async fn stop(self) {
        const GRACE: Duration = Duration::from_secs(2);
        tokio::join!(self.s3.stop(GRACE), self.keys.stop(GRACE), self.dynamodb.stop());
    }
}
