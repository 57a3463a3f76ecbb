//! The whole stack, one for each test, and what its stores hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, stream};
use local::{
    build::{Binaries, Profile},
    catalog::{self, Catalogs},
    csp::Token,
    function::{FunctionLimits, FunctionName},
    stack::{Options, Reservation, Stack},
    stores::{BUCKET, TABLE},
};
use serde_json::Value;
use shared::{domain::Digest, storage::Table};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{
    api::{Answer, Api},
    iam::Permission,
    proxy::Proxy,
};

pub use local::catalog::SAMPLE_CATALOG;

/// A base image that the sample has.
pub const DEBIAN: &str = "549cfa79-352c-4555-9d28-4442de551829";

/// An application of the sample catalog: branch 2 of `apache_kafka` on [`DEBIAN`].
pub const KAFKA_ON_DEBIAN: &str = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a01";

/// The registry that the sample has.
pub const REGISTRY: &str = "0f5d1a86-2e04-4c55-9d5f-6c1b6f2f7a10";

/// The sample's catalog of [another organization](OTHER_ORGANIZATION).
pub const OTHER_CATALOG: &str = "351c1739-ca01-4a74-8124-1b99257cd7c9";

/// The organization that [`OTHER_CATALOG`] belongs to.
pub const OTHER_ORGANIZATION: &str = "5e0f1b7a-9c1d-4f0e-8a55-7d1c3b2a4f60";

/// What might be a customization, and is none.
pub const NOBODYS_CUSTOMIZATION: &str = "0192d3a4-5b6c-7def-8123-456789abcdef";

/// Nobody listens there.
pub const NOWHERE: &str = "http://127.0.0.1:1";

/// The functions, built once for all tests.
pub async fn binaries() -> Binaries {
    static BINARIES: OnceCell<Binaries> = OnceCell::const_new();
    let build = || async { Binaries::build(Profile::Debug).await.expect("the functions build") };
    BINARIES.get_or_init(build).await.clone()
}

/// A stack of a test's own; it ends with the test.
#[derive(Debug)]
pub struct TestStack {
    stack: Stack,
    directory: TempDir,
}

/// Everything in the stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The table's items, by partition and sort key.
    pub items: BTreeMap<(String, String), Item>,
    /// Digests of the bucket's objects, by key.
    pub objects: BTreeMap<String, Digest>,
}

/// An item's attributes.
pub type Item = BTreeMap<String, AttributeValue>;

impl Contents {
    /// The records of a catalog's customizations, by their identifiers.
    pub fn customizations(&self, catalog: &str) -> BTreeMap<&str, &Item> {
        self.below(catalog, "CUSTOMIZATION#")
    }

    /// The idempotency records of a catalog, by the hashes of their keys.
    pub fn idempotency_records(&self, catalog: &str) -> BTreeMap<&str, &Item> {
        self.below(catalog, "IDEMPOTENCY#")
    }

    fn below(&self, catalog: &str, prefix: &str) -> BTreeMap<&str, &Item> {
        let partition = format!("CUSTOMIZATIONS#{catalog}");
        let items = self.items.iter().filter(|((pk, _), _)| *pk == partition);
        items.filter_map(|((_, sk), item)| Some((sk.strip_prefix(prefix)?, item))).collect()
    }

    /// Asserts what holds whatever has failed: the bytes of each record are there and have its
    /// digest, and each idempotency key has one customization, which no other has.
    pub fn assert_whole(&self) {
        let catalogs = self.items.keys().filter(|(_, sk)| sk == "CATALOG");
        for catalog in catalogs.filter_map(|(pk, _)| pk.strip_prefix("CATALOG#")) {
            let customizations = self.customizations(catalog);
            for (id, record) in &customizations {
                assert_eq!(record["id"].as_s().unwrap(), id);
                let digest = text(&record["artifact"], "id");
                let stored = self.objects.get(&format!("{catalog}/{digest}"));
                let stored = stored.map(ToString::to_string);
                assert_eq!(stored.as_deref(), Some(digest), "the bytes of {id}");
            }
            let mut answered = BTreeSet::new();
            for (key, record) in self.idempotency_records(catalog) {
                let id = text(&record["customization"], "id");
                assert!(customizations.contains_key(id), "{key} is for {id}, which is not there");
                assert!(answered.insert(id), "{id} has two keys");
            }
        }
    }
}

/// The text in the field `name` of a map.
fn text<'a>(map: &'a AttributeValue, name: &str) -> &'a str {
    map.as_m().expect("a map")[name].as_s().expect("a text")
}

impl TestStack {
    /// A new stack with the sample catalog.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new stack whose functions have these variables changed; none takes one out.
    pub async fn start_with(environment: &[(&str, Option<&str>)]) -> Self {
        Self::start_within(FunctionLimits::AWS, environment).await
    }

    /// A new stack with other limits, whose functions have these variables changed.
    pub async fn start_within(
        limits: FunctionLimits,
        environment: &[(&str, Option<&str>)],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stack = Self::run(directory.path(), limits, environment).await;
        Self { stack, directory }
    }

    /// A stack on what another one has left in its [directory](Self::directory).
    pub async fn start_on(directory: TempDir) -> Self {
        let stack = Self::run(directory.path(), FunctionLimits::AWS, &[]).await;
        Self { stack, directory }
    }

