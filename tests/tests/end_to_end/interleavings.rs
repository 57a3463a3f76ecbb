//! Model-based test: random concurrent requests, imports and reports of the pipeline, compared with
//! a model in memory.
//!
//! Steps run in rounds. The steps of a round run concurrently. The responses to its writes must be
//! those of some sequential order; a read may show each concurrent change or not. After each round
//! the test reads the outcome into the model.
//!
//! `SEED=NUMBER` runs one seed, `SEED=random` a new one; the test prints the seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use admin::{
    pipeline::{self, BuildReport, Target},
    records::{self, Record},
};
use archive_builder::Tarball;
use bytes::Bytes;
use fastrand::Rng;
use http::Method;
use local::catalog::SAMPLE_ORGANIZATION;
use serde_json::{Value, from_value, json};
use shared::{
    domain::{BuildStatus, CustomizationStatus, Digest, Version},
    storage::Table,
};
use tests::{
    api::{Api, Problem, Response},
    form::Form,
    stack::{DEBIAN, REGISTRY, TestStack},
};

const CATALOG: &str = "interleaved";

/// Fixed default seeds, so that CI does not fail at random.
const SEEDS: [u64; 3] = [1, 2, 3];

/// The number of rounds for each seed.
const ROUNDS: usize = 60;

/// The maximum number of concurrent steps.
const MAX_CONCURRENT_STEPS: usize = 8;

/// The number of idempotency keys that creates share, and that updates share.
const KEYS: usize = 20;

/// The number of different files.
const FILES: usize = 3;

/// The number of customizations that most steps change, so that they meet.
const BUSY_CUSTOMIZATIONS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Create { key: Option<usize>, file: usize, way: Way },
    Update { id: String, key: Option<usize>, file: usize },
    Rename { id: String, name: String },
    Remove { id: String },
    Get { id: String },
    List,
    Import { application: usize },
    RecordBuild { id: String, application: usize, status: BuildStatus, version: Option<Version> },
    SetStatus { id: String, status: CustomizationStatus },
}

/// The way of a file to the service.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In a form.
    Form,
    /// Uploaded directly to S3.
    Direct,
}

#[derive(Debug)]
enum Outcome {
    Response(Response),
    Done,
}

/// Expected state of a customization.
#[derive(Clone, Debug)]
struct Customization {
    name: String,
    status: String,
    removed: bool,
    /// The file of each version, from the first to the current one.
    files: Vec<usize>,
    /// Build status by application, of the current version.
    builds: BTreeMap<usize, String>,
}

/// Expected content of the stores.
#[derive(Debug, Default)]
struct Model {
    /// File and response body by idempotency key of creates.
    keys: BTreeMap<usize, (usize, Bytes)>,
    /// Customization and file by idempotency key of updates.
    update_keys: BTreeMap<usize, (String, usize)>,
    customizations: BTreeMap<String, Customization>,
    applications: BTreeSet<usize>,
}

/// Changes of one customization in one round, in any order.
#[derive(Clone, Debug, Default)]
struct Change {
    /// The files of new versions.
    files: Vec<usize>,
    names: BTreeSet<String>,
    statuses: BTreeSet<String>,
    removed: bool,
    /// Build status by application.
    builds: BTreeMap<usize, BTreeSet<String>>,
}

/// Changes in one round, in any order.
#[derive(Debug, Default)]
struct Changes {
    applications: BTreeSet<usize>,
    customizations: BTreeMap<String, Change>,
}

fn application_id(application: usize) -> String {
    format!("application-{application}")
}

fn content(file: usize) -> Vec<u8> {
    Tarball::new().file("file", file.to_string().as_bytes()).gzip()
}

fn form(file: usize) -> Form {
    Form::new().file("certs.tar.gz", &content(file))
}

