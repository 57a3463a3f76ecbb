//! Fault injection: every fault at every store call of every operation, once and always.
//!
//! All cases share one stack and run concurrently. Each case uses its own catalog, by which the
//! proxy recognizes its requests.
//!
//! `FAULT=TEXT` runs the cases whose labels contain the text, such as
//! `FAULT='CreateCustomization TransactWriteItems LoseResponse Once'`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::Arc,
    time::Duration,
};

use admin::records::{self, Record};
use archive_builder::Tarball;
use aws_sdk_dynamodb::types::AttributeValue;
use fastrand::Rng;
use http::Method;
use local::{catalog::SAMPLE_ORGANIZATION, function::FunctionLimits, stores::TABLE};
use serde_json::{Value, from_value, json};
use shared::{domain::Digest, routes::Operation};

use tests::{
    api::{Api, Problem, Response},
    form::Form,
    proxy::{
        Fault,
        Fault::{
            Cancel, Corrupt, Delay, Fail, FalseConflict, ForeignResponse, InvalidHttp,
            LoseResponse, Reset, ResetInRequest, ResetInResponse, Stall, Truncate, Unprocessed,
        },
        InjectedFault, RequestMatcher, Times,
    },
    stack::{Contents, ProxiedStack, REGISTRY, SAMPLE_CATALOG},
};
use tokio::sync::Semaphore;

/// The number of cases that run concurrently. Each function may have as many processes.
const CONCURRENT_CASES: usize = 32;

/// The response to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// 200, 201 or 204.
    Success,
    /// 503.
    Unavailable,
    /// 500.
    Internal,
}
use Outcome::{Internal, Success, Unavailable};

/// A fault, the outcome if it happens once, the outcome if it always happens, and the number of
/// attempts then.
type FaultRow = (Fault, Outcome, Outcome, usize);

/// Faults of any call: of the network, or of any store.
const ANY: &[FaultRow] = &[
    (Reset, Success, Unavailable, 3),
    (LoseResponse, Success, Unavailable, 3),
    // The SDK does not retry after a response that is not HTTP.
    (InvalidHttp, Unavailable, Unavailable, 1),
    (Delay(Duration::from_millis(200)), Success, Success, 1),
    (Stall, Success, Unavailable, 2),
];

const INCOMPLETE_RESPONSE: &[FaultRow] =
    &[(ResetInResponse, Success, Unavailable, 3), (Truncate, Success, Unavailable, 3)];

const DYNAMODB: &[FaultRow] = &[
    // The SDK does not retry after a response that is not JSON.
    (ForeignResponse, Unavailable, Unavailable, 1),
    (Fail(500, "InternalServerError"), Success, Unavailable, 3),
    (Fail(400, "ProvisionedThroughputExceededException"), Success, Unavailable, 3),
    (Fail(400, "RequestLimitExceeded"), Success, Unavailable, 3),
    (Fail(400, "ThrottlingException"), Success, Unavailable, 3),
    (Fail(400, "AccessDeniedException"), Internal, Internal, 1),
];

const BATCH: &[FaultRow] = &[(Unprocessed, Success, Unavailable, 6)];

const TRANSACTION: &[FaultRow] = &[
    (Fail(400, "TransactionInProgressException"), Success, Unavailable, 3),
    // The SDK does not retry these errors; the storage layer does.
    (Fail(400, "TransactionConflictException"), Success, Unavailable, 6),
    (Cancel(&["None", "TransactionConflict", "None"]), Success, Unavailable, 6),
    (Cancel(&["None", "None", "ThrottlingError"]), Success, Unavailable, 6),
    (Cancel(&["ProvisionedThroughputExceeded", "None", "None"]), Success, Unavailable, 6),
    (Cancel(&["ValidationError", "None", "None"]), Internal, Internal, 1),
    // The response to the first attempt is lost, and the second one conflicts with the first.
    (FalseConflict, Success, Unavailable, 6),
];

const S3: &[FaultRow] = &[
    (Fail(500, "InternalError"), Success, Unavailable, 3),
    (Fail(503, "SlowDown"), Success, Unavailable, 3),
    (Fail(403, "AccessDenied"), Internal, Internal, 1),
];

