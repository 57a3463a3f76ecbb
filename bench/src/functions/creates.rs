//! What a create costs: time, the processor's time, and memory.

use std::time::Duration;

use measure::{
    Outcome,
    archive::{self, Archive},
    samples::Samples,
    upload::{Base, service},
};
use serde_json::json;

use super::{
    Bench,
    deployed::Running,
    report::{Baseline, Report},
};
use crate::{catalogs, progress, usage};

/// How often each is uploaded.
const SMALL_ROUNDS: u32 = 500;
const LARGE_ROUNDS: u32 = 200;
const MEMORY_ROUNDS: u32 = 20;

/// What a large create may use of the processor, in times of its validation alone.
const LARGE_CPU: f64 = 1.4;

/// What a small one may use: this, or so many times BASE of the large archive, which took 17.2 ms
/// where this was set.
const SMALL_CPU: Duration = Duration::from_micros(800);
const SMALL_SHARE: f64 = 0.8 / 17.2;

/// What the function may have of memory, in bytes.
const MEMORY: u64 = 25_000_000;

/// What creates of one archive cost.
#[derive(Debug, Default)]
struct Creates {
    time: Samples,
    cpu: Samples,
    /// The processor's time of the validation alone, and of BASE, in this process.
    validation: Samples,
    base: Samples,
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let small = creates(bench, Archive::SMALL, "creating, 1 KB", SMALL_ROUNDS).await?;
    let large = creates(bench, Archive::LARGE, "creating, 4.4 MB", LARGE_ROUNDS).await?;
    report.latency("create, 1 KB, warm", &small.time);
    report.latency("create, 4.4 MB, warm", &large.time);
    let base = Baseline { name: "BASE of 4.4 MB", samples: &large.base, target: Some(SMALL_SHARE) };
    report.time_or_ratio("create, 1 KB: processor's time", &small.cpu, SMALL_CPU, base);
    let name = "its validation alone";
    let alone = Baseline { name, samples: &large.validation, target: Some(LARGE_CPU) };
    report.ratio("create, 4.4 MB: processor's time", &large.cpu, alone);
    report.bytes("create: peak memory, uploads of 4.4 MB", memory(bench).await?, MEMORY);
    Ok(())
}

/// Uploads `archive`, each time as another file of the same content.
async fn creates(
    bench: &Bench,
    archive: Archive,
    what: &'static str,
    rounds: u32,
) -> Outcome<Creates> {
    let mut creates = Creates::default();
    let mut archive = archive.bytes()?;
    let filter = json!({ "product_key": catalogs::WANTED });
    let mut base = Base::new(Base::BUFFER);
    let mut running = Running::start(&bench.functions.create).await?;
    let rounds = bench.rounds(rounds);
    let bar = progress::bar(what, rounds.into());
    for round in 0..=rounds {
        archive::renew(&mut archive, round);
        let event = bench.caller.create(&archive, Some(&filter))?;
        let base = usage::of(|| base.run(&archive))?;
        let validation = usage::of(|| service::validated(&event))?;
        let (time, _) = running.answer(event, 201).await?;
        let cpu = running.cpu().await?;
        // The first answer is not yet warm.
        if round > 0 {
            creates.time.push(time);
            creates.cpu.push(cpu);
            creates.validation.push(validation);
            creates.base.push(base);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(creates)
}

/// The most memory that a process has while it is sent large uploads of every kind.
async fn memory(bench: &Bench) -> Outcome<u64> {
    let mut running = Running::start(&bench.functions.create).await?;
    let rounds = bench.rounds(MEMORY_ROUNDS);
    let [text, incompressible, repetitive, ..] = Archive::LARGE_ONES;
    let bar = progress::bar("creating, all kinds of 4.4 MB", u64::from(rounds) * 3);
    for archive in [text, incompressible, repetitive] {
        let mut archive = archive.bytes()?;
        for round in 0..rounds {
            // Not those of the rounds before this, whose files are there already.
            archive::renew(&mut archive, u32::MAX - round);
            running.answer(bench.caller.create(&archive, None)?, 201).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(running.memory()?.peak)
}