fn record(application: usize) -> Record {
    let application = json!({
        "application_id": application_id(application),
        "product_key": "apache_kafka", "branch": application.to_string(),
        "base_image_id": DEBIAN, "registry_id": REGISTRY,
    });
    Record::Application {
        catalog_id: CATALOG.parse().unwrap(),
        application: from_value(application).unwrap(),
    }
}

fn target(id: &str, version: Option<Version>) -> Target {
    Target { catalog_id: CATALOG.parse().unwrap(), customization_id: id.parse().unwrap(), version }
}

/// Returns true for the statuses that a removed customization can have.
fn is_of_removal(status: &str) -> bool {
    status == "DELETED" || status.starts_with("PROCESSING_DELETE_")
}

impl Step {
    fn random(rng: &mut Rng, model: &Model) -> Self {
        let newest: Vec<_> = model.customizations.keys().rev().take(BUSY_CUSTOMIZATIONS).collect();
        let applications: Vec<_> = model.applications.iter().copied().collect();
        let Some(id) = rng.choice(&newest).map(|id| (*id).clone()) else {
            return Self::Create { key: None, file: rng.usize(..FILES), way: Way::Form };
        };
        let key = rng.bool().then(|| rng.usize(..KEYS));
        match (rng.choice(&applications), rng.u8(..20)) {
            (_, 0..3) => Self::Get { id },
            (_, 3) => Self::List,
            (Some(&application), 4..7) => {
                let current = model.customizations[&id].files.len();
                let version = format!("v{}", rng.usize(1..=current)).parse().unwrap();
                Self::RecordBuild {
                    id,
                    application,
                    status: rng.choice([BuildStatus::SUCCEEDED, BuildStatus::FAILED]).unwrap(),
                    version: rng.bool().then_some(version),
                }
            }
            (_, 7) => Self::SetStatus {
                id,
                status: CustomizationStatus::from(
                    (*rng.choice(CustomizationStatus::KNOWN).unwrap()).to_owned(),
                ),
            },
            (_, 8) => Self::Import { application: rng.usize(..40) },
            (_, 9..13) => Self::Update { id, key, file: rng.usize(..FILES) },
            (_, 13..15) => Self::Rename { id, name: format!("name-{}", rng.usize(..1000)) },
            (_, 15) => Self::Remove { id },
            _ => {
                let way = rng.choice([Way::Form, Way::Direct]).unwrap();
                Self::Create { key, file: rng.usize(..FILES), way }
            }
        }
    }

    async fn run(self, api: Api, table: Table) -> Outcome {
        let with_key = |key: Option<usize>, kind: &str| match key {
            Some(key) => api.header("idempotency-key", &format!("{kind}-{key}")),
            None => api.clone(),
        };
        match self {
            Self::Create { key, file, way: Way::Form } => {
                let api = with_key(key, "create");
                Outcome::Response(api.create_in(CATALOG, form(file)).await)
            }
            Self::Create { key, file, way: Way::Direct } => {
                let api = with_key(key, "create");
                Outcome::Response(create_directly(&api, &content(file)).await)
            }
            Self::Update { id, key, file } => {
                let api = with_key(key, "update");
                Outcome::Response(api.update_in(CATALOG, &id, form(file)).await)
            }
            Self::Rename { id, name } => {
                let form = Form::new().text("name", &name);
                Outcome::Response(api.update_in(CATALOG, &id, form).await)
            }
            Self::Remove { id } => Outcome::Response(api.remove_in(CATALOG, &id).await),
            Self::Get { id } => Outcome::Response(get(&api, &id).await),
            Self::List => Outcome::Response(list(&api, "page_size=100").await),
            Self::Import { application } => {
                records::write(&table, &[record(application)], |_| {}).await.unwrap();
                Outcome::Done
            }
            Self::RecordBuild { id, application, status, version } => {
                let application_id = application_id(application).parse().unwrap();
                let report = BuildReport { application_id, status, failure: None };
                pipeline::record_build(&table, &target(&id, version), report).await.unwrap();
                Outcome::Done
            }
            Self::SetStatus { id, status } => {
                pipeline::set_status(&table, &target(&id, None), &status, "x").await.unwrap();
                Outcome::Done
            }
        }
    }
}

