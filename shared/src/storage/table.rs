//! The client of the DynamoDB table: single items, batches, paging, transactions, and retries of
//! the failures that the SDK does not retry.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        query::builders::QueryFluentBuilder, transact_write_items::TransactWriteItemsError,
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
    attempt_metrics::AttemptMetrics,
    backoff::Backoff,
    error::{StorageError, TRANSACTION_CONFLICT},
    item::{self, Item, Key},
};
use crate::metrics::Dependency;

/// DynamoDB's limit for the keys of one `BatchGetItem` request.
const MAX_BATCH_GET_KEYS: usize = 100;

/// DynamoDB's limit for the items of one `BatchWriteItem` request.
const MAX_BATCH_WRITE_ITEMS: usize = 25;

/// The consistency of a read. A strongly consistent read costs twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    /// Sees every write that has succeeded.
    Strong,
    /// May miss writes of the last second.
    Eventual,
}

/// A condition on an item, as a DynamoDB condition expression.
#[derive(Clone, Debug)]
pub struct Condition {
    expression: &'static str,
    values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// Creates a condition without values.
    #[must_use]
    pub fn new(expression: &'static str) -> Self {
        Self { expression, values: HashMap::new() }
    }

    /// Sets the value of the placeholder `name`, such as `:org_id`, to a string.
    #[must_use]
    pub fn string(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), AttributeValue::S(value.into()));
        self
    }

    /// Sets the value of the placeholder `name` to a number.
    #[must_use]
    pub fn number(mut self, name: &str, value: u64) -> Self {
        self.values.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }
}

/// An action of a transaction.
#[derive(Clone, Debug)]
pub enum Action {
    /// Writes an item, if the condition is met. Replaces an existing item with the same key.
    Put(Item, Option<Condition>),
    /// Checks a condition on an item that the transaction does not write.
    Check(Key, Condition),
}

/// The outcome of a transaction.
#[derive(Clone, Debug)]
pub enum TransactionOutcome {
    /// All actions succeeded.
    Written,
    /// Nothing was written, because the condition of an action failed.
    ConditionFailed {
        /// The index of the action.
        action: usize,
        /// For an [`Action::Put`], the existing item that does not meet the condition. Empty for
        /// other actions, or if no item exists.
        item: Item,
    },
}

