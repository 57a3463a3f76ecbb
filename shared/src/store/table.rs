//! The table: catalogs and what belongs to them, customizations and what became of them.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        put_item::PutItemError, query::builders::QueryFluentBuilder,
        transact_write_items::TransactWriteItemsError, update_item::UpdateItemError,
    },
    types::{
        AttributeValue, CancellationReason, ConditionCheck, KeysAndAttributes, Put, PutRequest,
        ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, WriteRequest,
    },
};
use aws_types::SdkConfig;
use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;

use super::{
    Receipt, References, StoreError, TRANSACTION_CONFLICT, Wanted,
    attempts::Attempts,
    backoff::Backoff,
    item::{self, Item, Key, Record},
    receipt,
    references::Cache,
};
use crate::{
    catalog::{Application, Catalog},
    customization::{BuildResult, Customization, CustomizationStatus, Filter},
    id::{CustomizationId, Digest, Id},
    metrics::Dependency,
    problem::Cause,
    timestamp::Timestamp,
};

/// The most keys of one `BatchGetItem`.
const READ_BATCH: usize = 100;

/// The most items of one `BatchWriteItem`.
const WRITE_BATCH: usize = 25;

/// The table that records are in.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
    references: Arc<Cache>,
}

/// Why a customization is not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Meanwhile the catalog has gone, or is another organization's.
    #[error("the catalog is gone")]
    CatalogGone,
    /// Meanwhile another request has used the idempotency key.
    #[error("the idempotency key is used")]
    KeyUsed(Box<Receipt>),
    /// The table did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why imported records are not written, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another import has given the catalog to another organization.
    #[error("catalog {0} belongs to another organization; it cannot be given away")]
    CatalogTaken(Id),
    /// The table did not take them.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the pipeline's finding is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no such customization.
    #[error("catalog {catalog_id} has no customization {customization_id}")]
    NoCustomization {
        /// The catalog.
        catalog_id: Id,
        /// The customization.
        customization_id: CustomizationId,
    },
    /// The customization is not for this application.
    #[error("application {0} is not among those that the customization is for")]
    NotAffected(Id),
    /// The table did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Table {
    /// The table `name`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: String) -> Self {
        let config = Builder::from(config).interceptor(Attempts(Dependency::DynamoDb)).build();
        Self { client: Client::from_conf(config), name, references: Arc::default() }
    }

    /// The catalog `id`, if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn catalog(&self, id: &Id) -> Result<Option<Catalog>, StoreError> {
        self.get(&Key::catalog(id)).await
    }

    /// The catalog `catalog_id` and the customization `id` of it, if there are such, in one request.
    /// What is wrong with the customization matters only to those whose catalog it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn catalog_and_customization(
        &self,
        catalog_id: &Id,
        id: CustomizationId,
    ) -> Result<(Option<Catalog>, Result<Option<Customization>, StoreError>), StoreError> {
        let keys = [Key::catalog(catalog_id), Key::customization(catalog_id, id)];
        let mut found = self.get_batch(&keys, true).await?;
        let [catalog, customization] = keys.map(|key| found.remove(&key));
        let customization = customization.map(item::read).transpose();
        Ok((catalog.map(item::read).transpose()?, customization))
    }

    /// What became of the builds with the customization `id`.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn build_results(&self, id: CustomizationId) -> Result<Vec<BuildResult>, StoreError> {
        let partition = item::customization_partition(id);
        pages(
            "query build results",
            self.below(partition, item::BUILD_RESULTS.to_owned()),
            usize::MAX,
        )
        .await
    }

    /// The first `most` applications of a catalog that `filter` matches, all without one; in the
    /// order of their products, branches and base images.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn applications(
        &self,
        catalog_id: &Id,
        filter: Option<&Filter>,
        most: usize,
    ) -> Result<Vec<Application>, StoreError> {
        pages("query applications", self.matching(catalog_id, filter), most).await
    }

    /// Whether any application that `filter` matches has been released; none if that cannot be
    /// told from the first `most_pages` of at most 1 MB.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn any_released(
        &self,
        catalog_id: &Id,
        filter: &Filter,
        most_pages: usize,
    ) -> Result<Option<bool>, StoreError> {
        const RELEASED: &str = "attribute_exists(latest_release)";
        let matching = self.matching(catalog_id, Some(filter));
        let released = match matching.get_filter_expression() {
            Some(expression) => format!("{expression} AND {RELEASED}"),
            None => RELEASED.to_owned(),
        };
        // A count is enough: what there is would be read for nothing.
        let matching = matching.filter_expression(released).select(Select::Count);
        let mut pages = matching.into_paginator().send();
        for _ in 0..most_pages {
            let Some(page) = pages.next().await else { return Ok(Some(false)) };
            let page = page.map_err(|error| StoreError::new("query applications", error))?;
            if page.count > 0 {
                return Ok(Some(true));
            }
            if page.last_evaluated_key.is_none() {
                return Ok(Some(false));
            }
        }
        Ok(None)
    }

    /// The base images, products and registries that are `wanted`, as far as there are any; read
    /// at most a minute ago.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn references(&self, wanted: &Wanted) -> Result<References, StoreError> {
        let (mut references, missing) = self.references.look_up(wanted);
        let batches = missing.chunks(READ_BATCH).map(|keys| self.get_batch(keys, false));
        for items in try_join_all(batches).await? {
            references.read(items)?;
        }
        self.references.remember(&missing, &references);
        Ok(references)
    }

    /// The receipt of the request that came with the idempotency key of this digest, if there was
    /// one in the last 24 hours.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn receipt(
        &self,
        catalog_id: &Id,
        idempotency_key: Digest,
    ) -> Result<Option<Receipt>, StoreError> {
        let receipt: Option<Receipt> = self.get(&Key::receipt(catalog_id, idempotency_key)).await?;
        Ok(receipt.filter(Receipt::is_valid))
    }

    /// Keeps a new customization, whose bytes the bucket holds already, if its catalog still is
    /// `organization`'s; and with it the receipt for an idempotency key, given by its digest.
    ///
    /// # Errors
    ///
    /// [`CreateError`]
    pub async fn create(
        &self,
        organization: &str,
        customization: &Customization,
        receipt: Option<(Digest, &Receipt)>,
    ) -> Result<(), CreateError> {
        const OPERATION: &str = "create customization";
        let id = Key::customization(&customization.catalog_id, customization.id);
        let record = item::write(&id, customization)?;
        let put_record = Put::builder()
            .table_name(&self.name)
            .set_item(Some(record.clone()))
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| refused(OPERATION, error))?;
        let catalog_is_owned = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(Key::catalog(&customization.catalog_id).attributes()))
            .condition_expression("org_id = :org_id")
            .expression_attribute_values(":org_id", text(organization))
            .build()
            .map_err(|error| refused(OPERATION, error))?;
        let mut actions = vec![
            TransactWriteItem::builder().put(put_record).build(),
            TransactWriteItem::builder().condition_check(catalog_is_owned).build(),
        ];
        if let Some((key, receipt)) = receipt {
            let key = Key::receipt(&customization.catalog_id, key);
            let put_receipt = Put::builder()
                .table_name(&self.name)
                .set_item(Some(item::write(&key, receipt)?))
                .condition_expression("attribute_not_exists(PK) OR expires_at <= :now")
                .expression_attribute_values(":now", AttributeValue::N(receipt::now().to_string()))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build()
                .map_err(|error| refused(OPERATION, error))?;
            actions.push(TransactWriteItem::builder().put(put_receipt).build());
        }
        match self.transact(OPERATION, &actions).await? {
            Verdict::Written => Ok(()),
            // An attempt before has written it, and its answer was lost.
            Verdict::ConditionFailed { action: 0, item } if is_same(&item, &record) => Ok(()),
            Verdict::ConditionFailed { action: 0, .. } => {
                Err(refused(OPERATION, "the identifier is taken").into())
            }
            Verdict::ConditionFailed { action: 1, .. } => Err(CreateError::CatalogGone),
            Verdict::ConditionFailed { item, .. } => {
                Err(CreateError::KeyUsed(Box::new(item::read(item)?)))
            }
        }
    }

    /// Writes imported records over what is there, in their order; `written` is told how many more
    /// are. A catalog goes on its own, for no batch has conditions.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; those written before it stay written.
    pub async fn import(
        &self,
        records: &[Record],
        written: impl Fn(usize),
    ) -> Result<(), WriteError> {
        let is_catalog = |record: &Record| matches!(record, Record::Catalog(_));
        let runs = records.chunk_by(|one, next| !is_catalog(one) && !is_catalog(next));
        for batch in runs.flat_map(|run| run.chunks(WRITE_BATCH)) {
            match batch {
                [Record::Catalog(catalog)] => self.write_catalog(catalog).await?,
                _ => self.write_batch(batch).await?,
            }
            written(batch.len());
        }
        Ok(())
    }

    /// Records what became of one application's build with a customization, over what was
    /// recorded before.
    ///
    /// # Errors
    ///
    /// [`RecordError`]
    pub async fn record_build(
        &self,
        catalog_id: &Id,
        customization_id: CustomizationId,
        result: &BuildResult,
    ) -> Result<(), RecordError> {
        let gone =
            || RecordError::NoCustomization { catalog_id: catalog_id.clone(), customization_id };
        let customization: Customization =
            self.get(&Key::customization(catalog_id, customization_id)).await?.ok_or_else(gone)?;
        let affected =
            self.applications(catalog_id, customization.filter.as_ref(), usize::MAX).await?;
        if !affected.iter().any(|application| application.application_id == result.application_id) {
            return Err(RecordError::NotAffected(result.application_id.clone()));
        }
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item::build_result(customization_id, result)?))
            .build()
            .map_err(|error| refused("record build", error))?;
        let exists = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(Key::customization(catalog_id, customization_id).attributes()))
            .condition_expression("attribute_exists(PK)")
            .build()
            .map_err(|error| refused("record build", error))?;
        let actions = [
            TransactWriteItem::builder().condition_check(exists).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        match self.transact("record build", &actions).await? {
            Verdict::Written => Ok(()),
            Verdict::ConditionFailed { .. } => Err(gone()),
        }
    }

    /// Moves a customization to `status`, on behalf of `user`.
    ///
    /// # Errors
    ///
    /// [`RecordError`]
    pub async fn set_status(
        &self,
        catalog_id: &Id,
        customization_id: CustomizationId,
        status: &CustomizationStatus,
        user: &str,
    ) -> Result<(), RecordError> {
        let mut update = "SET #status = :status, updated_by = :user, updated_at = :now".to_owned();
        if *status == CustomizationStatus::DELETED {
            update += ", removed_by = if_not_exists(removed_by, :user), \
                       removed_at = if_not_exists(removed_at, :now)";
        }
        let send = || {
            self.client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(Key::customization(catalog_id, customization_id).attributes()))
                .condition_expression("attribute_exists(PK)")
                .update_expression(&update)
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", text(status.as_str()))
                .expression_attribute_values(":user", text(user))
                .expression_attribute_values(":now", text(Timestamp::now().to_string()))
                .send()
        };
        let Err(error) = past_conflicts(send).await else { return Ok(()) };
        let service_error = error.as_service_error();
        if service_error.is_some_and(UpdateItemError::is_conditional_check_failed_exception) {
            return Err(RecordError::NoCustomization {
                catalog_id: catalog_id.clone(),
                customization_id,
            });
        }
        Err(StoreError::new("set status", error).into())
    }

    async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::new("get item", error))?;
        output.item.map(item::read).transpose()
    }

    /// The items of a partition whose sort keys begin with `prefix`.
    fn below(&self, partition: String, prefix: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            // What was imported or recorded a moment ago counts.
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(partition))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix))
    }

    /// The applications that `filter` matches: by their keys' prefix, and by what the prefix
    /// cannot tell.
    fn matching(&self, catalog_id: &Id, filter: Option<&Filter>) -> QueryFluentBuilder {
        let query =
            self.below(item::catalog_partition(catalog_id), item::applications_prefix(filter));
        match filter {
            Some(filter) if filter.branch().is_none() => match filter.base_image_id() {
                Some(base_image_id) => query
                    .filter_expression("base_image_id = :base_image_id")
                    .expression_attribute_values(":base_image_id", text(base_image_id.as_str())),
                None => query,
            },
            _ => query,
        }
    }

    /// The items at `keys`, at most [`READ_BATCH`] of them, as far as there are any.
    async fn get_batch(
        &self,
        keys: &[Key],
        consistent: bool,
    ) -> Result<HashMap<Key, Item>, StoreError> {
        const OPERATION: &str = "batch get items";
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(Key::attributes).collect()))
            .consistent_read(consistent)
            .build()
            .map_err(|error| refused(OPERATION, error))?;
        let mut unprocessed = HashMap::from([(self.name.clone(), keys)]);
        let mut found = HashMap::new();
        let mut backoff = Backoff::new();
        loop {
            let output = self
                .client
                .batch_get_item()
                .set_request_items(Some(unprocessed))
                .send()
                .await
                .map_err(|error| StoreError::new(OPERATION, error))?;
            let items = output.responses.unwrap_or_default().into_values().flatten();
            found.extend(items.map(|item| (Key::of(&item), item)));
            unprocessed = output.unprocessed_keys.unwrap_or_default();
            if unprocessed.is_empty() {
                return Ok(found);
            }
            if !backoff.next().await {
                return Err(unprocessed_remain(OPERATION));
            }
        }
    }

    /// Writes a catalog, unless it is another organization's: of two imports at once, both may have
    /// found that there is none.
    async fn write_catalog(&self, catalog: &Catalog) -> Result<(), WriteError> {
        let item = item::write(&Key::catalog(&catalog.id), catalog)?;
        let send = || {
            self.client
                .put_item()
                .table_name(&self.name)
                .set_item(Some(item.clone()))
                .condition_expression("attribute_not_exists(PK) OR org_id = :org_id")
                .expression_attribute_values(":org_id", text(catalog.org_id.as_str()))
                .send()
        };
        let Err(error) = past_conflicts(send).await else { return Ok(()) };
        let service_error = error.as_service_error();
        if service_error.is_some_and(PutItemError::is_conditional_check_failed_exception) {
            return Err(WriteError::CatalogTaken(catalog.id.clone()));
        }
        Err(StoreError::new("put catalog", error).into())
    }

    async fn write_batch(&self, records: &[Record]) -> Result<(), StoreError> {
        const OPERATION: &str = "batch write items";
        let mut requests = Vec::with_capacity(records.len());
        for record in records {
            let put = PutRequest::builder().set_item(Some(record.to_item()?)).build();
            let put = put.map_err(|error| refused(OPERATION, error))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let mut unprocessed = HashMap::from([(self.name.clone(), requests)]);
        let mut backoff = Backoff::new();
        loop {
            let outcome = self
                .client
                .batch_write_item()
                .set_request_items(Some(unprocessed.clone()))
                .send()
                .await;
            match outcome {
                Ok(output) => unprocessed = output.unprocessed_items.unwrap_or_default(),
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(StoreError::new(OPERATION, error)),
            }
            if unprocessed.is_empty() {
                return Ok(());
            }
            if !backoff.next().await {
                return Err(unprocessed_remain(OPERATION));
            }
        }
    }

    /// Does all of `actions` or none; again where another transaction stands in the way.
    async fn transact(
        &self,
        operation: &'static str,
        actions: &[TransactWriteItem],
    ) -> Result<Verdict, StoreError> {
        let mut backoff = Backoff::new();
        loop {
            // Each call has a token of the SDK's, by which its attempts count as one.
            let outcome = self
                .client
                .transact_write_items()
                .set_transact_items(Some(actions.to_vec()))
                .send()
                .await;
            let Err(error) = outcome else { return Ok(Verdict::Written) };
            let reasons = cancellation_reasons(&error);
            if let Some((action, reason)) = failed_condition(reasons) {
                return Ok(Verdict::ConditionFailed {
                    action,
                    item: reason.item.clone().unwrap_or_default(),
                });
            }
            let passes = is_conflict(&error) || (!reasons.is_empty() && reasons.iter().all(passes));
            if !passes {
                return Err(StoreError::new(operation, error));
            }
            if !backoff.next().await {
                return Err(StoreError::Unavailable { operation, source: error.into() });
            }
        }
    }
}

