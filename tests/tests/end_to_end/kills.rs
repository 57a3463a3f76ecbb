//! SIGKILL during a burst of creates: every acknowledged create is durable, and every other one is
//! stored once or not at all.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use archive_builder::Tarball;
use fastrand::Rng;
use futures_util::future::join_all;
use http::Method;
use local::{catalog, csp::Token, function::FunctionLimits};
use shared::domain::Digest;
use tempfile::TempDir;
use tests::{
    api::Api,
    form::Form,
    process::{self, Local, command},
    stack::{Contents, ProxiedStack, SAMPLE_CATALOG, TestStack},
};

const CLIENTS: usize = 8;

/// Rounds, with one kill each, of the test that kills the whole stack.
const STACK_ROUNDS: u64 = 8;

/// Rounds of the test that kills the stores.
const STORE_ROUNDS: u64 = 6;

/// Rounds of the test that kills the functions.
const FUNCTION_ROUNDS: u64 = 6;

/// Upper bound of the number of acknowledged creates before the kill.
const MAX_ACKNOWLEDGED: usize = 24;

/// A create that a client has sent.
#[derive(Debug)]
struct Create {
    /// The idempotency key.
    key: String,
    file: Vec<u8>,
    /// The customization in the 201, if the client received one.
    acknowledged: Option<String>,
}

impl Create {
    fn new(key: String, rng: &mut Rng) -> Self {
        let mut bytes = vec![0; rng.usize(..50_000)];
        rng.fill(&mut bytes);
        let file = Tarball::new().file(&key, &bytes).gzip();
        Self { key, file, acknowledged: None }
    }

    /// Sends the request. Returns the customization, or `None` without a 201.
    async fn send(&self, api: &Api) -> Option<String> {
        let (content_type, body) = Form::new().file("certs.tar.gz", &self.file).finish();
        let api = api.header("content-type", &content_type);
        let api = api.header("idempotency-key", &self.key);
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations");
        let response = api.try_send(Method::POST, &path, body).await.ok()?;
        (response.status == 201).then(|| response.id())
    }

    /// Asserts that the customization can be read and its file downloaded.
    async fn assert_readable(&self, api: &Api, id: &str) {
        let body = api.customization(id).await.json();
        assert_eq!(body["id"], id);
        let digest = Digest::of(&self.file);
        assert_eq!(body["artifact"]["id"], digest.to_string());
        let location = api.get(body["artifact"]["url"].as_str().unwrap()).await.json();
        let download = api.headers(&[]).get(location["url"].as_str().unwrap()).await;
        assert_eq!((download.status, Digest::of(&download.body)), (200, digest));
    }
}

/// Runs eight clients that create one customization after another, and calls `kill` meanwhile.
/// Returns all creates that they sent.
async fn burst(api: &Api, round: u64, kill: impl AsyncFnOnce(&mut Rng)) -> Vec<Create> {
    let mut rng = Rng::with_seed(round);
    let (acknowledged, done) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (api, mut rng) = (api.clone(), rng.fork());
            let (acknowledged, done) = (Arc::clone(&acknowledged), Arc::clone(&done));
            tokio::spawn(async move {
                let mut creates = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    let key = format!("{round}-{client}-{}", creates.len());
                    let mut create = Create::new(key, &mut rng);
                    create.acknowledged = create.send(&api).await;
                    if create.acknowledged.is_some() {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    creates.push(create);
                }
                creates
            })
        })
        .collect();
    let kill_after = rng.usize(..MAX_ACKNOWLEDGED);
    while acknowledged.load(Ordering::SeqCst) < kill_after {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(rng.u64(..20))).await;
    kill(&mut rng).await;
    done.store(true, Ordering::SeqCst);
    let mut creates = Vec::new();
    for client in clients {
        creates.extend(client.await.unwrap());
    }
    creates
}

/// Asserts that every acknowledged create is readable, and that a retry of every create returns its
/// customization. Returns the customization of each key.
async fn assert_durable(api: &Api, creates: Vec<Create>) -> BTreeMap<String, String> {
    let checks = creates.into_iter().map(|create| {
        let api = api.clone();
        tokio::spawn(async move {
            if let Some(id) = &create.acknowledged {
                create.assert_readable(&api, id).await;
            }
            let id = create.send(&api).await.expect("the retry succeeds");
            assert_eq!(create.acknowledged.as_ref().unwrap_or(&id), &id);
            create.assert_readable(&api, &id).await;
            (create.key, id)
        })
    });
    let checks: Vec<_> = checks.collect();
    let mut customizations = BTreeMap::new();
    for check in checks {
        let (key, id) = check.await.unwrap();
        assert!(customizations.insert(key, id).is_none());
    }
    customizations
}

