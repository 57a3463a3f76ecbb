//! Creates, retries, gets, imports and build results at the same time, in an order that chance
//! makes, against a model in memory.
//!
//! Steps are taken in rounds: those of one round run at once, and what they answer must be what
//! some order of them would. After each round the model knows what came of it, to the letter.

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
    api::{Answer, Api, Problem},
    form::Form,
    stack::{DEBIAN, REGISTRY, TestStack},
};

const CATALOG: &str = "interleaved";

/// What the gate draws from: it must not fail by chance.
const SEEDS: [u64; 3] = [1, 2, 3];

/// How many rounds each seed makes.
const ROUNDS: usize = 60;

/// How many steps are taken at once, at most.
const WIDTH: usize = 8;

/// How many idempotency keys, and how many different requests, there are to mix up.
const KEYS: usize = 20;
const REQUESTS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Sends a request, perhaps under a key.
    Create {
        key: Option<usize>,
        request: usize,
    },
    Get {
        id: String,
    },
    Import {
        application: usize,
    },
    RecordBuild {
        id: String,
        application: usize,
        status: BuildStatus,
    },
    SetStatus {
        id: String,
        status: CustomizationStatus,
    },
}

#[derive(Debug)]
enum Outcome {
    Answer(Answer),
    Done,
}

/// What became of a customization.
#[derive(Clone, Debug)]
struct Known {
    status: String,
    builds: BTreeMap<usize, String>,
}

/// What must be in the stores.
#[derive(Debug, Default)]
struct Model {
    /// The request that each used key came with, and the body that it was answered.
    keys: BTreeMap<usize, (usize, Bytes)>,
    customizations: BTreeMap<String, Known>,
    applications: BTreeSet<usize>,
}

/// What one round may have changed.
#[derive(Debug, Default)]
struct Changes {
    applications: BTreeSet<usize>,
    builds: BTreeMap<(String, usize), BTreeSet<String>>,
    statuses: BTreeMap<String, BTreeSet<String>>,
}

fn application_id(application: usize) -> String {
    format!("application-{application}")
}

fn upload(request: usize) -> Form {
    let file = Tarball::new().file("request", request.to_string().as_bytes()).gzip();
    Form::new().file("certs.tar.gz", &file)
}

