//! Every fault at every call of every route: once, and for good.
//!
//! Each case has a catalog of its own, so that all share one stack and run beside each other; a
//! proxy knows a case's requests by the catalog in them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use local::{catalog::SAMPLE_ORGANIZATION, function::FunctionLimits, stores::TABLE};
use serde_json::{from_value, json};
use shared::store::Record;
use tests::{
    api::{Answer, Api, Problem},
    form::Form,
    proxy::{
        Call, Harm,
        Harm::{
            Babble, Cancel, Corrupt, Delay, Disown, Fail, Garble, LoseAnswer, Postpone, Reset,
            ResetInAnswer, ResetInRequest, Stall, Truncate,
        },
        Inflicted, Times,
    },
    stack::{Contents, ProxiedStack, REGISTRY, SAMPLE_CATALOG},
    tarball::Tarball,
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
type Fault = (Harm, Outcome, Outcome, usize);

/// What any store or network does.
const ANY: &[Fault] = &[
    (Reset, Success, Unavailable, 3),
    (LoseAnswer, Success, Unavailable, 3),
    // What is no HTTP is not tried again.
    (Babble, Unavailable, Unavailable, 1),
    (Delay(Duration::from_millis(200)), Success, Success, 1),
    (Stall, Success, Unavailable, 2),
];

const BROKEN_OFF: &[Fault] =
    &[(ResetInAnswer, Success, Unavailable, 3), (Truncate, Success, Unavailable, 3)];

const DYNAMODB: &[Fault] = &[
    // Nor is what has no sense.
    (Garble, Unavailable, Unavailable, 1),
    (Fail(500, "InternalServerError"), Success, Unavailable, 3),
    (Fail(400, "ProvisionedThroughputExceededException"), Success, Unavailable, 3),
    (Fail(400, "RequestLimitExceeded"), Success, Unavailable, 3),
    (Fail(400, "ThrottlingException"), Success, Unavailable, 3),
    (Fail(400, "AccessDeniedException"), Internal, Internal, 1),
];

const BATCH: &[Fault] = &[(Postpone, Success, Unavailable, 6)];

const TRANSACTION: &[Fault] = &[
    (Fail(400, "TransactionInProgressException"), Success, Unavailable, 3),
    // What the SDK does not try again, and we do.
    (Fail(400, "TransactionConflictException"), Success, Unavailable, 6),
    (Cancel(&["None", "TransactionConflict", "None"]), Success, Unavailable, 6),
    (Cancel(&["None", "None", "ThrottlingError"]), Success, Unavailable, 6),
    (Cancel(&["ProvisionedThroughputExceeded", "None", "None"]), Success, Unavailable, 6),
    (Cancel(&["ValidationError", "None", "None"]), Internal, Internal, 1),
    // As when the answer to an attempt is lost while it is at work, and the next is in its way.
    (Disown, Success, Unavailable, 6),
];

const S3: &[Fault] = &[
    (Fail(500, "InternalError"), Success, Unavailable, 3),
    (Fail(503, "SlowDown"), Success, Unavailable, 3),
    (Fail(403, "AccessDenied"), Internal, Internal, 1),
];

const UPLOAD: &[Fault] = &[
    (ResetInRequest, Success, Unavailable, 3),
    // All that is needed of the answer is its status: that the bytes are there, or were before.
    (Garble, Success, Success, 1),
    (ResetInAnswer, Success, Success, 3),
    (Truncate, Success, Success, 3),
    (Fail(409, "ConditionalRequestConflict"), Success, Unavailable, 6),
    // Its checksum is found wrong.
    (Corrupt, Internal, Internal, 1),
];

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Create,
    Customization,
    File,
}

/// A call: its operation, what only its requests hold besides what only its case's do, and what
/// may happen to it.
type RouteCall = (Route, &'static str, &'static str, &'static [&'static [Fault]]);