async fn get(api: &Api, id: &str) -> Response {
    api.get(&format!("/v1/catalogs/{CATALOG}/customizations/{id}")).await
}

/// Uploads a file directly, and creates a customization from it.
async fn create_directly(api: &Api, file: &[u8]) -> Response {
    let sha256 = Digest::of(file).to_string();
    let post = async |api: &Api, path: &str, body: Value| {
        let api = api.header("content-type", "application/json");
        let path = format!("/v1/catalogs/{CATALOG}/{path}");
        api.send(Method::POST, &path, body.to_string().into_bytes()).await
    };
    // An idempotency key is only for the create.
    let started = api.without("idempotency-key");
    let started = post(&started, "uploads", json!({"sha256": sha256, "size": file.len()})).await;
    if started.status == 201 {
        let put = api.put_upload(&started.json()["upload"], file).await;
        assert!(matches!(put.status, 200 | 412), "{}", put.status);
    }
    post(api, "customizations", json!({"sha256": sha256, "filename": "certs.tar.gz"})).await
}

async fn list(api: &Api, query: &str) -> Response {
    api.get(&format!("/v1/catalogs/{CATALOG}/customizations?{query}")).await
}

/// The identifiers of a list's items.
fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

impl Changes {
    fn of(&mut self, id: &str) -> &mut Change {
        self.customizations.entry(id.to_owned()).or_default()
    }
}

impl Model {
    /// The changes of a round, given the responses to its writes.
    fn changes(&self, round: &[(Step, Outcome)]) -> Changes {
        let mut changes = Changes::default();
        let mut new_keys = BTreeSet::new();
        for (step, outcome) in round {
            let succeeded = matches!(outcome, Outcome::Response(Response { status: 204, .. }));
            match step {
                Step::Update { id, key, file } if succeeded => {
                    let is_replay = key.is_some_and(|key| {
                        self.update_keys.contains_key(&key) || !new_keys.insert(key)
                    });
                    if !is_replay {
                        changes.of(id).files.push(*file);
                    }
                }
                Step::Rename { id, name } if succeeded => {
                    changes.of(id).names.insert(name.clone());
                }
                Step::Remove { id } => changes.of(id).removed = true,
                Step::Import { application } => {
                    changes.applications.insert(*application);
                }
                Step::RecordBuild { id, application, status, version } => {
                    let current = self.customizations[id].files.len();
                    // A report of an earlier version shows nowhere.
                    let is_late = version.is_some_and(|one| (one.number() as usize) < current);
                    let statuses = changes.of(id).builds.entry(*application).or_default();
                    if !is_late {
                        statuses.insert(status.as_str().to_owned());
                    }
                }
                Step::SetStatus { id, status } => {
                    let change = changes.of(id);
                    change.statuses.insert(status.as_str().to_owned());
                    change.removed |= *status == CustomizationStatus::DELETED;
                }
                Step::Update { .. }
                | Step::Rename { .. }
                | Step::Create { .. }
                | Step::Get { .. }
                | Step::List => {}
            }
        }
        changes
    }

    /// Asserts that some order of the round's creates has these responses, and adds the created
    /// customizations.
    fn apply_creates(&mut self, round: &[(Step, Outcome)]) {
        let creates = || {
            round.iter().filter_map(|(step, outcome)| match (step, outcome) {
                (Step::Create { key, file, .. }, Outcome::Response(response)) => {
                    Some((*key, *file, response))
                }
                _ => None,
            })
        };
        // An unused key belongs to a create with status 201. The second loop checks the others.
        for (key, file, response) in creates() {
            if let (Some(key), 201) = (key, response.status)
                && !self.keys.contains_key(&key)
            {
                self.keys.insert(key, (file, response.body.clone()));
                self.add(file, response);
            }
        }
        for (key, file, response) in creates() {
            match key.map(|key| &self.keys[&key]) {
                None => self.add(file, response),
                Some((first_file, body)) if *first_file == file => {
                    assert_eq!((response.status, &response.body), (201, body));
                }
                Some(_) => response.assert_problem(&Problem::KEY_REUSED),
            }
        }
    }