fn import(application: usize) -> Record {
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
    fn any(rng: &mut Rng, model: &Model) -> Self {
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

    async fn take(self, api: Api, table: Table) -> Outcome {
        let catalog = CATALOG.parse().unwrap();
        match self {
            Self::Create { key: Some(key), request } => {
                let api = api.header("idempotency-key", &format!("key-{key}"));
                Outcome::Answer(api.create_in(CATALOG, upload(request)).await)
            }
            Self::Create { key: None, request } => {
                Outcome::Answer(api.create_in(CATALOG, upload(request)).await)
            }
            Self::Get { id } => Outcome::Answer(get(&api, &id).await),
            Self::Import { application } => {
                records::write(&table, &[import(application)], |_| {}).await.unwrap();
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

async fn get(api: &Api, id: &str) -> Answer {
    api.get(&format!("/v1/catalogs/{CATALOG}/customizations/{id}")).await
}

impl Changes {
    fn of(steps: &[Step]) -> Self {
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
    /// Takes in what a round's creates were answered, if some order of them answers so.
    fn create(&mut self, round: &[(Step, Outcome)]) {
        let creates = || {
            round.iter().filter_map(|(step, outcome)| match (step, outcome) {
                (Step::Create { key, request }, Outcome::Answer(answer)) => {
                    Some((*key, *request, answer))
                }
                _ => None,
            })
        };
        // Of those that come first under a key, the one that is answered 201 has it.
        for (key, request, answer) in creates() {
            if let (Some(key), 201) = (key, answer.status)
                && !self.keys.contains_key(&key)
            {
                self.keys.insert(key, (request, answer.body.clone()));
                self.add(answer);
            }
        }
        for (key, request, answer) in creates() {
            match key.map(|key| &self.keys[&key]) {
                None => self.add(answer),
                Some((known, body)) if *known == request => {
                    assert_eq!((answer.status, &answer.body), (201, body));
                }
                Some(_) => answer.assert_problem(&Problem::KEY_REUSED),
            }
        }
    }

    fn add(&mut self, created: &Answer) {
        let known = Known { status: "CREATED".to_owned(), builds: BTreeMap::new() };
        assert!(self.customizations.insert(created.id(), known).is_none(), "an id is new");
    }

    /// Asserts that a customization is as the model has it, give or take what the round changes.
    fn assert_possible(&self, id: &str, body: &Value, changes: &Changes) {
        let known = &self.customizations[id];
        assert_eq!(body["id"], id);
        let status = body["status"].as_str().unwrap();
        let new = changes.statuses.get(id).is_some_and(|all| all.contains(status));
        assert!(new || status == known.status, "{status} of {id}: {known:?}, {changes:?}");

        let releasables = body["affected_releasables"].as_array().unwrap();
        let found: BTreeMap<_, _> = releasables
            .iter()
            .map(|one| (one["application_id"].as_str().unwrap(), one["status"].as_str().unwrap()))
            .collect();
        assert_eq!(found.len(), releasables.len(), "none twice");
        let possible: BTreeSet<_> = self.applications.union(&changes.applications).collect();
        assert!(found.len() <= possible.len(), "{found:?}");
        for &&application in &possible {
            let name = application_id(application);
            let Some(status) = found.get(&*name) else {
                assert!(!self.applications.contains(&application), "{name} is missing");
                continue;
            };
            let before = known.builds.get(&application).map_or("PENDING", String::as_str);
            let new = changes.builds.get(&(id.to_owned(), application));
            let new = new.is_some_and(|all| all.contains(*status));
            assert!(new || *status == before, "{status} of {name} in {id}, {changes:?}");
        }
    }

    /// Takes over what a customization has become, which [is possible](Self::assert_possible).
    fn learn(&mut self, id: &str, body: &Value) {
        let known = self.customizations.get_mut(id).unwrap();
        body["status"].as_str().unwrap().clone_into(&mut known.status);
        for application in &self.applications {
            let releasables = body["affected_releasables"].as_array().unwrap();
            let name = application_id(*application);
            let one = releasables.iter().find(|one| one["application_id"] == name).unwrap();
            known.builds.insert(*application, one["status"].as_str().unwrap().to_owned());
        }
    }
}

/// The seeds to draw from: those of the gate, or what `SEED` says, a number or `random`.
fn seeds() -> Vec<u64> {
    match env::var("SEED").as_deref() {
        Ok("random") => vec![fastrand::u64(..)],
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => SEEDS.to_vec(),
    }
}

#[tokio::test]
async fn any_interleaving_ends_as_some_order_of_its_steps() {
    for seed in seeds() {
        println!("SEED={seed}");
        interleave(seed).await;
    }
}

async fn interleave(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let stack = TestStack::start().await;
    let (api, table) = (stack.api(), stack.table());
    let catalog = json!({"id": CATALOG, "org_id": SAMPLE_ORGANIZATION});
    let catalog = Record::Catalog(from_value(catalog).unwrap());
    records::write(&table, &[catalog], |_| {}).await.unwrap();

    let mut model = Model::default();
    for _ in 0..ROUNDS {
        let steps: Vec<_> =
            (0..rng.usize(1..=WIDTH)).map(|_| Step::any(&mut rng, &model)).collect();
        println!("{steps:?}");
        let changes = Changes::of(&steps);
        let taken: Vec<_> = steps
            .iter()
            .map(|step| tokio::spawn(step.clone().take(api.clone(), table.clone())))
            .collect();
        let mut round = Vec::new();
        for (step, outcome) in steps.into_iter().zip(taken) {
            round.push((step, outcome.await.unwrap()));
        }

        for (step, outcome) in &round {
            if let (Step::Get { id }, Outcome::Answer(answer)) = (step, outcome) {
                assert_eq!(answer.status, 200, "{:?}", answer.body);
                model.assert_possible(id, &answer.json(), &changes);
            }
        }
        model.create(&round);
        let mut learnt = BTreeMap::new();
        for id in changes.builds.keys().map(|(id, _)| id).chain(changes.statuses.keys()) {
            let body = get(&api, id).await.json();
            model.assert_possible(id, &body, &changes);
            learnt.insert(id, body);
        }
        model.applications.extend(&changes.applications);
        for (id, body) in learnt {
            model.learn(id, &body);
        }
    }

    for id in model.customizations.keys() {
        model.assert_possible(id, &get(&api, id).await.json(), &Changes::default());
    }
    let contents = stack.contents().await;
    contents.assert_whole();
    let ids: Vec<_> = model.customizations.keys().map(String::as_str).collect();
    assert_eq!(contents.customizations(CATALOG).into_keys().collect::<Vec<_>>(), ids);
    assert_eq!(contents.idempotency_records(CATALOG).len(), model.keys.len());
}