const UPLOAD: &[FaultRow] = &[
    (ResetInRequest, Success, Unavailable, 3),
    // A PUT succeeds by its status, 200 or 412; the body of the response does not matter.
    (ForeignResponse, Success, Success, 1),
    (ResetInResponse, Success, Success, 3),
    (Truncate, Success, Success, 3),
    (Fail(409, "ConditionalRequestConflict"), Success, Unavailable, 6),
    // S3 refuses the wrong checksum.
    (Corrupt, Internal, Internal, 1),
];

/// The response to the read of an uploaded file. It is checked while it arrives, so the SDK cannot
/// read it again.
const STREAM: &[FaultRow] =
    &[(ResetInResponse, Unavailable, Unavailable, 1), (Truncate, Unavailable, Unavailable, 1)];

/// Another file than the named one is noticed by its digest.
const FOREIGN_FILE: &[FaultRow] = &[(ForeignResponse, Unavailable, Unavailable, 1)];

/// The copy of an uploaded file, which has a longer timeout and so only one attempt if S3 hangs.
const COPY: &[FaultRow] = &[
    (Reset, Success, Unavailable, 3),
    (LoseResponse, Success, Unavailable, 3),
    (InvalidHttp, Unavailable, Unavailable, 1),
    (ForeignResponse, Unavailable, Unavailable, 1),
    (Delay(Duration::from_millis(200)), Success, Success, 1),
    (Stall, Unavailable, Unavailable, 1),
    // A repeated copy fails because the first one succeeded; the status alone says so.
    (ResetInResponse, Success, Success, 3),
    (Truncate, Success, Success, 3),
];

/// The text of the row of a read after a conflict with another write.
const REREAD: &str = "CUSTOMIZATION#";

/// The text of the row of a copy, which is a PUT like that of a form's file.
const OF_COPY: &str = "copy";

/// A store call: the API operation, the store operation, a text that distinguishes the call from
/// others of the same store operation, and its faults.
type StoreCall = (Operation, &'static str, &'static str, &'static [&'static [FaultRow]]);

const CALLS: &[StoreCall] = &[
    (
        Operation::CreateCustomization,
        "BatchGetItem",
        "CATALOG#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (
        Operation::CreateCustomization,
        "GetItem",
        "IDEMPOTENCY#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB],
    ),
    (
        Operation::CreateCustomization,
        "Query",
        "APPLICATION#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB],
    ),
    (Operation::CreateCustomization, "PUT", "", &[ANY, S3, UPLOAD]),
    // Of a file that was uploaded directly.
    (
        Operation::CreateCustomization,
        "GET",
        "/customizations/",
        &[ANY, INCOMPLETE_RESPONSE, S3, FOREIGN_FILE],
    ),
    (
        Operation::CreateCustomization,
        "GET",
        "/customization-uploads/",
        &[ANY, STREAM, S3, FOREIGN_FILE],
    ),
    (Operation::CreateCustomization, "PUT", OF_COPY, &[COPY, S3]),
    (
        Operation::CreateCustomization,
        "TransactWriteItems",
        "",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, TRANSACTION],
    ),
    (
        Operation::GetCustomization,
        "BatchGetItem",
        "CUSTOMIZATION#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (Operation::GetCustomization, "Query", "BUILD#", &[ANY, INCOMPLETE_RESPONSE, DYNAMODB]),
    (Operation::GetCustomization, "Query", "APPLICATION#", &[ANY, INCOMPLETE_RESPONSE, DYNAMODB]),
    (
        Operation::GetCustomization,
        "BatchGetItem",
        "PRODUCT#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (
        Operation::UpdateCustomization,
        "BatchGetItem",
        "CUSTOMIZATION#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (
        Operation::UpdateCustomization,
        "GetItem",
        "IDEMPOTENCY#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB],
    ),
    (Operation::UpdateCustomization, "PUT", "", &[ANY, S3, UPLOAD]),
    // Of a file that was uploaded directly.
    (
        Operation::UpdateCustomization,
        "GET",
        "/customizations/",
        &[ANY, INCOMPLETE_RESPONSE, S3, FOREIGN_FILE],
    ),
    (
        Operation::UpdateCustomization,
        "GET",
        "/customization-uploads/",
        &[ANY, STREAM, S3, FOREIGN_FILE],
    ),
    (Operation::UpdateCustomization, "PUT", OF_COPY, &[COPY, S3]),
    (Operation::UpdateCustomization, "GetItem", REREAD, &[ANY, INCOMPLETE_RESPONSE, DYNAMODB]),
    (
        Operation::UpdateCustomization,
        "TransactWriteItems",
        "",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, TRANSACTION],
    ),
    (
        Operation::RemoveCustomization,
        "BatchGetItem",
        "CUSTOMIZATION#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (
        Operation::RemoveCustomization,
        "TransactWriteItems",
        "",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, TRANSACTION],
    ),
    (Operation::RemoveCustomization, "GetItem", REREAD, &[ANY, INCOMPLETE_RESPONSE, DYNAMODB]),
    (
        Operation::StartUpload,
        "BatchGetItem",
        "CATALOG#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (Operation::StartUpload, "HEAD", "", &[ANY, INCOMPLETE_RESPONSE, S3]),
    (
        Operation::ListCustomizations,
        "BatchGetItem",
        "CATALOG#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (
        Operation::ListCustomizations,
        "Query",
        "CUSTOMIZATION#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB],
    ),
    (
        Operation::ListVersions,
        "BatchGetItem",
        "CUSTOMIZATION#",
        &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH],
    ),
    (Operation::ListVersions, "Query", "VERSION#", &[ANY, INCOMPLETE_RESPONSE, DYNAMODB]),
    (Operation::GetFile, "BatchGetItem", "CATALOG#", &[ANY, INCOMPLETE_RESPONSE, DYNAMODB, BATCH]),
    (Operation::GetFile, "HEAD", "", &[ANY, INCOMPLETE_RESPONSE, S3]),
];

