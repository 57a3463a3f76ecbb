//! What the clients were answered.

use std::{collections::BTreeMap, time::Duration};

use measure::{
    Outcome,
    samples::Samples,
    table::{self, Table},
};

/// How many failures are told word by word.
const TOLD: usize = 5;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    /// `POST …/customizations`
    Create,
    /// `GET …/customizations/{customization_id}`
    Get,
    /// `GET …/files/{digest}`
    File,
}

impl Route {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::File => "get of a download link",
        }
    }
}

/// The answers of a route.
#[derive(Debug, Default)]
struct Answers {
    times: Samples,
    failures: u64,
}

/// The answers of all routes.
#[derive(Debug, Default)]
pub(super) struct Results {
    routes: BTreeMap<Route, Answers>,
    /// The first failures.
    told: Vec<String>,
}

impl Results {
    pub(super) fn succeed(&mut self, route: Route, time: Duration) {
        self.routes.entry(route).or_default().times.push(time);
    }

    pub(super) fn fail(&mut self, route: Route, why: &str) {
        self.routes.entry(route).or_default().failures += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("{}: {why}", route.name()));
        }
    }

    /// Adds another client's.
    pub(super) fn add(&mut self, other: Self) {
        for (route, Answers { times, failures }) in other.routes {
            let answers = self.routes.entry(route).or_default();
            answers.times.extend(times);
            answers.failures += failures;
        }
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// All routes, over the time that all of it took.
    pub(super) fn table(&self, time: Duration) -> Table<8> {
        let header = ["route", "answers", "errors", "answers / s", "p50", "p90", "p99", "longest"];
        let mut table = Table::new(header);
        let mut all = Answers::default();
        for (route, answers) in &self.routes {
            table.row(row(route.name(), answers, time));
            all.times.extend(answers.times.clone());
            all.failures += answers.failures;
        }
        table.row(row("all", &all, time));
        table
    }

    /// An error if there were any.
    pub(super) fn verdict(&self) -> Outcome {
        if self.told.is_empty() { Ok(()) } else { Err(self.told.join("\n").into()) }
    }
}

fn row(name: &str, answers: &Answers, time: Duration) -> [String; 8] {
    let Answers { times, failures } = answers;
    #[expect(clippy::cast_precision_loss, reason = "no such number of requests is reached")]
    let rate = times.len() as f64 / time.as_secs_f64();
    let at = |percent| table::time(times.percentile(percent));
    let count = times.len().to_string();
    [
        name.to_owned(),
        count,
        failures.to_string(),
        format!("{rate:.0}"),
        at(50),
        at(90),
        at(99),
        at(100),
    ]
}
