//! Fault injection: every fault at every call of every operation, once and always.
//!
//! Each cell of the table has a catalog of its own, so that all cells share one stack and run
//! concurrently; the proxy recognizes a cell's requests by the catalog in them. `FAULT=TEXT` runs
//! the cells whose names contain the text, such as
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
use local::{catalog::SAMPLE_ORGANIZATION, function::FunctionLimits, stores::TABLE};
use serde_json::{from_value, json};
use shared::routes::Operation;

use tests::{
    api::{Answer, Api, Problem},
    form::Form,
    proxy::{
        Call, Fault,
        Fault::{
            Cancel, Corrupt, Delay, Fail, FalseConflict, ForeignResponse, InvalidHttp,
            LoseResponse, Reset, ResetInRequest, ResetInResponse, Stall, Truncate, Unprocessed,
        },
        InjectedFault, Times,
    },
    stack::{Contents, ProxiedStack, REGISTRY, SAMPLE_CATALOG},
};
use tokio::sync::Semaphore;

/// How many cases run beside each other. The functions have a process for each.
const CASES_AT_ONCE: usize = 32;

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As if nothing had happened.
    Success,
    /// 503.
    Unavailable,
    /// 500.
    Internal,
}
use Outcome::{Internal, Success, Unavailable};

/// A fault: the answer where it happens once, the answer where it happens for good, and how often
/// the call is tried then.
type FaultRow = (Fault, Outcome, Outcome, usize);

/// What any store or network does.
const ANY: &[FaultRow] = &[
    (Reset, Success, Unavailable, 3),
    (LoseResponse, Success, Unavailable, 3),
    // What is no HTTP is not tried again.
    (InvalidHttp, Unavailable, Unavailable, 1),
    (Delay(Duration::from_millis(200)), Success, Success, 1),
    (Stall, Success, Unavailable, 2),
];

const BROKEN_OFF: &[FaultRow] =
    &[(ResetInResponse, Success, Unavailable, 3), (Truncate, Success, Unavailable, 3)];

const DYNAMODB: &[FaultRow] = &[
    // Nor is what has no sense.
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
    // What the SDK does not try again, and we do.
    (Fail(400, "TransactionConflictException"), Success, Unavailable, 6),
    (Cancel(&["None", "TransactionConflict", "None"]), Success, Unavailable, 6),
    (Cancel(&["None", "None", "ThrottlingError"]), Success, Unavailable, 6),
    (Cancel(&["ProvisionedThroughputExceeded", "None", "None"]), Success, Unavailable, 6),
    (Cancel(&["ValidationError", "None", "None"]), Internal, Internal, 1),
    // As when the answer to an attempt is lost while it is at work, and the next is in its way.
    (FalseConflict, Success, Unavailable, 6),
];

const S3: &[FaultRow] = &[
    (Fail(500, "InternalError"), Success, Unavailable, 3),
    (Fail(503, "SlowDown"), Success, Unavailable, 3),
    (Fail(403, "AccessDenied"), Internal, Internal, 1),
];

const UPLOAD: &[FaultRow] = &[
    (ResetInRequest, Success, Unavailable, 3),
    // All that is needed of the answer is its status: that the bytes are there, or were before.
    (ForeignResponse, Success, Success, 1),
    (ResetInResponse, Success, Success, 3),
    (Truncate, Success, Success, 3),
    (Fail(409, "ConditionalRequestConflict"), Success, Unavailable, 6),
    // Its checksum is found wrong.
    (Corrupt, Internal, Internal, 1),
];

/// A call: its operation, what only its requests hold besides what only its case's do, and what
/// may happen to it.
type OperationCall = (Operation, &'static str, &'static str, &'static [&'static [FaultRow]]);

