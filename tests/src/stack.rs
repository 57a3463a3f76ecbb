//! A complete stack for each test, and the content of its stores.
//!
//! The stack consists of the embedded stores, the real function binaries and the gateway. It ends
//! with the test:
//!
//! ```no_run
//! use tests::{
//!     form::Form,
//!     stack::{SAMPLE_CATALOG, TestStack},
//! };
//!
//! # async fn example() {
//! let stack = TestStack::start().await;
//! let id = stack.api().create(Form::kafka()).await.id();
//! let contents = stack.contents().await;
//! contents.assert_consistent();
//! assert!(contents.customizations(SAMPLE_CATALOG).contains_key(&*id));
//! # }
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use admin::pipeline::Target;
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
use shared::{
    domain::{Customization, CustomizationId, Digest},
    storage::{self, Customizations, Key, Table},
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{
    api::{Api, Response},
    iam::Permission,
    proxy::Proxy,
};

pub use local::catalog::SAMPLE_CATALOG;

/// A base image of the sample catalog: Debian 11.
pub const DEBIAN: &str = "549cfa79-352c-4555-9d28-4442de551829";

/// An application of the sample catalog: branch 2 of `apache_kafka` on [`DEBIAN`].
pub const KAFKA_ON_DEBIAN: &str = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a01";

/// The registry of the sample catalog.
pub const REGISTRY: &str = "0f5d1a86-2e04-4c55-9d5f-6c1b6f2f7a10";

/// A catalog of [another organization](OTHER_ORGANIZATION) in the sample.
pub const OTHER_CATALOG: &str = "351c1739-ca01-4a74-8124-1b99257cd7c9";

/// The owner of [`OTHER_CATALOG`].
pub const OTHER_ORGANIZATION: &str = "5e0f1b7a-9c1d-4f0e-8a55-7d1c3b2a4f60";

/// A valid customization identifier that no catalog has.
pub const MISSING_CUSTOMIZATION: &str = "0192d3a4-5b6c-7def-8123-456789abcdef";

/// An endpoint that refuses connections.
pub const UNREACHABLE_ENDPOINT: &str = "http://127.0.0.1:1";

/// The current version of a customization of the sample catalog, as the target of a report.
pub fn target(customization_id: &str) -> Target {
    Target {
        catalog_id: SAMPLE_CATALOG.parse().expect("the identifier is valid"),
        customization_id: customization_id.parse().expect("the identifier is valid"),
        version: None,
    }
}

/// The functions, built once for all tests.
pub async fn binaries() -> Binaries {
    static BINARIES: OnceCell<Binaries> = OnceCell::const_new();
    let build = || async { Binaries::build(Profile::Debug).await.expect("the functions build") };
    BINARIES.get_or_init(build).await.clone()
}

/// A stack for one test. Dropping it stops the stack and removes its data.
#[derive(Debug)]
pub struct TestStack {
    stack: Stack,
    directory: TempDir,
}

/// The content of both stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The table's items by partition key and sort key.
    pub items: BTreeMap<(String, String), Item>,
    /// The digests of the bucket's objects by key.
    pub objects: BTreeMap<String, Digest>,
}

/// The attributes of an item by name.
pub type Item = BTreeMap<String, AttributeValue>;

impl Contents {
    /// The customizations of a catalog by identifier.
    pub fn customizations(&self, catalog: &str) -> BTreeMap<&str, &Item> {
        self.with_prefix(catalog, "CUSTOMIZATION#")
    }

    /// The earlier versions of a catalog's customizations, by identifier and number.
    pub fn earlier_versions(&self, catalog: &str) -> BTreeMap<&str, &Item> {
        self.with_prefix(catalog, "VERSION#")
    }

    /// The idempotency records of a catalog by the hash of user and key.
    pub fn idempotency_records(&self, catalog: &str) -> BTreeMap<&str, &Item> {
        self.with_prefix(catalog, "IDEMPOTENCY#")
    }