#[derive(Clone, Debug)]
struct Case {
    /// Identifier of the case's catalog, product, base image and application.
    name: String,
    operation: Operation,
    call: &'static str,
    text: &'static str,
    fault: Fault,
    times: Times,
    outcome: Outcome,
    attempts: usize,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(operation, call, text, faults) in CALLS {
        for &(fault, once, always, attempts) in faults.iter().copied().flatten() {
            for (times, outcome, attempts) in
                [(Times::Once, once, 1), (Times::Always, always, attempts)]
            {
                let name = format!("case-{:04}", cases.len());
                let case = Case { name, operation, call, text, fault, times, outcome, attempts };
                cases.push(case);
            }
        }
    }
    cases
}

impl Case {
    /// The records that the case needs in the table.
    fn records(&self) -> [Record; 4] {
        let Self { name, .. } = self;
        let application = json!({
            "application_id": name, "product_key": name, "branch": "1", "base_image_id": name,
            "registry_id": REGISTRY,
            "latest_release": {
                "id": "r", "revision": "0", "version": "1", "released_at": "2023-03-03T00:59:52.762Z",
            },
        });
        let product = json!({"key": name, "name": "x"});
        let base_image = json!({"id": name, "name": "x"});
        let catalog = json!({"id": name, "org_id": SAMPLE_ORGANIZATION});
        [
            Record::Product(from_value(product).unwrap()),
            Record::BaseImage(from_value(base_image).unwrap()),
            Record::Catalog(from_value(catalog).unwrap()),
            Record::Application {
                catalog_id: name.parse().unwrap(),
                application: from_value(application).unwrap(),
            },
        ]
    }

    /// Returns true if the request of the case needs a direct upload.
    fn is_direct(&self) -> bool {
        self.call == "GET" || self.text == OF_COPY
    }

    /// The file of a version of the customization. Its bytes cannot be compressed, so that most of
    /// a response with it is its body.
    fn file(&self, version: &str) -> Vec<u8> {
        let mut bytes = vec![0; 4_000];
        Rng::with_seed(1).fill(&mut bytes);
        Tarball::new().file(version, self.name.as_bytes()).file("bytes", &bytes).gzip()
    }

    async fn send(&self, api: &Api, method: Method, path: &str, body: &Value) -> Response {
        let path = format!("/v1/catalogs/{}/{path}", self.name);
        let api = api.header("content-type", "application/json");
        api.send(method, &path, body.to_string().into_bytes()).await
    }