const CALLS: &[OperationCall] = &[
    (
        Operation::CreateCustomization,
        "BatchGetItem",
        "CATALOG#",
        &[ANY, BROKEN_OFF, DYNAMODB, BATCH],
    ),
    (Operation::CreateCustomization, "GetItem", "IDEMPOTENCY#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Operation::CreateCustomization, "Query", "APPLICATION#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Operation::CreateCustomization, "PUT", "", &[ANY, S3, UPLOAD]),
    (
        Operation::CreateCustomization,
        "TransactWriteItems",
        "",
        &[ANY, BROKEN_OFF, DYNAMODB, TRANSACTION],
    ),
    (
        Operation::GetCustomization,
        "BatchGetItem",
        "CUSTOMIZATION#",
        &[ANY, BROKEN_OFF, DYNAMODB, BATCH],
    ),
    (Operation::GetCustomization, "Query", "BUILD#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Operation::GetCustomization, "Query", "APPLICATION#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Operation::GetCustomization, "BatchGetItem", "PRODUCT#", &[ANY, BROKEN_OFF, DYNAMODB, BATCH]),
    (Operation::GetFile, "BatchGetItem", "CATALOG#", &[ANY, BROKEN_OFF, DYNAMODB, BATCH]),
    (Operation::GetFile, "HEAD", "", &[ANY, BROKEN_OFF, S3]),
];

#[derive(Clone, Debug)]
struct Case {
    /// Its catalog, product and base image.
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
    /// What the table holds for it before.
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

    async fn create(&self, api: &Api) -> Answer {
        let Self { name, .. } = self;
        let filter = json!({"product_key": name, "branch": "1", "base_image_id": name});
        let file = Tarball::new().file("name", name.as_bytes()).gzip();
        let form = Form::new().file("certs.tar.gz", &file).filter(filter);
        api.header("idempotency-key", "the-key").create_in(name, form).await
    }

    async fn get(&self, api: &Api, id: &str) -> Answer {
        api.get(&format!("/v1/catalogs/{}/customizations/{id}", self.name)).await
    }

    /// The cell's name, as `FAULT` selects it.
    fn cell(&self) -> String {
        let Self { operation, call, text, fault, times, .. } = self;
        format!("{operation:?} {call} {text} {fault:?} {times:?}").replace("  ", " ")
    }

    /// Starts the cell's fault.
    fn inject(&self, stack: &ProxiedStack, id: &str) -> InjectedFault {
        let text = |text: &str| text.to_owned();
        let (proxy, mine) = match (self.call, self.text) {
            ("PUT" | "HEAD", _) => (&stack.s3, format!("/{}/", self.name)),
            (_, "PRODUCT#") => (&stack.dynamodb, format!("PRODUCT#{}", self.name)),
            (_, "BUILD#") => (&stack.dynamodb, text(id)),
            (_, "IDEMPOTENCY#") => (&stack.dynamodb, format!("CUSTOMIZATIONS#{}", self.name)),
            _ => (&stack.dynamodb, format!("CATALOG#{}", self.name)),
        };
        let call = Call { operation: self.call, texts: vec![mine, text(self.text)] };
        proxy.inject(self.fault, call, self.times)
    }

    #[track_caller]
    fn assert_answered(&self, answer: &Answer, injected: &InjectedFault) {
        match self.outcome {
            Success => {
                let created = self.operation == Operation::CreateCustomization;
                let status = if created { 201 } else { 200 };
                assert_eq!(answer.status, status, "{:?}", answer.body);
            }
            Unavailable => answer.assert_problem(&Problem::UNAVAILABLE),
            Internal => answer.assert_problem(&Problem::INTERNAL),
        }
        assert_eq!(injected.times(), self.attempts, "attempts that met the fault");
    }

    async fn run(&self, stack: &ProxiedStack) {
        let api = stack.stack.api();
        match self.operation {
            Operation::CreateCustomization => self.run_create(stack, &api).await,
            Operation::GetCustomization => self.run_customization(stack, &api).await,
            Operation::GetFile => self.run_file(stack, &api).await,
        }
    }

    async fn run_create(&self, stack: &ProxiedStack, api: &Api) {
        let injected = self.inject(stack, "");
        let answer = self.create(api).await;
        self.assert_answered(&answer, &injected);
        injected.stop();

        let stored = stored_customizations(stack, &self.name).await;
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
        let expected = usize::from(self.outcome == Success || may_have_written);
        assert_eq!(stored.len(), expected, "of a failed request there is nothing");

        let again = self.create(api).await;
        assert_eq!(again.status, 201, "{:?}", again.body);
        if self.outcome == Success {
            assert_eq!(again.body, answer.body);
        }
        let id = again.id();
        assert!(stored.is_empty() || stored == [id.as_str()], "the retry finds what was written");
        assert_eq!(self.get(api, &id).await.json()["id"], *id);
        assert_eq!(stored_customizations(stack, &self.name).await, [id]);
    }

    async fn run_customization(&self, stack: &ProxiedStack, api: &Api) {
        let id = self.create(api).await.id();
        let injected = self.inject(stack, &id);
        let answer = self.get(api, &id).await;
        self.assert_answered(&answer, &injected);
        injected.stop();

        let again = self.get(api, &id).await;
        assert_eq!(again.json()["affected_releasables"][0]["application_id"], *self.name);
        if self.outcome == Success {
            assert_eq!(again.body, answer.body);
        }
    }

    async fn run_file(&self, stack: &ProxiedStack, api: &Api) {
        let created = self.create(api).await.json();
        let url = created["artifact"]["url"].as_str().unwrap();
        let injected = self.inject(stack, "");
        let answer = api.get(url).await;
        self.assert_answered(&answer, &injected);
        injected.stop();
        assert!(api.get(url).await.json()["url"].is_string());
    }
}

/// The identifiers of a catalog's customizations, as the table has them.
async fn stored_customizations(stack: &ProxiedStack, catalog: &str) -> Vec<String> {
    let text = |text: String| AttributeValue::S(text);
    let found = stack.stack.dynamodb().query().table_name(TABLE);
    let found = found
        .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
        .expression_attribute_values(":pk", text(format!("CUSTOMIZATIONS#{catalog}")))
        .expression_attribute_values(":prefix", text("CUSTOMIZATION#".to_owned()))
        .send()
        .await
        .unwrap();
    found.items().iter().map(|item| item["id"].as_s().unwrap().clone()).collect()
}

#[tokio::test]
async fn the_table_covers_every_store_call_of_every_operation() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let calls = || -> BTreeSet<_> {
        dynamodb.take_operations().into_iter().chain(s3.take_operations()).collect()
    };
    let created = api.create(Form::kafka()).await;
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    for operation in Operation::ALL.iter().copied() {
        drop(calls());
        let answer = match operation {
            Operation::CreateCustomization => {
                api.header("idempotency-key", "k").create(Form::kafka()).await
            }
            Operation::GetCustomization => api.customization(&created.id()).await,
            Operation::GetFile => api.get(&file).await,
        };
        assert!(matches!(answer.status, 200 | 201), "{operation:?}: {:?}", answer.body);
        let rows = CALLS.iter().filter(|(of, ..)| *of == operation);
        let covered: BTreeSet<_> = rows.map(|(_, call, ..)| (*call).to_owned()).collect();
        assert_eq!(calls(), covered, "{operation:?}");
    }
}

#[tokio::test]
async fn each_fault_has_its_answer_and_nothing_is_lost_or_doubled() {
    let limits = FunctionLimits { concurrency: CASES_AT_ONCE, ..FunctionLimits::AWS };
    let stack = Arc::new(ProxiedStack::start(limits).await);
    let selected = env::var("FAULT").unwrap_or_default();
    let cases: Vec<_> =
        cases().into_iter().filter(|case| case.cell().contains(&selected)).collect();
    assert!(!cases.is_empty(), "no cell's name contains {selected:?}");
    let mut records: Vec<_> = cases.iter().flat_map(Case::records).collect();
    // Catalogs are written one by one; what is between them, in batches.
    records.sort_by_key(|record| matches!(record, Record::Catalog(_)));
    records::write(&stack.stack.table(), &records, |_| {}).await.unwrap();

    let turns = Arc::new(Semaphore::new(CASES_AT_ONCE));
    let mut running = Vec::new();
    for case in cases.clone() {
        let (stack, turns) = (Arc::clone(&stack), Arc::clone(&turns));
        running.push(tokio::spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            case.run(&stack).await;
        }));
    }
    let mut failed = BTreeMap::new();
    for (case, run) in cases.iter().zip(running) {
        if let Err(panic) = run.await {
            let panic = panic.into_panic();
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            failed.insert(case.cell(), message);
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());

    let contents = stack.stack.contents().await;
    contents.assert_whole();
    for case in &cases {
        assert_eq!(contents.customizations(&case.name).len(), 1, "{case:?}");
        assert_eq!(contents.idempotency_records(&case.name).len(), 1, "{case:?}");
    }
    if selected.is_empty() {
        assert_invisible(&stack, &contents).await;
    }
}