/// Asserts that the stores hold exactly these customizations, consistently.
fn assert_stored(contents: &Contents, customizations: &BTreeMap<String, String>) {
    contents.assert_consistent();
    let mut expected: Vec<_> = customizations.values().map(String::as_str).collect();
    expected.sort_unstable();
    let stored = contents.customizations(SAMPLE_CATALOG);
    assert_eq!(stored.into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(contents.idempotency_records(SAMPLE_CATALOG).len(), expected.len());
}

/// The data directory of a stack in a test's directory.
fn data_dir(directory: &TempDir) -> String {
    directory.path().join("data").to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_stack_keeps_every_acknowledged_create() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = data_dir(&directory);
    let start = async || Local::start(&["--port", "0", "--data-dir", &data_dir]).await;
    let api = |stack: &Local| Api::new(stack.url.clone(), Token::default());
    let mut customizations = BTreeMap::new();
    let mut stack = start().await;
    for round in 0..STACK_ROUNDS {
        let creates = burst(&api(&stack), round, async |_| {
            let processes = [vec![stack.pid()], process::children(stack.pid())].concat();
            join_all(processes.into_iter().map(process::kill)).await;
        })
        .await;
        stack = start().await;
        customizations.extend(assert_durable(&api(&stack), creates).await);
    }
    stack.process.kill().await.unwrap();
    let stack = TestStack::start_on(directory).await;
    assert_stored(&stack.contents().await, &customizations);
}

/// The embedded stores in a process of their own: `local stores`.
struct Stores {
    local: Local,
    environment: BTreeMap<String, String>,
}

impl Stores {
    /// Starts the stores on the data in `directory`.
    async fn start(directory: &TempDir) -> Self {
        let env_file = directory.path().join("environment");
        let file = env_file.to_str().unwrap();
        let arguments = ["stores", "--data-dir", &data_dir(directory), "--env-file", file];
        let local = Local::start(&arguments).await;
        let lines = fs::read_to_string(&env_file).unwrap();
        let variables = lines.lines().map(|line| line.split_once('=').unwrap());
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { local, environment: variables.collect() }
    }

    async fn import_sample(&self) {
        let mut import = command("admin").await;
        let import =
            import.arg("import").arg(catalog::sample()).env_clear().envs(&self.environment);
        assert!(import.output().await.unwrap().status.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_stores_keep_every_acknowledged_create() {
    // The table and the bucket each have their own process, so that one can be killed alone.
    let [table_dir, bucket_dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut table = Stores::start(&table_dir).await;
    let mut bucket = Stores::start(&bucket_dir).await;
    table.import_sample().await;
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let set_endpoints = |table: &Stores, bucket: &Stores| {
        stack.dynamodb.set_endpoint(table.environment["AWS_ENDPOINT_URL_DYNAMODB"].clone());
        stack.s3.set_endpoint(bucket.environment["AWS_ENDPOINT_URL_S3"].clone());
    };
    set_endpoints(&table, &bucket);
    let api = stack.stack.api();
    let mut customizations = BTreeMap::new();
    for round in 0..STORE_ROUNDS {
        // In turn: the table alone, the bucket alone, both at once.
        let (kills_table, kills_bucket) = (round % 3 != 1, round % 3 != 0);
        let creates = burst(&api, round, async |_| {
            let killed = [(kills_table, table.local.pid()), (kills_bucket, bucket.local.pid())];
            let killed = killed.into_iter().filter_map(|(kills, pid)| kills.then_some(pid));
            join_all(killed.map(process::kill)).await;
            if kills_table {
                table = Stores::start(&table_dir).await;
            }
            if kills_bucket {
                bucket = Stores::start(&bucket_dir).await;
            }
            set_endpoints(&table, &bucket);
        })
        .await;
        customizations.extend(assert_durable(&api, creates).await);
    }
    join_all([table, bucket].map(|stores| process::kill(stores.local.pid()))).await;
    let items = TestStack::start_on(table_dir).await.contents().await.items;
    let objects = TestStack::start_on(bucket_dir).await.contents().await.objects;
    assert_stored(&Contents { items, objects }, &customizations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_functions_leave_no_partial_writes() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let mut customizations = BTreeMap::new();
    for round in 0..FUNCTION_ROUNDS {
        let creates = burst(&api, round, async |rng| {
            let functions = process::functions(&stack);
            process::kill(*rng.choice(&functions).expect("a function is running")).await;
        })
        .await;
        customizations.extend(assert_durable(&api, creates).await);
    }
    assert_stored(&stack.contents().await, &customizations);
}