    fn add(&mut self, file: usize, created: &Response) {
        let customization = Customization {
            name: "certs".to_owned(),
            status: "CREATED".to_owned(),
            removed: false,
            files: vec![file],
            builds: BTreeMap::new(),
        };
        let replaced = self.customizations.insert(created.id(), customization);
        assert!(replaced.is_none(), "an id is new");
    }

    /// Asserts that some order of the round's changes has these responses, and adds their keys.
    fn apply_updates(&mut self, round: &[(Step, Outcome)], changes: &Changes) {
        let old_keys: BTreeSet<_> = self.update_keys.keys().copied().collect();
        for (step, outcome) in round {
            if let (
                Step::Update { id, key: Some(key), file },
                Outcome::Response(Response { status: 204, .. }),
            ) = (step, outcome)
            {
                self.update_keys.entry(*key).or_insert((id.clone(), *file));
            }
        }
        for (step, outcome) in round {
            let Outcome::Response(response) = outcome else { continue };
            // Whether the key is used for this update, and whether it was before the round.
            let (id, used, is_old) = match step {
                Step::Update { id, key, file } => {
                    let used = key.and_then(|key| self.update_keys.get(&key));
                    let is_old = key.is_some_and(|key| old_keys.contains(&key));
                    (id, used.map(|used| *used == (id.clone(), *file)), is_old)
                }
                Step::Rename { id, .. } => (id, None, false),
                Step::Remove { .. } => {
                    response.assert_no_content();
                    continue;
                }
                _ => continue,
            };
            let removed_before = self.customizations[id].removed;
            let removed_now = changes.customizations.get(id).is_some_and(|change| change.removed);
            let is_removed = removed_before || (removed_now && response.status == 409);
            match used {
                // An update that was refused before another one used the key.
                Some(false) if !is_old && is_removed && response.status == 409 => {
                    response.assert_problem(&Problem::CUSTOMIZATION_REMOVED);
                }
                Some(false) => response.assert_problem(&Problem::KEY_REUSED),
                None if is_removed => response.assert_problem(&Problem::CUSTOMIZATION_REMOVED),
                Some(true) | None => response.assert_no_content(),
            }
        }
    }

    /// Asserts that a customization equals the model's, with or without each change of the round.
    fn assert_possible(&self, id: &str, body: &Value, changes: &Changes) {
        let before = &self.customizations[id];
        let no_change = Change::default();
        let change = changes.customizations.get(id).unwrap_or(&no_change);
        assert_eq!(body["id"], id);
        let name = body["name"].as_str().unwrap();
        assert!(name == before.name || change.names.contains(name), "{name} of {id}: {changes:?}");

        let version: Version = body["version"].as_str().unwrap().parse().unwrap();
        let new_versions = (version.number() as usize).checked_sub(before.files.len());
        let new_versions = new_versions.expect("a version is never undone");
        assert!(new_versions <= change.files.len(), "{version} of {id}: {before:?}, {changes:?}");

        let status = body["status"].as_str().unwrap();
        let removed = body["removed_at"].is_string();
        assert!(removed || !before.removed, "a removal is never undone");
        assert!(!removed || before.removed || change.removed, "{id} is removed");
        assert!(!removed || is_of_removal(status), "{status} of the removed {id}");
        let is_new = change.statuses.contains(status)
            || (new_versions > 0 && status == "UPDATED")
            || (removed && status == "DELETED");
        assert!(is_new || status == before.status, "{status} of {id}: {before:?}, {changes:?}");

        let releasables = body["affected_releasables"].as_array().unwrap();
        let found: BTreeMap<_, _> = releasables
            .iter()
            .map(|one| (one["application_id"].as_str().unwrap(), one["status"].as_str().unwrap()))
            .collect();
        assert_eq!(found.len(), releasables.len(), "no duplicates");
        let possible: BTreeSet<_> = self.applications.union(&changes.applications).collect();
        assert!(found.len() <= possible.len(), "{found:?}");
        for &&application in &possible {
            let name = application_id(application);
            let Some(status) = found.get(&*name) else {
                assert!(!self.applications.contains(&application), "{name} is missing");
                continue;
            };
            let status_before = match before.builds.get(&application) {
                Some(status) if new_versions == 0 => status,
                _ => "PENDING",
            };
            let is_new = change.builds.get(&application).is_some_and(|all| all.contains(*status));
            assert!(is_new || *status == status_before, "{status} of {name}: {id}, {changes:?}");
        }
    }

