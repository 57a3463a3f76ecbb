//! What a get costs, and how that grows with the catalog.

use measure::{Outcome, archive::Archive, event::Caller, samples::Samples, table};
use serde_json::{Value, json};

use super::{
    Bench, LARGE, MEDIUM, SMALL,
    deployed::Running,
    report::{Baseline, Report},
};
use crate::{answer, catalogs, progress};

/// How often each customization is read.
const FILTERED_ROUNDS: u32 = 500;
const GLOBAL_ROUNDS: u32 = 20;

/// What a get with a filter may cost in a larger catalog, in times of the smallest.
const FLAT: f64 = 1.2;

/// What a global one of ten times as many applications may cost: a linear cost, and a fifth more
/// for what else differs.
const LINEAR: f64 = 12.0;

/// A customization that is read, and what that costs.
#[derive(Debug)]
struct Gets {
    event: Vec<u8>,
    time: Samples,
    cpu: Samples,
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let filter = json!({ "product_key": catalogs::WANTED });
    let what = "getting, 5 applications of 10, 1,000, 10,000";
    let [small, medium, large] = gets(bench, Some(&filter), what, FILTERED_ROUNDS).await?;
    report.latency("get, 5 of 1,000 applications, warm", &medium.time);
    report.latency("get of a download link, warm", &links(bench).await?);
    for (catalog, gets) in [("1,000", &medium), ("10,000", &large)] {
        let baseline = |samples| Baseline { name: "of 10", samples, target: Some(FLAT) };
        let what = format!("get, 5 of {catalog} applications");
        report.ratio(&format!("{what}: time"), &gets.time, baseline(&small.time));
        report.ratio(&format!("{what}: processor's time"), &gets.cpu, baseline(&small.cpu));
    }

    let what = "getting, all applications of 10, 1,000, 10,000";
    let [small, medium, large] = gets(bench, None, what, GLOBAL_ROUNDS).await?;
    let ten = Baseline { name: "10", samples: &small.cpu, target: None };
    report.ratio("get, all of 1,000 applications: processor's time", &medium.cpu, ten);
    let thousand = Baseline { name: "1,000", samples: &medium.cpu, target: Some(LINEAR) };
    report.ratio("get, all of 10,000 applications: processor's time", &large.cpu, thousand);
    memory(bench, large.event, report).await
}

/// Reads a customization of the smallest, the middle and the largest catalog in turn.
async fn gets(
    bench: &Bench,
    filter: Option<&Value>,
    what: &'static str,
    rounds: u32,
) -> Outcome<[Gets; 3]> {
    let mut creating = Running::start(&bench.functions.create).await?;
    let archive = Archive::SMALL.bytes()?;
    let mut created = async |applications| -> Outcome<Gets> {
        let caller = bench.caller_in(applications);
        let (_, body) = creating.answer(caller.create(&archive, filter)?, 201).await?;
        let event = caller.get(&answer::text(&body, "/id")?)?;
        Ok(Gets { event, time: Samples::default(), cpu: Samples::default() })
    };
    let mut all = [created(SMALL).await?, created(MEDIUM).await?, created(LARGE).await?];

    let mut running = Running::start(&bench.functions.get).await?;
    let rounds = bench.rounds(rounds);
    let bar = progress::bar(what, rounds.into());
    for round in 0..=rounds {
        for gets in &mut all {
            let (time, _) = running.answer(gets.event.clone(), 200).await?;
            let cpu = running.cpu().await?;
            // The first answers are not yet warm.
            if round > 0 {
                gets.time.push(time);
                gets.cpu.push(cpu);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// How long it takes to answer where to download a file.
async fn links(bench: &Bench) -> Outcome<Samples> {
    let caller: &Caller = &bench.caller;
    let mut creating = Running::start(&bench.functions.create).await?;
    let upload = caller.create(&Archive::SMALL.bytes()?, None)?;
    let (_, created) = creating.answer(upload, 201).await?;
    let event = caller.get_file(&answer::text(&created, "/artifact/id")?)?;
    let mut running = Running::start(&bench.functions.get).await?;
    let mut samples = Samples::default();
    for round in 0..=bench.rounds(FILTERED_ROUNDS) {
        let (time, _) = running.answer(event.clone(), 200).await?;
        if round > 0 {
            samples.push(time);
        }
    }
    Ok(samples)
}

/// The most memory that a process needs for the largest answer.
async fn memory(bench: &Bench, event: Vec<u8>, report: &mut Report) -> Outcome {
    let mut running = Running::start(&bench.functions.get).await?;
    let (_, body) = running.answer(event, 200).await?;
    let what = "get, all of 10,000 applications: peak memory (answer)";
    let peak = table::megabytes(running.memory()?.peak);
    report.note(what, &format!("{peak} ({})", table::megabytes(body.len() as u64)));
    Ok(())
}