    async fn run(
        directory: &Path,
        limits: FunctionLimits,
        environment: &[(&str, Option<&str>)],
    ) -> Stack {
        let binaries = binaries().await;
        let data_dir = directory.join("data");
        let reservation = Reservation::new(0, &data_dir).await.expect("a free port");
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        let catalogs = Catalogs::read(&catalog::sample()).expect("the sample is read");
        let options =
            Options { environment, function_limits: limits, ..Options::new(binaries, catalogs) };
        Stack::start(reservation, options).await.expect("the stack starts")
    }

    /// The same stack, stopped and started again on the same data.
    pub async fn restart(self) -> Self {
        let Self { stack, directory } = self;
        stack.stop().await;
        Self::start_on(directory).await
    }

    /// Where the gateway is.
    pub fn base_url(&self) -> String {
        self.stack.base_url()
    }

    /// A directory that is the test's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The stack itself.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// A caller of the sample catalog's organization who may do everything.
    pub fn api(&self) -> Api {
        self.api_with(Token::default())
    }

    /// A caller with another token.
    pub fn api_with(&self, token: Token) -> Api {
        Api::new(self.base_url(), token)
    }

    /// The table.
    pub fn table(&self) -> Table {
        self.stack.stores().table()
    }

    /// What a function has written since the stack was started.
    pub fn log(&self, function: FunctionName) -> String {
        fs::read_to_string(self.stack.log(function)).expect("a log is text")
    }

    /// The one line that the functions have written of the request that was answered so.
    pub fn line_of(&self, answer: &Answer) -> Value {
        let id = answer.header("x-amzn-requestid");
        let log = FunctionName::ALL.map(|function| self.log(function)).concat();
        let lines = log.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
        // Whatever else was logged on the request's way bears its identifier, too.
        let of_request = |line: &Value| line["request_id"] == id && line["status"].is_u64();
        let mut lines: Vec<_> = lines.filter(of_request).collect();
        assert_eq!(lines.len(), 1, "{lines:?} of the request {id}");
        lines.remove(0)
    }

    /// Why the request that was answered so failed, as its [line](Self::line_of) says.
    pub fn cause_of(&self, answer: &Answer) -> String {
        self.line_of(answer)["cause"].as_str().expect("a failure has a cause").to_owned()
    }

    /// What the stores hold now.
    pub async fn contents(&self) -> Contents {
        let mut pages = self.dynamodb().scan().table_name(TABLE).into_paginator().items().send();
        let mut items = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.expect("the table can be read");
            let text = |name: &str| item[name].as_s().expect("a key is a string").clone();
            items.insert((text("PK"), text("SK")), item.into_iter().collect());
        }
        Contents { items, objects: self.objects().await }
    }

    /// Downloads every object of the bucket, for the digest of its bytes.
    async fn objects(&self) -> BTreeMap<String, Digest> {
        const CONCURRENT_DOWNLOADS: usize = 8;

        let s3 = self.stack.stores().s3_client();
        let mut pages = s3.list_objects_v2().bucket(BUCKET).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("the bucket can be listed");
            keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        let downloads = keys.into_iter().map(async |key: String| {
            let object = s3.get_object().bucket(BUCKET).key(&key).send().await.unwrap();
            (key, Digest::of(&object.body.collect().await.unwrap().into_bytes()))
        });
        stream::iter(downloads).buffer_unordered(CONCURRENT_DOWNLOADS).collect().await
    }

    /// Changes one attribute of an item, making the item if there is none.
    pub async fn set(&self, (pk, sk): (&str, &str), name: &str, value: AttributeValue) {
        let key = |key: &str| AttributeValue::S(key.to_owned());
        let update = self.dynamodb().update_item().table_name(TABLE);
        let update = update.key("PK", key(pk)).key("SK", key(sk));
        let update = update.update_expression("SET #name = :value");
        let update = update.expression_attribute_names("#name", name);
        let update = update.expression_attribute_values(":value", value);
        update.send().await.expect("the table can be written");
    }

    /// A client of the table's store.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.stack.stores().dynamodb_client()
    }
}

/// A stack whose functions reach its stores by way of proxies, which see what is asked, once it has
/// started: to the requests of their start, nobody answers.
#[derive(Debug)]
pub struct ProxiedStack {
    /// The stack.
    pub stack: TestStack,
    /// Before its table.
    pub dynamodb: Proxy,
    /// Before its bucket.
    pub s3: Proxy,
}

impl ProxiedStack {
    /// A new stack with the sample catalog, and these limits.
    pub async fn start(limits: FunctionLimits) -> Self {
        // Where the stores are is known once they run, and the functions then run, too.
        let dynamodb = Proxy::start(String::new()).await;
        let s3 = Proxy::start(String::new()).await;
        let environment = [
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
            ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
        ];
        let stack = TestStack::start_within(limits, &environment).await;
        dynamodb.set_endpoint(stack.stack().stores().dynamodb_endpoint());
        s3.set_endpoint(stack.stack().stores().s3_endpoint());
        Self { stack, dynamodb, s3 }
    }

    /// What IAM must allow for what was asked of the stores since the last call.
    pub fn needed(&self) -> BTreeSet<Permission> {
        self.dynamodb.needed().into_iter().chain(self.s3.needed()).collect()
    }
}