    fn with_prefix(&self, catalog: &str, prefix: &str) -> BTreeMap<&str, &Item> {
        let partition = format!("CUSTOMIZATIONS#{catalog}");
        let items = self.items.iter().filter(|((pk, _), _)| *pk == partition);
        items.filter_map(|((_, sk), item)| Some((sk.strip_prefix(prefix)?, item))).collect()
    }

    /// Asserts the invariants that hold after any fault:
    ///
    /// - The file of each version of each customization is stored and has the recorded digest.
    /// - A customization has exactly the versions from the first to the current one.
    /// - The customization of each idempotency record of a create exists.
    /// - No two idempotency records have the same customization.
    pub fn assert_consistent(&self) {
        let catalogs = self.items.keys().filter(|(_, sk)| sk == "CATALOG");
        for catalog in catalogs.filter_map(|(pk, _)| pk.strip_prefix("CATALOG#")) {
            let customizations = self.customizations(catalog);
            let mut earlier_versions = self.earlier_versions(catalog);
            for (id, record) in &customizations {
                assert_eq!(record["id"].as_s().unwrap(), id);
                self.assert_stored(catalog, record);
                let version = record["version"].as_s().unwrap();
                let current: u32 = version.strip_prefix('v').unwrap().parse().unwrap();
                for number in 1..current {
                    let key = format!("{id}#{number:010}");
                    let earlier = earlier_versions.remove(&*key).expect("an earlier version");
                    assert_eq!(earlier["version"].as_s().unwrap(), &format!("v{number}"));
                    self.assert_stored(catalog, earlier);
                }
            }
            assert_eq!(earlier_versions, BTreeMap::new(), "no version past the current one");
            let mut ids = BTreeSet::new();
            for (key, record) in self.idempotency_records(catalog) {
                let Some(customization) = record.get("customization") else { continue };
                let id = text(customization, "id");
                assert!(customizations.contains_key(id), "{id} of record {key} does not exist");
                assert!(ids.insert(id), "{id} has two idempotency records");
            }
        }
    }
}

impl Contents {
    /// Asserts that the file of a version is stored and has the recorded digest.
    fn assert_stored(&self, catalog: &str, version: &Item) {
        let digest = text(&version["artifact"], "id");
        let stored = self.objects.get(&format!("{catalog}/{digest}")).map(ToString::to_string);
        assert_eq!(stored.as_deref(), Some(digest), "the file of {version:?}");
    }
}

/// The text of the member `name` of a map.
fn text<'a>(map: &'a AttributeValue, name: &str) -> &'a str {
    map.as_m().expect("a map")[name].as_s().expect("a text")
}

impl TestStack {
    /// Starts a stack with the sample catalog.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a stack and changes environment variables of its functions. `None` removes one.
    pub async fn start_with(environment: &[(&str, Option<&str>)]) -> Self {
        Self::start_with_limits(FunctionLimits::AWS, environment).await
    }

    /// Starts a stack with other limits, and changes environment variables of its functions.
    pub async fn start_with_limits(
        limits: FunctionLimits,
        environment: &[(&str, Option<&str>)],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stack = Self::run(directory.path(), limits, environment).await;
        Self { stack, directory }
    }