const CALLS: &[RouteCall] = &[
    (Route::Create, "GetItem", r#"{"S":"CATALOG"}"#, &[ANY, BROKEN_OFF, DYNAMODB]),
    (Route::Create, "GetItem", "IDEMPOTENCY#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Route::Create, "BatchGetItem", "PRODUCT#", &[ANY, BROKEN_OFF, DYNAMODB, BATCH]),
    (Route::Create, "Query", "APPLICATION#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Route::Create, "PUT", "", &[ANY, S3, UPLOAD]),
    (Route::Create, "TransactWriteItems", "", &[ANY, BROKEN_OFF, DYNAMODB, TRANSACTION]),
    (Route::Customization, "BatchGetItem", "CUSTOMIZATION#", &[ANY, BROKEN_OFF, DYNAMODB, BATCH]),
    (Route::Customization, "Query", "BUILD#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Route::Customization, "Query", "APPLICATION#", &[ANY, BROKEN_OFF, DYNAMODB]),
    (Route::Customization, "BatchGetItem", "PRODUCT#", &[ANY, BROKEN_OFF, DYNAMODB, BATCH]),
    (Route::File, "GetItem", r#"{"S":"CATALOG"}"#, &[ANY, BROKEN_OFF, DYNAMODB]),
    (Route::File, "HEAD", "", &[ANY, BROKEN_OFF, S3]),
];

#[derive(Clone, Debug)]
struct Case {
    /// Its catalog, product and base image.
    name: String,
    route: Route,
    operation: &'static str,
    text: &'static str,
    harm: Harm,
    times: Times,
    outcome: Outcome,
    attempts: usize,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(route, operation, text, faults) in CALLS {
        for &(harm, once, for_good, attempts) in faults.iter().copied().flatten() {
            for (times, outcome, attempts) in
                [(Times::Once, once, 1), (Times::ForGood, for_good, attempts)]
            {
                let name = format!("case-{:04}", cases.len());
                cases.push(Case { name, route, operation, text, harm, times, outcome, attempts });
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

    /// Does the case's harm from now on.
    fn inflict(&self, stack: &ProxiedStack, id: &str) -> Inflicted {
        let text = |text: &str| text.to_owned();
        let (proxy, mine) = match (self.operation, self.text) {
            ("PUT" | "HEAD", _) => (&stack.s3, format!("/{}/", self.name)),
            (_, "PRODUCT#") => (&stack.dynamodb, format!("PRODUCT#{}", self.name)),
            (_, "BUILD#") => (&stack.dynamodb, text(id)),
            _ => (&stack.dynamodb, format!("CATALOG#{}", self.name)),
        };
        let call = Call { operation: self.operation, texts: vec![mine, text(self.text)] };
        proxy.inflict(self.harm, call, self.times)
    }

    #[track_caller]
    fn assert_answered(&self, answer: &Answer, inflicted: &Inflicted) {
        match self.outcome {
            Success => {
                let status = if self.route == Route::Create { 201 } else { 200 };
                assert_eq!(answer.status, status, "{:?}", answer.body);
            }
            Unavailable => answer.assert_problem(&Problem::UNAVAILABLE),
            Internal => answer.assert_problem(&Problem::INTERNAL),
        }
        assert_eq!(inflicted.times(), self.attempts, "attempts that harm was done to");
    }

    async fn run(&self, stack: &ProxiedStack) {
        let api = stack.stack.api();
        match self.route {
            Route::Create => self.run_create(stack, &api).await,
            Route::Customization => self.run_customization(stack, &api).await,
            Route::File => self.run_file(stack, &api).await,
        }
    }

    async fn run_create(&self, stack: &ProxiedStack, api: &Api) {
        let inflicted = self.inflict(stack, "");
        let answer = self.create(api).await;
        self.assert_answered(&answer, &inflicted);
        inflicted.lift();

        let stored = stored_customizations(stack, &self.name).await;
        let may_have_written = self.operation == "TransactWriteItems"
            && matches!(
                self.harm,
                LoseAnswer | ResetInAnswer | Truncate | Babble | Garble | Disown
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
        let inflicted = self.inflict(stack, &id);
        let answer = self.get(api, &id).await;
        self.assert_answered(&answer, &inflicted);
        inflicted.lift();

        let again = self.get(api, &id).await;
        assert_eq!(again.json()["affected_releasables"][0]["application_id"], *self.name);
        if self.outcome == Success {
            assert_eq!(again.body, answer.body);
        }
    }

    async fn run_file(&self, stack: &ProxiedStack, api: &Api) {
        let created = self.create(api).await.json();
        let url = created["artifact"]["url"].as_str().unwrap();
        let inflicted = self.inflict(stack, "");
        let answer = api.get(url).await;
        self.assert_answered(&answer, &inflicted);
        inflicted.lift();
        assert!(api.get(url).await.json()["url"].is_string());
    }
}

/// The identifiers of a catalog's customizations, as the table has them.
async fn stored_customizations(stack: &ProxiedStack, catalog: &str) -> Vec<String> {
    let text = |text: String| AttributeValue::S(text);
    let found = stack.stack.dynamodb().query().table_name(TABLE);
    let found = found
        .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
        .expression_attribute_values(":pk", text(format!("CATALOG#{catalog}")))
        .expression_attribute_values(":prefix", text("CUSTOMIZATION#".to_owned()))
        .send()
        .await
        .unwrap();
    found.items().iter().map(|item| item["id"].as_s().unwrap().clone()).collect()
}

#[tokio::test]
async fn each_fault_has_its_answer_and_nothing_is_lost_or_doubled() {
    let limits = FunctionLimits { concurrency: CASES_AT_ONCE, ..FunctionLimits::AWS };
    let stack = Arc::new(ProxiedStack::start(limits).await);
    let cases = cases();
    let mut records: Vec<_> = cases.iter().flat_map(Case::records).collect();
    // Catalogs are written one by one; what is between them, in batches.
    records.sort_by_key(|record| matches!(record, Record::Catalog(_)));
    stack.stack.table().import(&records, |_| {}).await.unwrap();

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
            failed.insert(&case.name, format!("{case:?}: {message}"));
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());

    let contents = stack.stack.contents().await;
    contents.assert_whole();
    for case in &cases {
        assert_eq!(contents.customizations(&case.name).len(), 1, "{case:?}");
        assert_eq!(contents.receipts(&case.name).len(), 1, "{case:?}");
    }
    assert_invisible(&stack, &contents).await;
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
            (pk.strip_prefix("CATALOG#"), sk.strip_prefix("CUSTOMIZATION#"))
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
    let slow = stack.s3.inflict(Delay(Duration::from_secs(1)), call, Times::ForGood);
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
