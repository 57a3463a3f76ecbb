//! Storage: records in one DynamoDB table, bytes in one S3 bucket.
//!
//! Bytes are stored before the record that points at them, so a record never points at missing
//! bytes. Nothing in this module deletes anything.
//!
//! ```no_run
//! # async fn example(sdk_config: aws_types::SdkConfig) -> Result<(), shared::storage::StorageError> {
//! use shared::storage::{Catalogs, Table};
//!
//! let table = Table::new(&sdk_config, "customizations".to_owned());
//! let catalogs = Catalogs::new(table);
//! if let Some(catalog) = catalogs.find(&"my-catalog".parse().unwrap()).await? {
//!     println!("{} has {} applications", catalog.org_id,
//!         catalogs.applications(&catalog.id, None, None).await?.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | `catalogs` | catalogs, their applications, and the references of applications |
//! | `customizations` | customizations and their versions, with optimistic locking |
//! | `builds` | build results |
//! | `idempotency` | idempotency records |
//! | `artifacts` | the uploaded files, in S3 |
//! | `table` | the client of the table: batches, paging, transactions, retries of conflicts |
//! | `item` | the keys of the table, and the conversion between records and items |
//! | `references` | base images, products and registries, and their cache |
//! | `aws` | endpoints, credentials, retries and timeouts of the AWS SDK |

mod artifacts;
mod attempt_metrics;
mod aws;
mod backoff;
mod builds;
mod catalogs;
mod customizations;
mod error;
mod idempotency;
mod item;
mod references;
mod table;

pub use self::{
    artifacts::{Artifacts, PresignedUpload, UploadedFile},
    aws::{AwsConfig, http_client, retry_config, timeout_config},
    builds::Builds,
    catalogs::Catalogs,
    customizations::{
        CreateError, CustomizationPage, Customizations, ListFilter, MAX_LISTED,
        StoredCustomization, UpdateConditions, UpdateError,
    },
    error::StorageError,
    idempotency::{IdempotencyKey, IdempotencyRecord, IdempotencyRecords},
    item::{Item, Key, from_item, to_item},
    references::{ReferenceIds, ResolvedReferences},
    table::{Action, Condition, Table, TransactionOutcome},
};