    /// Uploads the file of a version directly, if the case needs it.
    async fn upload(&self, api: &Api, version: &str) {
        if self.is_direct() {
            let file = self.file(version);
            let body = json!({"sha256": Digest::of(&file).to_string(), "size": file.len()});
            let started = self.send(api, Method::POST, "uploads", &body).await.json();
            assert_eq!(api.put_upload(&started["upload"], &file).await.status, 200);
        }
    }

    async fn create(&self, api: &Api) -> Response {
        let Self { name, .. } = self;
        let filter = json!({"product_key": name, "branch": "1", "base_image_id": name});
        let (api, file) = (api.header("idempotency-key", "the-key"), self.file("v1"));
        if self.is_direct() && self.operation == Operation::CreateCustomization {
            let sha256 = Digest::of(&file).to_string();
            let body = json!({"sha256": sha256, "filename": "certs.tar.gz", "filter": filter});
            return self.send(&api, Method::POST, "customizations", &body).await;
        }
        let form = Form::new().file("certs.tar.gz", &file).filter(filter);
        api.create_in(name, form).await
    }

    /// Makes a new version. Only the read of the idempotency record needs a key; without one, a
    /// lost response must not make another version.
    async fn update(&self, api: &Api, id: &str) -> Response {
        let file = self.file("v2");
        if self.is_direct() {
            let body = json!({ "sha256": Digest::of(&file).to_string() });
            return self.send(api, Method::PATCH, &format!("customizations/{id}"), &body).await;
        }
        let form = Form::new().file("certs.tar.gz", &file);
        let has_key = self.text == "IDEMPOTENCY#";
        let api = if has_key { api.header("idempotency-key", "update") } else { api.clone() };
        api.update_in(&self.name, id, form).await
    }

    fn path(&self, id: &str) -> String {
        format!("/v1/catalogs/{}/customizations/{id}", self.name)
    }

    async fn get(&self, api: &Api, id: &str) -> Response {
        api.get(&self.path(id)).await
    }

    /// The text that `FAULT` selects.
    fn label(&self) -> String {
        let Self { operation, call, text, fault, times, .. } = self;
        format!("{operation:?} {call} {text} {fault:?} {times:?}").replace("  ", " ")
    }

    /// Injects the fault into the requests of this case. `id` is the customization, if there is
    /// one.
    fn inject(&self, stack: &ProxiedStack, id: &str) -> InjectedFault {
        let text = |text: &str| text.to_owned();
        let (proxy, case_text) = match (self.call, self.text) {
            ("PUT" | "HEAD" | "GET", _) => (&stack.s3, format!("/{}/", self.name)),
            (_, "PRODUCT#") => (&stack.dynamodb, format!("PRODUCT#{}", self.name)),
            (_, "BUILD#") => (&stack.dynamodb, text(id)),
            ("Query" | "GetItem", "CUSTOMIZATION#" | "VERSION#") | (_, "IDEMPOTENCY#") => {
                (&stack.dynamodb, format!("CUSTOMIZATIONS#{}", self.name))
            }
            _ => (&stack.dynamodb, format!("CATALOG#{}", self.name)),
        };
        let call_text = if self.text == OF_COPY { "" } else { self.text };
        let texts = vec![case_text, text(call_text)];
        let matcher = RequestMatcher { operation: self.call, texts };
        if (self.call, self.text) == ("GetItem", REREAD) {
            // Another write seems to be first, so the function reads the customization again.
            let texts = vec![format!("CATALOG#{}", self.name)];
            let transaction = RequestMatcher { operation: "TransactWriteItems", texts };
            stack.dynamodb.inject(Cancel(&["ConditionalCheckFailed"]), transaction, Times::Once);
        }
        proxy.inject(self.fault, matcher, self.times)
    }

    #[track_caller]
    fn assert_outcome(&self, response: &Response, injected: &InjectedFault) {
        match self.outcome {
            Success => {
                let status = match self.operation {
                    Operation::CreateCustomization | Operation::StartUpload => 201,
                    Operation::UpdateCustomization | Operation::RemoveCustomization => 204,
                    Operation::ListCustomizations
                    | Operation::GetCustomization
                    | Operation::ListVersions
                    | Operation::GetFile => 200,
                };
                assert_eq!(response.status, status, "{:?}", response.body);
            }
            Unavailable => response.assert_problem(&Problem::UNAVAILABLE),
            Internal => response.assert_problem(&Problem::INTERNAL),
        }
        assert_eq!(injected.count(), self.attempts, "attempts with the fault");
    }

