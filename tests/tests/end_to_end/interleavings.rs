//! Model-based test: random concurrent creates, retries, gets, imports, build results and status
//! changes, compared with a model in memory.
//!
//! Steps run in rounds. The steps of a round run concurrently. The responses to its creates must be
//! those of some sequential order; a get may show each concurrent change or not. After each round
//! the test reads the outcome into the model.
//!
//! `SEED=NUMBER` runs one seed, `SEED=random` a new one; the test prints the seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use admin::{
    pipeline,
    records::{self, Record},
};
use archive_builder::Tarball;
use bytes::Bytes;
use fastrand::Rng;
use local::catalog::SAMPLE_ORGANIZATION;
use serde_json::{Value, from_value, json};
use shared::{
    domain::{BuildResult, BuildStatus, CustomizationStatus},
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

/// The number of idempotency keys that creates share.
const KEYS: usize = 20;

/// The number of different create requests.
const REQUESTS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Create { key: Option<usize>, request: usize },
    Get { id: String },
    Import { application: usize },
    RecordBuild { id: String, application: usize, status: BuildStatus },
    SetStatus { id: String, status: CustomizationStatus },
}

#[derive(Debug)]
enum Outcome {
    Response(Response),
    Done,
}

/// Expected state of a customization.
#[derive(Clone, Debug)]
struct Customization {
    status: String,
    /// Build status by application.
    builds: BTreeMap<usize, String>,
}

/// Expected content of the stores.
#[derive(Debug, Default)]
struct Model {
    /// Request and response body by idempotency key.
    keys: BTreeMap<usize, (usize, Bytes)>,
    customizations: BTreeMap<String, Customization>,
    applications: BTreeSet<usize>,
}

/// Changes that the steps of one round may make, in any order.
#[derive(Debug, Default)]
struct Changes {
    applications: BTreeSet<usize>,
    builds: BTreeMap<(String, usize), BTreeSet<String>>,
    statuses: BTreeMap<String, BTreeSet<String>>,
}

fn application_id(application: usize) -> String {
    format!("application-{application}")
}

