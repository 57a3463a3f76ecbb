//! Creates: latency, CPU time and memory.

use std::time::Duration;

use local::function::Deployment;
use measure::{
    Result,
    archive::{self, Archive},
    samples::Samples,
    upload::{LowerBound, service},
};
use serde_json::json;

use super::{
    Bench,
    deployments::RunningFunction,
    report::{Report, Row},
    transports::Transports,
};
use crate::{catalogs, progress, resource_usage};

/// Number of uploads of each archive.
const SMALL_ROUNDS: u32 = 1_100;
const LARGE_ROUNDS: u32 = 200;
const MEMORY_ROUNDS: u32 = 20;

/// Target of the CPU time of a large create, as ratio to its validation.
const MAX_LARGE_CPU_RATIO: f64 = 1.15;

/// Targets of the CPU time of a small create, of which one must be met: the CPU time, and the ratio
/// to the lower bound of the large archive. Both are equal on a machine where the lower bound takes
/// 17.2 ms.
const MAX_SMALL_CPU_TIME: Duration = Duration::from_micros(700);
const MAX_SMALL_CPU_RATIO: f64 = 0.7 / 17.2;

/// Target of the peak resident set size, in bytes.
const MAX_PEAK_RSS: u64 = 25_000_000;

/// Samples of the creates of one archive.
#[derive(Debug, Default)]
struct Creates {
    latency: Transports<Samples>,
    cpu_time: Transports<Samples>,
    /// CPU time of only the validation, in this process.
    validation: Samples,
    /// CPU time of the lower bound, in this process.
    lower_bound: Samples,
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Result {
    let small = create(bench, Archive::SMALL, "creating, 1 KB", SMALL_ROUNDS).await?;
    let large = create(bench, Archive::LARGE, "creating, 4.4 MB", LARGE_ROUNDS).await?;
    report.add(Row::latency("create, 1 KB, warm", small.latency.as_ref()));
    report.add(Row::latency("create, 4.4 MB, warm", large.latency.as_ref()));
    let cpu_time = small.cpu_time.as_ref();
    let lower_bound = Transports::both(&large.lower_bound);
    report.add(
        Row::durations("create, 1 KB: CPU time", cpu_time)
            .baseline("lower bound of 4.4 MB", cpu_time, lower_bound)
            .max_duration_or_ratio(cpu_time, MAX_SMALL_CPU_TIME, lower_bound, MAX_SMALL_CPU_RATIO),
    );
    let cpu_time = large.cpu_time.as_ref();
    report.add(
        Row::durations("create, 4.4 MB: CPU time", cpu_time)
            .baseline("only validation", cpu_time, Transports::both(&large.validation))
            .max_ratios(Transports::both(MAX_LARGE_CPU_RATIO)),
    );
    let functions = bench.functions.create.as_ref();
    let peak_rss = Transports {
        plain: peak_rss(bench, functions.plain).await?,
        tls: peak_rss(bench, functions.tls).await?,
    };
    report.add(
        Row::bytes("create, 4.4 MB: peak resident set size", peak_rss)
            .max_bytes(peak_rss, MAX_PEAK_RSS),
    );
    Ok(())
}

/// Uploads `archive` over both transports in each round, with another digest each time.
async fn create(
    bench: &Bench,
    archive: Archive,
    message: &'static str,
    rounds: u32,
) -> Result<Creates> {
    let mut creates = Creates::default();
    let mut archive = archive.bytes()?;
    let filter = json!({ "product_key": catalogs::FILTERED_PRODUCT });
    let mut base = LowerBound::new(LowerBound::BUFFER_BYTES);
    let mut running = RunningFunction::start_both(&bench.functions.create).await?;
    let rounds = bench.rounds(rounds);
    let bar = progress::bar(message, rounds.into());
    for round in 0..=rounds {
        let mut event = Vec::new();
        let samples = creates.latency.as_mut().zip(creates.cpu_time.as_mut());
        for (upload, (running, (latencies, cpu_times))) in (0..).zip(running.as_mut().zip(samples))
        {
            archive::make_unique(&mut archive, 2 * round + upload);
            event = bench.events.create(&archive, Some(&filter))?;
            let (latency, _) = running.invoke(event.clone(), 201).await?;
            let cpu_time = running.cpu_time().await?;
            // The first response is not warm.
            if round > 0 {
                latencies.push(latency);
                cpu_times.push(cpu_time);
            }
        }
        let lower_bound = resource_usage::cpu_time_of(|| base.run(&archive))?;
        let validation = resource_usage::cpu_time_of(|| service::validate(&event))?;
        if round > 0 {
            creates.validation.push(validation);
            creates.lower_bound.push(lower_bound);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(creates)
}

/// Returns the peak resident set size of a process, in bytes, after large uploads of every content.
async fn peak_rss(bench: &Bench, function: &Deployment) -> Result<u64> {
    let mut running = RunningFunction::start(function).await?;
    let rounds = bench.rounds(MEMORY_ROUNDS);
    let [text, incompressible, repetitive, ..] = Archive::FROM_256_KB;
    let bar = progress::bar("creating, 4.4 MB of every content", u64::from(rounds) * 3);
    for archive in [text, incompressible, repetitive] {
        let mut archive = archive.bytes()?;
        for round in 0..rounds {
            // Counts down, so that no file has the digest of a file of the rounds before.
            archive::make_unique(&mut archive, u32::MAX - round);
            running.invoke(bench.events.create(&archive, None)?, 201).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(running.memory()?.peak_rss)
}
