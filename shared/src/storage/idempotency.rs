//! Idempotency records: the responses to requests with an `Idempotency-Key`, stored for 24 hours. A
//! retry of a request gets the same response and changes nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    error::StorageError,
    item::{self, Key},
    table::{Action, Condition, Table},
};
use crate::domain::{Customization, Digest, Id};

/// The lifetime of a record.
const LIFETIME: Duration = Duration::from_hours(24);

/// The hash of a user and an idempotency key. The key itself is not stored, and the users of a
/// catalog do not share keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(Digest);

impl IdempotencyKey {
    /// Hashes the key `key` of `user`.
    #[must_use]
    pub fn new(user: &str, key: &str) -> Self {
        // The length separates user and key: user `ab` with key `c` must have another hash than
        // user `a` with key `bc`.
        let user_bytes = u64::try_from(user.len()).unwrap_or(u64::MAX);
        let mut hash = Sha256::new();
        hash.update(user_bytes.to_be_bytes());
        hash.update(user);
        hash.update(key);
        Self(Digest::from_bytes(hash.finalize().into()))
    }
}

/// The response to a request with an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The digest of the operation and its fields. A request with the same key and another
    /// fingerprint is refused.
    pub fingerprint: Digest,
    /// The customization that the request created, in its first state. A request that changed a
    /// customization has none: its response has no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customization: Option<Customization>,
    /// The end of the record's lifetime, in seconds since 1970. DynamoDB deletes the record some
    /// time later.
    expires_at: u64,
}

impl IdempotencyRecord {
    /// Creates a record whose lifetime begins now.
    #[must_use]
    pub fn new(fingerprint: Digest, customization: Option<Customization>) -> Self {
        Self { fingerprint, customization, expires_at: now() + LIFETIME.as_secs() }
    }

    fn is_valid(&self) -> bool {
        self.expires_at > now()
    }
}

/// Idempotency records in the table.
#[derive(Clone, Debug)]
pub struct IdempotencyRecords {
    table: Table,
}

impl IdempotencyRecords {
    /// Uses `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Reads the record of `key`, unless its lifetime has ended.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn find(
        &self,
        catalog_id: &Id,
        key: IdempotencyKey,
    ) -> Result<Option<IdempotencyRecord>, StorageError> {
        let record: Option<IdempotencyRecord> =
            self.table.get(&Key::idempotency_record(catalog_id, key.0)).await?;
        Ok(record.filter(IdempotencyRecord::is_valid))
    }
}

/// The action that writes `record`, on condition that no valid record of `key` exists.
pub(super) fn put(
    catalog_id: &Id,
    key: IdempotencyKey,
    record: &IdempotencyRecord,
) -> Result<Action, StorageError> {
    let item = item::to_item(&Key::idempotency_record(catalog_id, key.0), record)?;
    let unused = Condition::new("attribute_not_exists(PK) OR expires_at <= :now");
    Ok(Action::Put(item, Some(unused.number(":now", now()))))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_do_not_share_idempotency_keys() {
        let keys = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")]
            .map(|(user, key)| IdempotencyKey::new(user, key));
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(index));
        }
    }
}