fn form(request: usize) -> Form {
    let file = Tarball::new().file("request", request.to_string().as_bytes()).gzip();
    Form::new().file("certs.tar.gz", &file)
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

impl Step {
    fn random(rng: &mut Rng, model: &Model) -> Self {
        let ids: Vec<_> = model.customizations.keys().collect();
        let applications: Vec<_> = model.applications.iter().copied().collect();
        match (rng.choice(&ids), rng.choice(&applications), rng.u8(..10)) {
            (Some(id), _, 0..2) => Self::Get { id: (*id).clone() },
            (Some(id), Some(&application), 2..4) => Self::RecordBuild {
                id: (*id).clone(),
                application,
                status: rng.choice([BuildStatus::SUCCEEDED, BuildStatus::FAILED]).unwrap(),
            },
            (Some(id), _, 4) => Self::SetStatus {
                id: (*id).clone(),
                status: CustomizationStatus::from(
                    (*rng.choice(CustomizationStatus::KNOWN).unwrap()).to_owned(),
                ),
            },
            (_, _, 5) => Self::Import { application: rng.usize(..40) },
            (_, _, 6) => Self::Create { key: None, request: rng.usize(..REQUESTS) },
            _ => Self::Create { key: Some(rng.usize(..KEYS)), request: rng.usize(..REQUESTS) },
        }
    }

    async fn run(self, api: Api, table: Table) -> Outcome {
        let catalog = CATALOG.parse().unwrap();
        match self {
            Self::Create { key: Some(key), request } => {
                let api = api.header("idempotency-key", &format!("key-{key}"));
                Outcome::Response(api.create_in(CATALOG, form(request)).await)
            }
            Self::Create { key: None, request } => {
                Outcome::Response(api.create_in(CATALOG, form(request)).await)
            }
            Self::Get { id } => Outcome::Response(get(&api, &id).await),
            Self::Import { application } => {
                records::write(&table, &[record(application)], |_| {}).await.unwrap();
                Outcome::Done
            }
            Self::RecordBuild { id, application, status } => {
                let application_id = application_id(application).parse().unwrap();
                let result = BuildResult { application_id, status, failure: None };
                let id = id.parse().unwrap();
                pipeline::record_build(&table, &catalog, id, &result).await.unwrap();
                Outcome::Done
            }
            Self::SetStatus { id, status } => {
                let id = id.parse().unwrap();
                pipeline::set_status(&table, &catalog, id, &status, "x").await.unwrap();
                Outcome::Done
            }
        }
    }
}

async fn get(api: &Api, id: &str) -> Response {
    api.get(&format!("/v1/catalogs/{CATALOG}/customizations/{id}")).await
}

impl Changes {
    fn from_steps(steps: &[Step]) -> Self {
        let mut changes = Self::default();
        for step in steps {
            match step {
                Step::Import { application } => {
                    changes.applications.insert(*application);
                }
                Step::RecordBuild { id, application, status } => {
                    let builds = changes.builds.entry((id.clone(), *application)).or_default();
                    builds.insert(status.as_str().to_owned());
                }
                Step::SetStatus { id, status } => {
                    let statuses = changes.statuses.entry(id.clone()).or_default();
                    statuses.insert(status.as_str().to_owned());
                }
                Step::Create { .. } | Step::Get { .. } => {}
            }
        }
        changes
    }
}

impl Model {
    /// Asserts that some order of the round's creates has these responses, and adds the created
    /// customizations.
    fn apply_creates(&mut self, round: &[(Step, Outcome)]) {
        let creates = || {
            round.iter().filter_map(|(step, outcome)| match (step, outcome) {
                (Step::Create { key, request }, Outcome::Response(response)) => {
                    Some((*key, *request, response))
                }
                _ => None,
            })
        };
        // An unused key belongs to a create with status 201. The second loop checks the others.
        for (key, request, response) in creates() {
            if let (Some(key), 201) = (key, response.status)
                && !self.keys.contains_key(&key)
            {
                self.keys.insert(key, (request, response.body.clone()));
                self.add(response);
            }
        }
        for (key, request, response) in creates() {
            match key.map(|key| &self.keys[&key]) {
                None => self.add(response),
                Some((first_request, body)) if *first_request == request => {
                    assert_eq!((response.status, &response.body), (201, body));
                }
                Some(_) => response.assert_problem(&Problem::KEY_REUSED),
            }
        }
    }

    fn add(&mut self, created: &Response) {
        let customization = Customization { status: "CREATED".to_owned(), builds: BTreeMap::new() };
        let replaced = self.customizations.insert(created.id(), customization);
        assert!(replaced.is_none(), "an id is new");
    }

    /// Asserts that a customization equals the model's, with or without each change of the round.
    fn assert_possible(&self, id: &str, body: &Value, changes: &Changes) {
        let before = &self.customizations[id];
        assert_eq!(body["id"], id);
        let status = body["status"].as_str().unwrap();
        let is_new = changes.statuses.get(id).is_some_and(|all| all.contains(status));
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
            let status_before = before.builds.get(&application).map_or("PENDING", String::as_str);
            let is_new = changes.builds.get(&(id.to_owned(), application));
            let is_new = is_new.is_some_and(|all| all.contains(*status));
            assert!(is_new || *status == status_before, "{status} of {name}: {id}, {changes:?}");
        }
    }

    /// Replaces the model's state of a customization by the one that the API returns.
    fn update(&mut self, id: &str, body: &Value) {
        let customization = self.customizations.get_mut(id).unwrap();
        body["status"].as_str().unwrap().clone_into(&mut customization.status);
        for application in &self.applications {
            let releasables = body["affected_releasables"].as_array().unwrap();
            let name = application_id(*application);
            let one = releasables.iter().find(|one| one["application_id"] == name).unwrap();
            customization.builds.insert(*application, one["status"].as_str().unwrap().to_owned());
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
        let changes = Changes::from_steps(&steps);
        let tasks: Vec<_> = steps
            .iter()
            .map(|step| tokio::spawn(step.clone().run(api.clone(), table.clone())))
            .collect();
        let mut round = Vec::new();
        for (step, task) in steps.into_iter().zip(tasks) {
            round.push((step, task.await.unwrap()));
        }

        for (step, outcome) in &round {
            if let (Step::Get { id }, Outcome::Response(response)) = (step, outcome) {
                assert_eq!(response.status, 200, "{:?}", response.body);
                model.assert_possible(id, &response.json(), &changes);
            }
        }
        model.apply_creates(&round);
        let mut bodies = BTreeMap::new();
        for id in changes.builds.keys().map(|(id, _)| id).chain(changes.statuses.keys()) {
            let body = get(&api, id).await.json();
            model.assert_possible(id, &body, &changes);
            bodies.insert(id, body);
        }
        model.applications.extend(&changes.applications);
        for (id, body) in bodies {
            model.update(id, &body);
        }
    }

    for id in model.customizations.keys() {
        model.assert_possible(id, &get(&api, id).await.json(), &Changes::default());
    }
    let contents = stack.contents().await;
    contents.assert_consistent();
    let ids: Vec<_> = model.customizations.keys().map(String::as_str).collect();
    assert_eq!(contents.customizations(CATALOG).into_keys().collect::<Vec<_>>(), ids);
    assert_eq!(contents.idempotency_records(CATALOG).len(), model.keys.len());
}