    /// Asserts that the state after a round is that after all its changes, and replaces the model's
    /// state by it. `versions` are those that the API lists.
    fn update(&mut self, id: &str, body: &Value, versions: &Value, change: &Change) {
        let customization = self.customizations.get_mut(id).unwrap();
        let name = body["name"].as_str().unwrap();
        assert!(change.names.is_empty() || change.names.contains(name), "{name}: {change:?}");
        name.clone_into(&mut customization.name);
        body["status"].as_str().unwrap().clone_into(&mut customization.status);
        customization.removed |= change.removed;
        assert_eq!(body["removed_at"].is_string(), customization.removed, "{id}: {change:?}");

        let digests: Vec<_> =
            (0..FILES).map(|file| Digest::of(&content(file)).to_string()).collect();
        let versions = versions["items"].as_array().unwrap();
        let mut files = Vec::new();
        for (number, version) in (1..).zip(versions.iter().rev()) {
            assert_eq!(version["version"], format!("v{number}"));
            let digest = version["artifact"]["id"].as_str().unwrap();
            files.push(digests.iter().position(|known| known == digest).unwrap());
        }
        let (earlier, new) = files.split_at(customization.files.len());
        assert_eq!(earlier, customization.files, "earlier versions of {id} stay");
        let (mut new, mut expected) = (new.to_vec(), change.files.clone());
        new.sort_unstable();
        expected.sort_unstable();
        assert_eq!(new, expected, "every new version of {id} is there once");
        assert_eq!(body["version"], format!("v{}", files.len()));
        assert_eq!(body["artifact"]["id"], digests[*files.last().unwrap()]);
        if change.statuses.is_empty() && !change.removed && !change.files.is_empty() {
            assert_eq!(body["status"], "UPDATED");
        }
        customization.files = files;

        customization.builds.clear();
        for application in &self.applications {
            let releasables = body["affected_releasables"].as_array().unwrap();
            let name = application_id(*application);
            let one = releasables.iter().find(|one| one["application_id"] == name).unwrap();
            customization.builds.insert(*application, one["status"].as_str().unwrap().to_owned());
        }
    }

    /// Asserts that the lists of all and of active customizations are those of the model.
    async fn assert_listed(&self, api: &Api) {
        const PAGE_SIZE: usize = 7;

        for (query, active) in [("", false), ("active=true&", true)] {
            let expected: Vec<_> = self
                .customizations
                .iter()
                .rev()
                .filter(|(_, customization)| !(active && customization.removed))
                .collect();
            let pages = expected.len().div_ceil(PAGE_SIZE);
            for page in 1..=pages + 1 {
                let query = format!("{query}page={page}&page_size={PAGE_SIZE}");
                let body = list(api, &query).await.json();
                assert_eq!(body["total_size"], expected.len());
                assert_eq!(body["total_pages"], pages);
                let items = body["items"].as_array().unwrap();
                let expected = expected.iter().skip((page - 1) * PAGE_SIZE).take(PAGE_SIZE);
                let expected: Vec<_> = expected.collect();
                assert_eq!(items.len(), expected.len(), "{query}");
                for (item, (id, customization)) in items.iter().zip(expected) {
                    assert_eq!(item["id"], **id, "newest first");
                    assert_eq!(item["name"], customization.name);
                    assert_eq!(item["status"], customization.status);
                    assert_eq!(item["version"], format!("v{}", customization.files.len()));
                }
            }
        }
    }
}