    async fn run(&self, stack: &ProxiedStack) {
        let api = stack.stack.api();
        match self.operation {
            Operation::CreateCustomization => self.run_create(stack, &api).await,
            Operation::UpdateCustomization => self.run_update(stack, &api).await,
            Operation::RemoveCustomization => self.run_remove(stack, &api).await,
            Operation::StartUpload => self.run_start_upload(stack, &api).await,
            Operation::ListCustomizations => self.run_list(stack, &api).await,
            Operation::GetCustomization => self.run_get(stack, &api).await,
            Operation::ListVersions => self.run_list_versions(stack, &api).await,
            Operation::GetFile => self.run_get_file(stack, &api).await,
        }
    }

    /// Returns true if the transaction is carried out, or may be despite the response.
    fn has_written(&self) -> bool {
        let may_have_written = self.call == "TransactWriteItems"
            && matches!(
                self.fault,
                LoseResponse
                    | ResetInResponse
                    | Truncate
                    | InvalidHttp
                    | ForeignResponse
                    | FalseConflict
            );
        self.outcome == Success || may_have_written
    }

    async fn run_create(&self, stack: &ProxiedStack, api: &Api) {
        self.upload(api, "v1").await;
        let injected = self.inject(stack, "");
        let response = self.create(api).await;
        self.assert_outcome(&response, &injected);
        injected.stop();

        let stored = stored_customizations(stack, &self.name).await;
        let expected = usize::from(self.has_written());
        assert_eq!(stored.len(), expected, "a failed create stores nothing");

        let retry = self.create(api).await;
        assert_eq!(retry.status, 201, "{:?}", retry.body);
        if self.outcome == Success {
            assert_eq!(retry.body, response.body);
        }
        let id = retry.id();
        assert!(stored.is_empty() || stored == [id.as_str()], "the retry returns the stored one");
        assert_eq!(self.get(api, &id).await.json()["id"], *id);
        assert_eq!(stored_customizations(stack, &self.name).await, [id]);
    }

    async fn run_update(&self, stack: &ProxiedStack, api: &Api) {
        let id = self.create(api).await.id();
        self.upload(api, "v2").await;
        let injected = self.inject(stack, &id);
        let response = self.update(api, &id).await;
        self.assert_outcome(&response, &injected);
        injected.stop();

        let version = async || self.get(api, &id).await.json()["version"].clone();
        let expected = if self.has_written() { "v2" } else { "v1" };
        assert_eq!(version().await, expected, "a version is neither lost nor doubled");
        self.update(api, &id).await.assert_no_content();
        // With the same idempotency key, the retry is no further version.
        let is_replay = self.text == "IDEMPOTENCY#";
        let expected = if self.has_written() && !is_replay { "v3" } else { "v2" };
        assert_eq!(version().await, expected);
    }

    async fn run_remove(&self, stack: &ProxiedStack, api: &Api) {
        let id = self.create(api).await.id();
        let injected = self.inject(stack, &id);
        let response = api.remove_in(&self.name, &id).await;
        self.assert_outcome(&response, &injected);
        injected.stop();

        let before = self.get(api, &id).await.json();
        assert_eq!(before["status"] == "DELETED", self.has_written());
        api.remove_in(&self.name, &id).await.assert_no_content();
        let after = self.get(api, &id).await.json();
        assert_eq!(after["status"], "DELETED");
        if self.has_written() {
            assert_eq!(after, before, "a second removal changes nothing");
        }
    }

    async fn run_start_upload(&self, stack: &ProxiedStack, api: &Api) {
        self.create(api).await.id();
        let injected = self.inject(stack, "");
        let body = json!({"sha256": "0".repeat(64), "size": 1});
        let start = async || self.send(api, Method::POST, "uploads", &body).await;
        let response = start().await;
        self.assert_outcome(&response, &injected);
        injected.stop();
        assert_eq!(start().await.status, 201);
    }

    async fn run_list(&self, stack: &ProxiedStack, api: &Api) {
        let id = self.create(api).await.id();
        self.run_read(stack, api, &id, &format!("/v1/catalogs/{}/customizations", self.name)).await;
    }