    /// Starts a stack on the data in the [directory](Self::directory) of an earlier stack.
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
        let catalogs = Catalogs::read(&catalog::sample()).expect("the sample is valid");
        let options =
            Options { environment, function_limits: limits, ..Options::new(binaries, catalogs) };
        Stack::start(reservation, options).await.expect("the stack starts")
    }

    /// Restarts the stack on the same data.
    pub async fn restart(self) -> Self {
        let Self { stack, directory } = self;
        stack.stop().await;
        Self::start_on(directory).await
    }

    /// The URL of the gateway.
    pub fn base_url(&self) -> String {
        self.stack.base_url()
    }

    /// The temporary directory of the test. The stack keeps its data in it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The stack as the crate `local` starts it.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// A client with every permission in the sample catalog's organization.
    pub fn api(&self) -> Api {
        self.api_with(Token::default())
    }

    /// A client with this token.
    pub fn api_with(&self, token: Token) -> Api {
        Api::new(self.base_url(), token)
    }

    /// The table, for the operator's functions of the crate `admin`.
    pub fn table(&self) -> Table {
        self.stack.stores().table()
    }

    /// The log of a function since the start of the stack.
    pub fn log(&self, function: FunctionName) -> String {
        fs::read_to_string(self.stack.log(function)).expect("the log is UTF-8")
    }

    /// The log line of the request with this response. Asserts that there is exactly one.
    pub fn log_line_of(&self, response: &Response) -> Value {
        let id = response.header("x-amzn-requestid");
        let log = FunctionName::ALL.map(|function| self.log(function)).concat();
        let lines = log.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
        // Spans and warnings of the request have its identifier too, but no status.
        let is_request_line = |line: &Value| line["request_id"] == id && line["status"].is_u64();
        let mut lines: Vec<_> = lines.filter(is_request_line).collect();
        assert_eq!(lines.len(), 1, "{lines:?} of the request {id}");
        lines.remove(0)
    }

    /// The cause in the [log line](Self::log_line_of) of the request with this response.
    pub fn logged_cause_of(&self, response: &Response) -> String {
        self.log_line_of(response)["cause"].as_str().expect("the line has a cause").to_owned()
    }

    /// Reads both stores completely.
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

    /// Downloads every object to compute its digest.
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

    /// Sets one attribute of an item. Creates the item if it does not exist.
    pub async fn set_attribute(&self, (pk, sk): (&str, &str), name: &str, value: AttributeValue) {
        let key = |key: &str| AttributeValue::S(key.to_owned());
        let update = self.dynamodb().update_item().table_name(TABLE);
        let update = update.key("PK", key(pk)).key("SK", key(sk));
        let update = update.update_expression("SET #name = :value");
        let update = update.expression_attribute_names("#name", name);
        let update = update.expression_attribute_values(":value", value);
        update.send().await.expect("the table can be written");
    }

    /// Writes copies of a customization of the sample catalog, newer than all others. Returns the
    /// identifiers of the copies, oldest first.
    pub async fn copy_customization(&self, id: &str, copies: usize) -> Vec<CustomizationId> {
        let (table, target) = (self.table(), target(id));
        let customizations = Customizations::new(table.clone());
        let stored = customizations.find(&target.catalog_id, target.customization_id).await;
        let original = stored.expect("the table can be read").expect("it exists").customization;
        let ids: Vec<_> = (0..copies).map(|_| CustomizationId::generate()).collect();
        let items = ids.iter().map(|id| {
            let copy = Customization { id: *id, ..original.clone() };
            let key = Key::customization(&copy.catalog_id, copy.id);
            storage::to_item(&key, &copy).expect("a customization is an item")
        });
        table.write_batch(items.collect()).await.expect("the table can be written");
        ids
    }

    /// A client of the embedded DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.stack.stores().dynamodb_client()
    }
}

/// A stack with a [`Proxy`] between its functions and each store.
///
/// The proxies have no endpoint until the stack has started, so the requests of the functions'
/// cold start fail.
#[derive(Debug)]
pub struct ProxiedStack {
    /// The stack.
    pub stack: TestStack,
    /// The proxy of the table.
    pub dynamodb: Proxy,
    /// The proxy of the bucket.
    pub s3: Proxy,
}

impl ProxiedStack {
    /// Starts a stack with the sample catalog and these limits.
    pub async fn start(limits: FunctionLimits) -> Self {
        // The functions start together with the stores, before the stores' endpoints are known.
        let dynamodb = Proxy::start(String::new()).await;
        let s3 = Proxy::start(String::new()).await;
        let environment = [
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
            ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
        ];
        let stack = TestStack::start_with_limits(limits, &environment).await;
        dynamodb.set_endpoint(stack.stack().stores().dynamodb_endpoint());
        s3.set_endpoint(stack.stack().stores().s3_endpoint());
        Self { stack, dynamodb, s3 }
    }

    /// The IAM permissions that the requests to both stores since the last call require.
    pub fn take_permissions(&self) -> BTreeSet<Permission> {
        self.dynamodb.take_permissions().into_iter().chain(self.s3.take_permissions()).collect()
    }
}