/// The default seeds, or the one in the variable `SEED`.
fn seeds() -> Vec<u64> {
    match env::var("SEED").as_deref() {
        Ok("random") => vec![fastrand::u64(..)],
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => SEEDS.to_vec(),
    }
}

#[tokio::test]
async fn concurrent_steps_agree_with_a_sequential_model() {
    for seed in seeds() {
        println!("SEED={seed}");
        run_rounds(seed).await;
    }
}

async fn run_rounds(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let stack = TestStack::start().await;
    let (api, table) = (stack.api(), stack.table());
    let catalog = json!({"id": CATALOG, "org_id": SAMPLE_ORGANIZATION});
    let catalog = Record::Catalog(from_value(catalog).unwrap());
    records::write(&table, &[catalog], |_| {}).await.unwrap();

    let mut model = Model::default();
    for _ in 0..ROUNDS {
        let steps: Vec<_> = (0..rng.usize(1..=MAX_CONCURRENT_STEPS))
            .map(|_| Step::random(&mut rng, &model))
            .collect();
        println!("{steps:?}");
        let tasks: Vec<_> = steps
            .iter()
            .map(|step| tokio::spawn(step.clone().run(api.clone(), table.clone())))
            .collect();
        let mut round = Vec::new();
        for (step, task) in steps.into_iter().zip(tasks) {
            round.push((step, task.await.unwrap()));
        }

        let changes = model.changes(&round);
        let known: Vec<_> = model.customizations.keys().cloned().collect();
        for (step, outcome) in &round {
            if let (Step::Get { id }, Outcome::Response(response)) = (step, outcome) {
                assert_eq!(response.status, 200, "{:?}", response.body);
                model.assert_possible(id, &response.json(), &changes);
            }
        }
        model.apply_creates(&round);
        for (step, outcome) in &round {
            if let (Step::List, Outcome::Response(response)) = (step, outcome) {
                let body = response.json();
                let listed: BTreeSet<_> = ids(&body).into_iter().collect();
                assert!(ids(&body).is_sorted_by(|one, next| one > next), "newest first");
                assert!(known.iter().all(|id| listed.contains(&**id)), "none is missing");
                assert!(listed.iter().all(|id| model.customizations.contains_key(*id)));
            }
        }
        model.apply_updates(&round, &changes);
        let mut states = BTreeMap::new();
        for id in changes.customizations.keys() {
            let body = get(&api, id).await.json();
            model.assert_possible(id, &body, &changes);
            let path = format!("/v1/catalogs/{CATALOG}/customizations/{id}/versions");
            states.insert(id, (body, api.get(&path).await.json()));
        }
        model.applications.extend(&changes.applications);
        for (id, (body, versions)) in states {
            model.update(id, &body, &versions, &changes.customizations[id]);
        }
    }

    for id in model.customizations.keys() {
        model.assert_possible(id, &get(&api, id).await.json(), &Changes::default());
    }
    model.assert_listed(&api).await;
    let contents = stack.contents().await;
    contents.assert_consistent();
    let ids: Vec<_> = model.customizations.keys().map(String::as_str).collect();
    assert_eq!(contents.customizations(CATALOG).into_keys().collect::<Vec<_>>(), ids);
    let keys = model.keys.len() + model.update_keys.len();
    assert_eq!(contents.idempotency_records(CATALOG).len(), keys);
}
