//! From a process's start to its first event, and to its first answer.

use std::time::Duration;

use local::function::Deployment;
use measure::{Outcome, archive::Archive, samples::Samples};
use serde_json::json;

use super::{
    Bench,
    deployed::Running,
    report::{Baseline, Report},
};
use crate::{answer, catalogs, progress};

/// How often each is started.
const ROUNDS: u32 = 90;

/// How long a start may take, in times of the bare function's; and a get's with its first answer.
const START: f64 = 2.0;
const FIRST_GET: f64 = 3.0;

/// How long each start of a function took.
#[derive(Debug, Default)]
struct Starts {
    /// Until it asked for an event.
    event: Samples,
    /// Until it had answered it.
    answer: Samples,
}

impl Starts {
    async fn add(&mut self, function: &Deployment, event: &[u8], status: u16) -> Outcome<String> {
        let mut running = Running::start(function).await?;
        let init: Duration = running.init();
        let (first, body) = running.answer(event.to_vec(), status).await?;
        self.event.push(init);
        self.answer.push(init + first);
        Ok(body)
    }
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let Bench { functions, caller, .. } = bench;
    let archive = Archive::SMALL.bytes()?;
    let upload = caller.create(&archive, Some(&json!({ "product_key": catalogs::WANTED })))?;
    let created = Starts::default().add(&functions.create, &upload, 201).await?;
    let read = caller.get(&answer::text(&created, "/id")?)?;

    let mut turns = [
        (&functions.bare, &read, 200, Starts::default()),
        (&functions.create, &upload, 201, Starts::default()),
        (&functions.get, &read, 200, Starts::default()),
    ];
    let rounds = bench.rounds(ROUNDS);
    let bar = progress::bar("starting the functions", rounds.into());
    for _ in 0..rounds {
        for (function, event, status, starts) in &mut turns {
            starts.add(function, event, *status).await?;
        }
        // What one leaves to the stores to do slows another one each time.
        turns.rotate_left(1);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let turned = rounds as usize % turns.len();
    turns.rotate_right(turned);
    let [(.., bare), (.., create), (.., get)] = turns;

    let name = "bare function";
    let to_event = Baseline { name, samples: &bare.event, target: Some(START) };
    let to_answer = Baseline { name, samples: &bare.answer, target: None };
    report.ratio("create: start → first event asked for", &create.event, to_event);
    report.ratio("get: start → first event asked for", &get.event, to_event);
    report.ratio("create, 1 KB: start → first answer", &create.answer, to_answer);
    let to_answer = Baseline { target: Some(FIRST_GET), ..to_answer };
    report.ratio("get: start → first answer", &get.answer, to_answer);
    Ok(())
}