/// What came of a transaction.
enum Verdict {
    Written,
    /// Nothing is written, for the condition of this action is not met.
    ConditionFailed {
        action: usize,
        /// The item that did not meet it, if the action asks for it and there is one.
        item: Item,
    },
}

/// Why each action of a transaction was cancelled, if it was.
fn cancellation_reasons(error: &SdkError<TransactWriteItemsError>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

/// The first action whose condition is not met.
fn failed_condition(reasons: &[CancellationReason]) -> Option<(usize, &CancellationReason)> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    reasons.iter().enumerate().find(|(_, reason)| failed(reason))
}

/// Whether an action that was cancelled so may pass at the next attempt.
fn passes(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        None | Some(
            "None" | "ProvisionedThroughputExceeded" | "ThrottlingError" | "TransactionConflict"
        )
    )
}

/// Whether a transaction at work stands in the way.
fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some(TRANSACTION_CONFLICT)
}

/// What comes of `send`, done again as long as a transaction at work stands in the way.
async fn past_conflicts<T, E, F>(send: impl Fn() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut backoff = Backoff::new();
    loop {
        match send().await {
            Err(error) if is_conflict(&error) && backoff.next().await => {}
            outcome => return outcome,
        }
    }
}

/// Whether two items are the record of one and the same create: by what never changes in it.
fn is_same(one: &Item, other: &Item) -> bool {
    ["PK", "SK", "artifact", "created_by", "created_at"]
        .iter()
        .all(|&name| one.contains_key(name) && one.get(name) == other.get(name))
}

/// The first `most` records that `query` finds, page after page.
async fn pages<T: DeserializeOwned>(
    operation: &'static str,
    query: QueryFluentBuilder,
    most: usize,
) -> Result<Vec<T>, StoreError> {
    let mut records = Vec::new();
    let mut pages = query.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| StoreError::new(operation, error))?;
        for item in page.items.unwrap_or_default() {
            if records.len() == most {
                return Ok(records);
            }
            records.push(item::read(item)?);
        }
    }
    Ok(records)
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn refused(operation: &'static str, cause: impl Into<Cause>) -> StoreError {
    StoreError::Refused { operation, source: cause.into() }
}

fn unprocessed_remain(operation: &'static str) -> StoreError {
    let source = "some of it was left undone at every attempt".into();
    StoreError::Unavailable { operation, source }
}
