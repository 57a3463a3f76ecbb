//! Embedded DynamoDB: dynoxide with one table, on a separate thread.
//!
//! Acknowledged writes survive a power failure: dynoxide keeps `SQLite`'s default
//! `synchronous = FULL`, so a commit waits until the data is on the disk.

mod protocol;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    thread,
};

use dynoxide::{
    Database,
    actions::{
        create_table::{CreateTableRequest, StreamSpecification},
        describe_time_to_live::DescribeTimeToLiveRequest,
        update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest},
    },
    errors::DynoxideError,
    types::{AttributeDefinition, KeySchemaElement, KeyType, ScalarAttributeType},
};
use tokio::{net::TcpListener, sync::oneshot};

use crate::browser_guard::{AllowedHosts, refuse_cross_origin, refuse_foreign_hosts};

/// Attribute with the time after which DynamoDB may delete an item, in Unix seconds.
const TTL_ATTRIBUTE: &str = "expires_at";

/// A running DynamoDB. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct DynamoDb {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// Failure to start DynamoDB.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The path is not UTF-8, which `SQLite` requires.
    #[error("the path of the DynamoDB database is not UTF-8")]
    Path,
    /// The file is damaged, is not a database, or cannot be written.
    #[error("the DynamoDB database {path} cannot be opened")]
    Open {
        /// Path of the file.
        path: String,
        /// Cause.
        #[source]
        source: DynoxideError,
    },
    /// No free port or no thread is available.
    #[error("DynamoDB cannot listen")]
    Listen(#[from] io::Error),
}

impl DynamoDb {
    /// Opens the database file `path`, creates `table` if it does not exist, and serves it on a
    /// free port.
    pub(crate) fn start(path: &Path, table: &str) -> Result<Self, DynamoDbError> {
        let path = path.to_str().ok_or(DynamoDbError::Path)?;
        let database = open(path, table)
            .map_err(|source| DynamoDbError::Open { path: path.to_owned(), source })?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (shutdown, shutdown_requested) = oneshot::channel();
        // Operations wait for the disk and block their thread. In a separate runtime, they delay
        // only each other.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let router = refuse_cross_origin(protocol::router(database));
        let router = refuse_foreign_hosts(router, AllowedHosts::default());
        let thread = thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = axum::serve(listener, router).into_future() => {}
                    _ = shutdown_requested => {}
                }
            });
        })?;
        Ok(Self { address, shutdown, thread })
    }

    /// Returns the endpoint URL for AWS SDKs.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the server, and waits until the database file is closed.
    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        drop(tokio::task::spawn_blocking(|| self.thread.join()).await);
    }
}

fn open(path: &str, table: &str) -> Result<Database, DynoxideError> {
    let database = Database::new(path)?;
    match database.create_table(definition(table)) {
        Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => {}
        Err(error) => return Err(error),
    }
    let table_name = table.to_owned();
    let ttl = database.describe_time_to_live(DescribeTimeToLiveRequest { table_name })?;
    if ttl.time_to_live_description.attribute_name.is_none() {
        database.update_time_to_live(UpdateTimeToLiveRequest {
            table_name: table.to_owned(),
            time_to_live_specification: TimeToLiveSpecification {
                attribute_name: TTL_ATTRIBUTE.to_owned(),
                enabled: true,
            },
        })?;
    }
    Ok(database)
}

/// Returns the definition of the table, which is the same as in template.yaml.
fn definition(table: &str) -> CreateTableRequest {
    let keys = [("PK", KeyType::HASH), ("SK", KeyType::RANGE)];
    CreateTableRequest {
        table_name: table.to_owned(),
        attribute_definitions: keys
            .iter()
            .map(|(name, _)| AttributeDefinition {
                attribute_name: (*name).to_owned(),
                attribute_type: ScalarAttributeType::S,
            })
            .collect(),
        key_schema: keys
            .into_iter()
            .map(|(name, key_type)| KeySchemaElement { attribute_name: name.to_owned(), key_type })
            .collect(),
        billing_mode: Some("PAY_PER_REQUEST".to_owned()),
        stream_specification: Some(StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some("NEW_IMAGE".to_owned()),
        }),
        ..CreateTableRequest::default()
    }
}
