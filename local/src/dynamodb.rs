//! DynamoDB on this machine: dynoxide with the one table, on a thread of its own.
//!
//! What it says is stored survives a loss of power: dynoxide leaves its database at `synchronous =
//! FULL`, with which a commit waits for the disk.

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
    server,
    types::{AttributeDefinition, KeySchemaElement, KeyType, ScalarAttributeType},
};
use tokio::{net::TcpListener, sync::oneshot};

/// The attribute that tells when an item has had its time, in seconds since 1970.
const TTL_ATTRIBUTE: &str = "expires_at";

/// A running DynamoDB. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct DynamoDb {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// Why DynamoDB does not start.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The path is no text.
    #[error("the path of the DynamoDB table is not UTF-8")]
    Path,
    /// The file is damaged, not a database, or cannot be written.
    #[error("the DynamoDB table in {path} cannot be opened")]
    Open {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: DynoxideError,
    },
    /// There is no port or no thread to be had.
    #[error("DynamoDB cannot listen")]
    Listen(#[from] io::Error),
}

impl DynamoDb {
    /// Opens the database in the file `path`, makes `table` in it if there is none, and serves it.
    pub(crate) fn start(path: &Path, table: &str) -> Result<Self, DynamoDbError> {
        let path = path.to_str().ok_or(DynamoDbError::Path)?;
        let database = open(path, table)
            .map_err(|source| DynamoDbError::Open { path: path.to_owned(), source })?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        // Its requests wait for the disk in the middle of async code: here only each other waits.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let thread = thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            // Each request runs in one go, so that none is cut in the middle by the end.
            runtime.block_on(async {
                tokio::select! {
                    () = server::serve_on(listener, database) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop, thread })
    }

    /// Its endpoint, as the AWS SDKs take it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops, and returns once the file is closed.
    pub(crate) async fn stop(self) {
        drop(self.stop);
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

/// The table as the deployment's template has it.
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