/// The DynamoDB table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// Uses the table `name`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: String) -> Self {
        let interceptor = AttemptMetrics(Dependency::DynamoDb);
        let config = Builder::from(config).interceptor(interceptor).build();
        Self { client: Client::from_conf(config), name }
    }

    /// Reads the record at `key`, strongly consistent.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<T>, StorageError> {
        self.get_item(key).await?.map(item::from_item).transpose()
    }

    /// Reads the item at `key`, strongly consistent.
    pub(super) async fn get_item(&self, key: &Key) -> Result<Option<Item>, StorageError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StorageError::new("get item", error))?;
        Ok(output.item)
    }

    /// Reads the items at `keys`; those that do not exist are left out.
    pub(super) async fn get_batch(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<HashMap<Key, Item>, StorageError> {
        let batches = keys.chunks(MAX_BATCH_GET_KEYS);
        let batches = batches.map(|keys| self.get_one_batch(keys, consistency));
        Ok(try_join_all(batches).await?.into_iter().flatten().collect())
    }

    async fn get_one_batch(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<HashMap<Key, Item>, StorageError> {
        const OPERATION: &str = "batch get items";
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(Key::attributes).collect()))
            .consistent_read(consistency == Consistency::Strong)
            .build()
            .map_err(|error| StorageError::refused(OPERATION, error))?;
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
                .map_err(|error| StorageError::new(OPERATION, error))?;
            let items = output.responses.unwrap_or_default().into_values().flatten();
            found.extend(items.map(|item| (Key::of(&item), item)));
            unprocessed = output.unprocessed_keys.unwrap_or_default();
            if unprocessed.is_empty() {
                return Ok(found);
            }
            if !backoff.next().await {
                return Err(StorageError::unavailable(OPERATION, UNPROCESSED));
            }
        }
    }

    /// A strongly consistent query for the items of `partition` whose sort keys begin with
    /// `prefix`. It sees new imports and build results immediately.
    pub(super) fn query_prefix(&self, partition: String, prefix: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(partition))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix))
    }

    /// Reads all pages of `query`, or the first `limit` records.
    pub(super) async fn query_records<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        query: QueryFluentBuilder,
        limit: Option<usize>,
    ) -> Result<Vec<T>, StorageError> {
        let mut records = Vec::new();
        let mut pages = query.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StorageError::new(operation, error))?;
            for item in page.items.unwrap_or_default() {
                if limit.is_some_and(|limit| records.len() == limit) {
                    return Ok(records);
                }
                records.push(item::from_item(item)?);
            }
        }
        Ok(records)
    }

    /// Returns true if `query` matches any item. Counts only, so that no item is transferred.
    pub(super) async fn query_any(
        &self,
        operation: &'static str,
        query: QueryFluentBuilder,
    ) -> Result<bool, StorageError> {
        let mut pages = query.select(Select::Count).into_paginator().send();
        while let Some(page) = pages.next().await {
            if page.map_err(|error| StorageError::new(operation, error))?.count > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes `items` unconditionally, in batches that are not atomic.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; items that were already written stay in the table.
    pub async fn write_batch(&self, items: Vec<Item>) -> Result<(), StorageError> {
        const OPERATION: &str = "batch write items";
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| StorageError::refused(OPERATION, error))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for batch in requests.chunks(MAX_BATCH_WRITE_ITEMS) {
            let mut unprocessed = HashMap::from([(self.name.clone(), batch.to_vec())]);
            let mut backoff = Backoff::new();
            while !unprocessed.is_empty() {
                let result = self
                    .client
                    .batch_write_item()
                    .set_request_items(Some(unprocessed.clone()))
                    .send()
                    .await;
                match result {
                    Ok(output) => unprocessed = output.unprocessed_items.unwrap_or_default(),
                    Err(error) if is_conflict(&error) => {}
                    Err(error) => return Err(StorageError::new(OPERATION, error)),
                }
                if !unprocessed.is_empty() && !backoff.next().await {
                    return Err(StorageError::unavailable(OPERATION, UNPROCESSED));
                }
            }
        }
        Ok(())
    }

    /// Carries out all `actions` or none. Retries conflicts with other transactions.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; a failed condition is an outcome, not an error.
    pub async fn transact(
        &self,
        operation: &'static str,
        actions: &[Action],
    ) -> Result<TransactionOutcome, StorageError> {
        let actions: Result<Vec<_>, _> = actions.iter().map(|action| self.build(action)).collect();
        let actions = actions.map_err(|error| StorageError::refused(operation, error))?;
        let mut backoff = Backoff::new();
        loop {
            // The SDK sends a token with each call to make SDK retries idempotent.
            let result = self
                .client
                .transact_write_items()
                .set_transact_items(Some(actions.clone()))
                .send()
                .await;
            let Err(error) = result else { return Ok(TransactionOutcome::Written) };
            let reasons = cancellation_reasons(&error);
            if let Some((action, reason)) = failed_condition(reasons) {
                let item = reason.item.clone().unwrap_or_default();
                return Ok(TransactionOutcome::ConditionFailed { action, item });
            }
            let retryable =
                is_conflict(&error) || (!reasons.is_empty() && reasons.iter().all(is_retryable));
            if !retryable {
                return Err(StorageError::new(operation, error));
            }
            if !backoff.next().await {
                return Err(StorageError::unavailable(operation, error));
            }
        }
    }

    fn build(
        &self,
        action: &Action,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let builder = TransactWriteItem::builder();
        Ok(match action {
            Action::Put(item, condition) => {
                let condition = condition.as_ref();
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(item.clone()))
                    .set_condition_expression(condition.map(|it| it.expression.to_owned()))
                    .set_expression_attribute_values(condition.and_then(Condition::values))
                    .return_values_on_condition_check_failure(
                        ReturnValuesOnConditionCheckFailure::AllOld,
                    );
                builder.put(put.build()?).build()
            }
            Action::Check(key, condition) => {
                let check = ConditionCheck::builder()
                    .table_name(&self.name)
                    .set_key(Some(key.attributes()))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values());
                builder.condition_check(check.build()?).build()
            }
        })
    }
}

/// The error's cause if DynamoDB leaves keys or items unprocessed at every attempt.
const UNPROCESSED: &str = "some keys or items were left unprocessed at every attempt";

/// The reasons why a transaction was cancelled, one per action.
fn cancellation_reasons(error: &SdkError<TransactWriteItemsError>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

/// The first action whose condition failed.
fn failed_condition(reasons: &[CancellationReason]) -> Option<(usize, &CancellationReason)> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    reasons.iter().enumerate().find(|(_, reason)| failed(reason))
}

fn is_retryable(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        None | Some(
            "None" | "ProvisionedThroughputExceeded" | "ThrottlingError" | "TransactionConflict"
        )
    )
}

/// Returns true if another transaction is writing the same item.
fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some(TRANSACTION_CONFLICT)
}