    async fn run_list_versions(&self, stack: &ProxiedStack, api: &Api) {
        let id = self.create(api).await.id();
        self.update(api, &id).await.assert_no_content();
        self.run_read(stack, api, &id, &format!("{}/versions", self.path(&id))).await;
    }

    /// Gets `path`, with the fault and without. Both responses must be equal if the first succeeds.
    async fn run_read(&self, stack: &ProxiedStack, api: &Api, id: &str, path: &str) {
        let injected = self.inject(stack, id);
        let response = api.get(path).await;
        self.assert_outcome(&response, &injected);
        injected.stop();

        let retry = api.get(path).await;
        assert_eq!(retry.status, 200, "{:?}", retry.body);
        if self.outcome == Success {
            assert_eq!(retry.body, response.body);
        }
    }

    async fn run_get(&self, stack: &ProxiedStack, api: &Api) {
        let id = self.create(api).await.id();
        self.run_read(stack, api, &id, &self.path(&id)).await;
        let body = self.get(api, &id).await.json();
        assert_eq!(body["affected_releasables"][0]["application_id"], *self.name);
    }

    async fn run_get_file(&self, stack: &ProxiedStack, api: &Api) {
        let created = self.create(api).await.json();
        let url = created["artifact"]["url"].as_str().unwrap();
        let injected = self.inject(stack, "");
        let response = api.get(url).await;
        self.assert_outcome(&response, &injected);
        injected.stop();
        assert!(api.get(url).await.json()["url"].is_string());
    }
}

/// Queries the table for the identifiers of a catalog's customizations.
async fn stored_customizations(stack: &ProxiedStack, catalog: &str) -> Vec<String> {
    let text = |text: String| AttributeValue::S(text);
    let query = stack.stack.dynamodb().query().table_name(TABLE);
    let page = query
        .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
        .expression_attribute_values(":pk", text(format!("CUSTOMIZATIONS#{catalog}")))
        .expression_attribute_values(":prefix", text("CUSTOMIZATION#".to_owned()))
        .send()
        .await
        .unwrap();
    page.items().iter().map(|item| item["id"].as_s().unwrap().clone()).collect()
}

#[tokio::test]
async fn the_fault_table_covers_every_store_call_of_every_operation() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let take_calls = || -> BTreeSet<_> {
        dynamodb.take_operations().into_iter().chain(s3.take_operations()).collect()
    };
    let created = api.create(Form::kafka()).await;
    let direct = Tarball::new().file("direct", b"").gzip();
    let new_direct = Tarball::new().file("new direct", b"").gzip();
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    for operation in Operation::ALL.iter().copied() {
        drop(take_calls());
        let response = match operation {
            Operation::CreateCustomization => {
                let upload = json!({ "sha256": api.upload(&direct).await });
                drop(take_calls());
                let direct = api.send_json(Method::POST, "customizations", &upload).await;
                assert_eq!(direct.status, 201, "{:?}", direct.body);
                api.header("idempotency-key", "k").create(Form::kafka()).await
            }
            Operation::UpdateCustomization => {
                let body = json!({ "sha256": api.upload(&new_direct).await });
                drop(take_calls());
                let path = format!("customizations/{}", created.id());
                api.send_json(Method::PATCH, &path, &body).await.assert_no_content();
                api.header("idempotency-key", "u").update(&created.id(), Form::upload()).await
            }
            Operation::RemoveCustomization => {
                // A conflict, after which the function reads the customization again.
                let transaction = RequestMatcher { operation: "TransactWriteItems", texts: vec![] };
                dynamodb.inject(Cancel(&["ConditionalCheckFailed"]), transaction, Times::Once);
                api.remove(&created.id()).await
            }
            Operation::StartUpload => {
                api.start_upload(&json!({"sha256": "0".repeat(64), "size": 1})).await
            }
            Operation::ListCustomizations => api.list("").await,
            Operation::GetCustomization => api.customization(&created.id()).await,
            Operation::ListVersions => api.versions(&created.id()).await,
            Operation::GetFile => api.get(&file).await,
        };
        assert!(matches!(response.status, 200 | 201 | 204), "{operation:?}: {:?}", response.body);
        let rows = CALLS.iter().filter(|(row_operation, ..)| *row_operation == operation);
        let covered: BTreeSet<_> = rows.map(|(_, call, ..)| (*call).to_owned()).collect();
        assert_eq!(take_calls(), covered, "{operation:?}");
    }
}

