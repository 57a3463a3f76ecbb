//! SIGKILL during a burst of creates and updates: every acknowledged write is durable, and every
//! other one is stored once or not at all.

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
use serde_json::json;
use shared::domain::Digest;
use tempfile::TempDir;
use tests::{
    api::{Api, Response},
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

/// Upper bound of the number of acknowledged writes before the kill.
const MAX_ACKNOWLEDGED: usize = 24;

/// A create or an update that a client has sent.
#[derive(Debug)]
struct Write {
    /// The idempotency key.
    key: String,
    file: Vec<u8>,
    /// The customization of an update.
    updated: Option<String>,
    /// True if the file of a create is uploaded directly.
    is_direct: bool,
    /// The customization that the client knows to be written.
    acknowledged: Option<String>,
}

impl Write {
    fn new(key: String, updated: Option<&str>, rng: &mut Rng) -> Self {
        let mut bytes = vec![0; rng.usize(..50_000)];
        rng.fill(&mut bytes);
        let file = Tarball::new().file(&key, &bytes).gzip();
        let updated = updated.map(str::to_owned);
        Self { key, file, updated, is_direct: rng.bool(), acknowledged: None }
    }

    /// Sends the request. Returns the customization, or `None` if the request does not succeed.
    async fn send(&self, api: &Api) -> Option<String> {
        let (content_type, body) = Form::new().file("certs.tar.gz", &self.file).finish();
        let api = api.header("content-type", &content_type);
        let api = api.header("idempotency-key", &self.key);
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations");
        match &self.updated {
            None if self.is_direct => {
                let response = self.create_directly(&api, &path).await?;
                (response.status == 201).then(|| response.id())
            }
            None => {
                let response = api.try_send(Method::POST, &path, body).await.ok()?;
                (response.status == 201).then(|| response.id())
            }
            Some(id) => {
                let path = format!("{path}/{id}");
                let response = api.try_send(Method::PATCH, &path, body).await.ok()?;
                (response.status == 204).then(|| id.clone())
            }
        }
    }

    /// Uploads the file directly, and creates a customization from it at `path`.
    async fn create_directly(&self, api: &Api, path: &str) -> Option<Response> {
        let json = api.without("content-type").header("content-type", "application/json");
        let sha256 = Digest::of(&self.file).to_string();
        let body = json!({"sha256": sha256, "size": self.file.len()}).to_string().into_bytes();
        let uploads = format!("/v1/catalogs/{SAMPLE_CATALOG}/uploads");
        let start = json.without("idempotency-key");
        let started = start.try_send(Method::POST, &uploads, body).await.ok()?;
        if started.status == 201 {
            let put = api.try_put_upload(&started.json()["upload"], &self.file).await.ok()?;
            if !matches!(put.status, 200 | 412) {
                return None;
            }
        }
        let body = json!({"sha256": sha256, "filename": "certs.tar.gz"}).to_string().into_bytes();
        json.try_send(Method::POST, path, body).await.ok()
    }

    /// Asserts that the customization can be read, has this file in one of its versions, and that
    /// the file can be downloaded.
    async fn assert_readable(&self, api: &Api, id: &str) {
        assert_eq!(api.customization(id).await.json()["id"], id);
        let digest = Digest::of(&self.file);
        let versions = api.versions(id).await.json();
        let versions = versions["items"].as_array().unwrap().iter();
        let mut artifacts = versions.map(|version| &version["artifact"]);
        let artifact = artifacts.find(|artifact| artifact["id"] == digest.to_string()).unwrap();
        let location = api.get(artifact["url"].as_str().unwrap()).await.json();
        let download = api.headers(&[]).get(location["url"].as_str().unwrap()).await;
        assert_eq!((download.status, Digest::of(&download.body)), (200, digest));
    }
}

/// Runs eight clients that send one write after another, in turn creates and updates of the
/// customization `busy`. Calls `kill` meanwhile. Returns all writes that they sent.
async fn burst(api: &Api, busy: &str, round: u64, kill: impl AsyncFnOnce(&mut Rng)) -> Vec<Write> {
    let mut rng = Rng::with_seed(round);
    let (acknowledged, done) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (api, busy, mut rng) = (api.clone(), busy.to_owned(), rng.fork());
            let (acknowledged, done) = (Arc::clone(&acknowledged), Arc::clone(&done));
            tokio::spawn(async move {
                let mut writes = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    let number = writes.len();
                    let updated = ((client + number) % 2 == 0).then_some(&*busy);
                    let mut write =
                        Write::new(format!("{round}-{client}-{number}"), updated, &mut rng);
                    write.acknowledged = write.send(&api).await;
                    if write.acknowledged.is_some() {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    writes.push(write);
                }
                writes
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
    let mut writes = Vec::new();
    for client in clients {
        writes.extend(client.await.unwrap());
    }
    writes
}

/// Asserts that every acknowledged write is readable, and that a retry of every write succeeds with
/// the same customization. Returns the customization of each key.
async fn assert_durable(api: &Api, writes: Vec<Write>) -> BTreeMap<String, String> {
    let checks = writes.into_iter().map(|write| {
        let api = api.clone();
        tokio::spawn(async move {
            if let Some(id) = &write.acknowledged {
                write.assert_readable(&api, id).await;
            }
            let id = write.send(&api).await.expect("the retry succeeds");
            assert_eq!(write.acknowledged.as_ref().unwrap_or(&id), &id);
            write.assert_readable(&api, &id).await;
            (write.key, id)
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

/// Asserts that the stores hold exactly these writes, consistently: one customization for each key
/// of a create, and one version of `busy` for each key of an update.
fn assert_stored(contents: &Contents, busy: &str, customizations: &BTreeMap<String, String>) {
    contents.assert_consistent();
    let updates = customizations.values().filter(|id| *id == busy).count();
    let mut expected: Vec<_> = customizations
        .values()
        .map(String::as_str)
        .filter(|id| *id != busy)
        .chain([busy])
        .collect();
    expected.sort_unstable();
    let stored = contents.customizations(SAMPLE_CATALOG);
    let version = stored[busy]["version"].as_s().unwrap().clone();
    assert_eq!(version, format!("v{}", 1 + updates));
    assert_eq!(stored.into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(contents.idempotency_records(SAMPLE_CATALOG).len(), customizations.len());
}

/// The data directory of a stack in a test's directory.
fn data_dir(directory: &TempDir) -> String {
    directory.path().join("data").to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_stack_keeps_every_acknowledged_write() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = data_dir(&directory);
    let start = async || Local::start(&["--port", "0", "--data-dir", &data_dir]).await;
    let api = |stack: &Local| Api::new(stack.url.clone(), Token::default());
    let mut customizations = BTreeMap::new();
    let mut stack = start().await;
    let busy = api(&stack).create(Form::upload()).await.id();
    for round in 0..STACK_ROUNDS {
        let writes = burst(&api(&stack), &busy, round, async |_| {
            let processes = [vec![stack.pid()], process::children(stack.pid())].concat();
            join_all(processes.into_iter().map(process::kill)).await;
        })
        .await;
        stack = start().await;
        customizations.extend(assert_durable(&api(&stack), writes).await);
    }
    stack.process.kill().await.unwrap();
    let stack = TestStack::start_on(directory).await;
    assert_stored(&stack.contents().await, &busy, &customizations);
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
async fn killed_stores_keep_every_acknowledged_write() {
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
    let busy = api.create(Form::upload()).await.id();
    let mut customizations = BTreeMap::new();
    for round in 0..STORE_ROUNDS {
        // In turn: the table alone, the bucket alone, both at once.
        let (kills_table, kills_bucket) = (round % 3 != 1, round % 3 != 0);
        let writes = burst(&api, &busy, round, async |_| {
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
        customizations.extend(assert_durable(&api, writes).await);
    }
    join_all([table, bucket].map(|stores| process::kill(stores.local.pid()))).await;
    let items = TestStack::start_on(table_dir).await.contents().await.items;
    let objects = TestStack::start_on(bucket_dir).await.contents().await.objects;
    assert_stored(&Contents { items, objects }, &busy, &customizations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_functions_leave_no_partial_writes() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let busy = api.create(Form::upload()).await.id();
    let mut customizations = BTreeMap::new();
    for round in 0..FUNCTION_ROUNDS {
        let writes = burst(&api, &busy, round, async |rng| {
            let functions = process::functions(&stack);
            process::kill(*rng.choice(&functions).expect("a function is running")).await;
        })
        .await;
        customizations.extend(assert_durable(&api, writes).await);
    }
    assert_stored(&stack.contents().await, &busy, &customizations);
}
