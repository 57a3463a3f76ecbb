//! The services that the functions use: DynamoDB, S3 and the JWKS endpoint. Each listens on its own
//! port.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use local::{data_dir::DataDir, stores::{Stores, TABLE}};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let stores = Stores::start(DataDir::open(Path::new("data"))?).await?;
//! let items = stores.dynamodb_client().scan().table_name(TABLE).send().await?;
//! stores.stop().await;
//! # Ok(())
//! # }
//! ```

use std::{io, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use shared::storage::Table;

use crate::{
    csp,
    data_dir::DataDir,
    dynamodb::{DynamoDb, DynamoDbError},
    environment::Environment,
    s3::{AccessKey, S3Server},
    server::Server,
};

/// Name of the table.
pub const TABLE: &str = "customizations";

/// Name of the bucket.
pub const BUCKET: &str = "customizations";

/// Name of the bucket for direct uploads.
pub const UPLOAD_BUCKET: &str = "customization-uploads";

/// Prefix of the URIs of problem types.
pub const PROBLEM_TYPE_BASE: &str = "https://example.com/probs";

const REGION: &str = "us-east-1";

/// Access key of S3 and DynamoDB. It is public: the stores are protected from web pages by the
/// middleware in [`browser_guard`](crate::browser_guard).
const ACCESS_KEY: AccessKey = AccessKey { id: "local", secret: "insecure-local-secret" };

/// The running stores.
#[derive(Debug)]
pub struct Stores {
    dynamodb: DynamoDb,
    s3: S3Server,
    jwks_endpoint: Server,
    data_dir: DataDir,
}

/// Failure to start the stores.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// DynamoDB cannot be started.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// S3 cannot be started.
    #[error("the S3 bucket cannot be opened")]
    S3(#[source] io::Error),
    /// The JWKS endpoint cannot be started.
    #[error("the JWKS endpoint cannot listen")]
    JwksEndpoint(#[source] io::Error),
}

impl Stores {
    /// Starts the stores with the data in `data_dir`.
    ///
    /// # Errors
    ///
    /// [`StoresError`]
    pub async fn start(data_dir: DataDir) -> Result<Self, StoresError> {
        let dynamodb = DynamoDb::start(&data_dir.dynamodb(), TABLE)?;
        let s3 = S3Server::start(&data_dir.s3(), &[BUCKET, UPLOAD_BUCKET], ACCESS_KEY)
            .await
            .map_err(StoresError::S3)?;
        let jwks_endpoint = csp::serve_jwks().await.map_err(StoresError::JwksEndpoint)?;
        Ok(Self { dynamodb, s3, jwks_endpoint, data_dir })
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

    /// Returns the environment variables for the functions and for every program that uses these
    /// stores through an AWS SDK.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::from([
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.id),
            ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.secret),
            ("AWS_REGION", REGION),
            // AWS CLI v1 and boto3 read this one. Lambda sets both.
            ("AWS_DEFAULT_REGION", REGION),
            // Prevents SDKs from searching for the metadata service of an EC2 instance.
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb_endpoint()),
            ("AWS_ENDPOINT_URL_S3", &self.s3_endpoint()),
            ("TABLE_NAME", TABLE),
            ("BUCKET_NAME", BUCKET),
            ("UPLOAD_BUCKET_NAME", UPLOAD_BUCKET),
            ("CSP_ISSUER", csp::ISSUER),
            // Not CSP_JWKS: some programs that read NAME=value lines remove the quotes of its JSON.
            ("CSP_JWKS_URL", &self.jwks_endpoint.url()),
            ("CSP_WRITE_PERMISSIONS", csp::WRITE_PERMISSIONS),
            ("CSP_READ_PERMISSIONS", csp::READ_PERMISSIONS),
            ("PROBLEM_TYPE_BASE", PROBLEM_TYPE_BASE),
            // As in template.yaml: returns the memory of a large upload after the request.
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
        let AccessKey { id, secret } = ACCESS_KEY;
        let credentials = Credentials::new(id, secret, None, None, "local");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(shared::storage::http_client())
            .build()
    }

    /// Stops the stores and unlocks the data directory.
    pub async fn stop(self) {
        const GRACE: Duration = Duration::from_secs(2);
        tokio::join!(self.s3.stop(GRACE), self.jwks_endpoint.stop(GRACE), self.dynamodb.stop());
    }
}