/// Asserts that none of the customizations that the table was asked to take, and did not, is there
/// for a client. Those that it has are the acknowledged ones, each case's own.
async fn assert_invisible(stack: &ProxiedStack, contents: &Contents) {
    let api = stack.stack.api();
    let needed = stack.dynamodb.needed().into_iter();
    let put = needed.filter(|permission| permission.action == "dynamodb:PutItem");
    let mut refused = 0;
    for (pk, sk) in put.filter_map(|permission| permission.item) {
        let (Some(catalog), Some(id)) =
            (pk.strip_prefix("CUSTOMIZATIONS#"), sk.strip_prefix("CUSTOMIZATION#"))
        else {
            continue;
        };
        if !contents.customizations(catalog).contains_key(id) {
            let answer = api.get(&format!("/v1/catalogs/{catalog}/customizations/{id}")).await;
            answer.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
            refused += 1;
        }
    }
    assert!(refused > 0, "some are refused");
}

#[tokio::test]
async fn a_catalog_that_changes_hands_meanwhile_is_not_found() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let call = Call { operation: "PUT", texts: Vec::new() };
    let slow = stack.s3.inject(Delay(Duration::from_secs(1)), call, Times::Always);
    let api = stack.stack.api();
    let creating = tokio::spawn(async move { api.create(Form::upload()).await });
    while slow.times() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // No command gives a catalog away.
    let catalog = format!("CATALOG#{SAMPLE_CATALOG}");
    let another = AttributeValue::S("another".to_owned());
    stack.stack.set((&catalog, "CATALOG"), "org_id", another).await;
    creating.await.unwrap().assert_problem(&Problem::CATALOG_NOT_FOUND);
    let contents = stack.stack.contents().await;
    contents.assert_whole();
    assert!(contents.customizations(SAMPLE_CATALOG).is_empty());
}
