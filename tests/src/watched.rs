//! A stack whose functions reach their stores through proxies, which see what is asked.

use std::collections::BTreeSet;

use crate::{proxy::Proxy, stack::TestStack};

/// A stack, and the proxies behind its functions.
#[derive(Debug)]
pub struct Watched {
    /// The functions and the gateway; its own stores stay unused.
    pub stack: TestStack,
    /// What the functions take for DynamoDB.
    pub dynamodb: Proxy,
    /// What the functions take for S3.
    pub s3: Proxy,
    /// Whose stores are behind the proxies.
    pub stores: TestStack,
}

impl Watched {
    /// A new stack with the sample catalog.
    pub async fn start() -> Self {
        let stores = TestStack::start().await;
        let dynamodb = Proxy::before(stores.stack().stores().dynamodb_endpoint()).await;
        let s3 = Proxy::before(stores.stack().stores().s3_endpoint()).await;
        let stack = TestStack::start_with(&[
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
            ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
        ])
        .await;
        Self { stack, dynamodb, s3, stores }
    }

    /// The IAM actions that what was asked of the stores since the last call needs.
    pub fn needed(&self) -> BTreeSet<String> {
        self.dynamodb.needed().into_iter().chain(self.s3.needed()).collect()
    }
}