#[tokio::test]
async fn each_fault_has_its_outcome_and_no_write_is_lost_or_duplicated() {
    let limits = FunctionLimits { concurrency: CONCURRENT_CASES, ..FunctionLimits::AWS };
    let stack = Arc::new(ProxiedStack::start(limits).await);
    let selected = env::var("FAULT").unwrap_or_default();
    let cases: Vec<_> =
        cases().into_iter().filter(|case| case.label().contains(&selected)).collect();
    assert!(!cases.is_empty(), "no case's label contains {selected:?}");
    let mut records: Vec<_> = cases.iter().flat_map(Case::records).collect();
    // Each catalog is a write of its own that ends a batch, so catalogs go last.
    records.sort_by_key(|record| matches!(record, Record::Catalog(_)));
    records::write(&stack.stack.table(), &records, |_| {}).await.unwrap();

    let semaphore = Arc::new(Semaphore::new(CONCURRENT_CASES));
    let mut tasks = Vec::new();
    for case in cases.clone() {
        let (stack, semaphore) = (Arc::clone(&stack), Arc::clone(&semaphore));
        tasks.push(tokio::spawn(async move {
            let _permit = semaphore.acquire().await.unwrap();
            case.run(&stack).await;
        }));
    }
    let mut failed = BTreeMap::new();
    for (case, task) in cases.iter().zip(tasks) {
        if let Err(panic) = task.await {
            let panic = panic.into_panic();
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            failed.insert(case.label(), message);
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());

    let contents = stack.stack.contents().await;
    contents.assert_consistent();
    for case in &cases {
        assert_eq!(contents.customizations(&case.name).len(), 1, "{case:?}");
        let has_second_key =
            case.operation == Operation::UpdateCustomization && case.text == "IDEMPOTENCY#";
        let records = 1 + usize::from(has_second_key);
        assert_eq!(contents.idempotency_records(&case.name).len(), records, "{case:?}");
    }
    if selected.is_empty() {
        assert_refused_writes_are_not_found(&stack, &contents).await;
    }
}

/// Asserts that a customization is not found if the functions tried to write it and the table does
/// not hold it.
async fn assert_refused_writes_are_not_found(stack: &ProxiedStack, contents: &Contents) {
    let api = stack.stack.api();
    let permissions = stack.dynamodb.take_permissions().into_iter();
    let puts = permissions.filter(|permission| permission.action == "dynamodb:PutItem");
    let mut refused = 0;
    for (pk, sk) in puts.filter_map(|permission| permission.item) {
        let (Some(catalog), Some(id)) =
            (pk.strip_prefix("CUSTOMIZATIONS#"), sk.strip_prefix("CUSTOMIZATION#"))
        else {
            continue;
        };
        if !contents.customizations(catalog).contains_key(id) {
            let response = api.get(&format!("/v1/catalogs/{catalog}/customizations/{id}")).await;
            response.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
            refused += 1;
        }
    }
    assert!(refused > 0, "the faults refuse some writes");
}

#[tokio::test]
async fn a_catalog_that_changes_its_owner_during_a_create_is_not_found() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let matcher = RequestMatcher { operation: "PUT", texts: Vec::new() };
    let delay = stack.s3.inject(Delay(Duration::from_secs(1)), matcher, Times::Always);
    let api = stack.stack.api();
    let create = tokio::spawn(async move { api.create(Form::upload()).await });
    delay.wait_for_request().await;
    // Written directly: no command changes the owner of a catalog.
    let catalog = format!("CATALOG#{SAMPLE_CATALOG}");
    let another = AttributeValue::S("another".to_owned());
    stack.stack.set_attribute((&catalog, "CATALOG"), "org_id", another).await;
    create.await.unwrap().assert_problem(&Problem::CATALOG_NOT_FOUND);
    let contents = stack.stack.contents().await;
    contents.assert_consistent();
    assert!(contents.customizations(SAMPLE_CATALOG).is_empty());
}
