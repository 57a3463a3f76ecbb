//! Gets: latency, CPU time and memory, and their growth with the size of the catalog.

use measure::{Result, archive::Archive, samples::Samples, table};
use serde_json::{Value, json};

use super::{
    Bench, LARGE, MEDIUM, SMALL,
    deployments::RunningFunction,
    report::{Baseline, Report},
};
use crate::{catalogs, progress, response};

/// Number of gets of each customization.
const FILTERED_ROUNDS: u32 = 500;
const GLOBAL_ROUNDS: u32 = 20;

/// Target of a get with a filter, as ratio to the same get in the small catalog: the cost must not
/// grow with the catalog.
const MAX_FILTERED_RATIO: f64 = 1.2;

/// Target of a get without a filter, as ratio to a catalog with a tenth of the applications: the
/// cost must grow linearly, with a tolerance of a fifth.
const MAX_GLOBAL_RATIO: f64 = 12.0;

/// Samples of the gets of one customization.
#[derive(Debug)]
struct Gets {
    event: Vec<u8>,
    latency: Samples,
    cpu_time: Samples,
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Result {
    let filter = json!({ "product_key": catalogs::FILTERED_PRODUCT });
    let message = "getting, 5 applications of 10, 1,000, 10,000";
    let [small, medium, large] = get(bench, Some(&filter), message, FILTERED_ROUNDS).await?;
    report.latency("get, 5 of 1,000 applications, warm", &medium.latency);
    report.latency("get download link, warm", &get_download_link(bench).await?);
    for (applications, gets) in [("1,000", &medium), ("10,000", &large)] {
        let baseline = |samples| {
            let max_ratio = Some(MAX_FILTERED_RATIO);
            Baseline { name: "5 of 10 applications", samples, max_ratio }
        };
        let name = format!("get, 5 of {applications} applications");
        report.ratio(&format!("{name}: latency"), &gets.latency, baseline(&small.latency));
        report.ratio(&format!("{name}: CPU time"), &gets.cpu_time, baseline(&small.cpu_time));
    }

    let message = "getting, all applications of 10, 1,000, 10,000";
    let [small, medium, large] = get(bench, None, message, GLOBAL_ROUNDS).await?;
    let baseline =
        Baseline { name: "all of 10 applications", samples: &small.cpu_time, max_ratio: None };
    report.ratio("get, all of 1,000 applications: CPU time", &medium.cpu_time, baseline);
    let baseline = Baseline {
        name: "all of 1,000 applications",
        samples: &medium.cpu_time,
        max_ratio: Some(MAX_GLOBAL_RATIO),
    };
    report.ratio("get, all of 10,000 applications: CPU time", &large.cpu_time, baseline);
    measure_memory(bench, large.event, report).await
}

/// Creates a customization in the small, the medium and the large catalog, and gets each once a
/// round.
async fn get(
    bench: &Bench,
    filter: Option<&Value>,
    message: &'static str,
    rounds: u32,
) -> Result<[Gets; 3]> {
    let mut create_function = RunningFunction::start(&bench.functions.create).await?;
    let archive = Archive::SMALL.bytes()?;
    let mut create = async |applications| -> Result<Gets> {
        let events = bench.events_in(applications);
        let (_, created) = create_function.invoke(events.create(&archive, filter)?, 201).await?;
        let event = events.get(&response::string_at(&created, "/id")?)?;
        Ok(Gets { event, latency: Samples::default(), cpu_time: Samples::default() })
    };
    let mut all = [create(SMALL).await?, create(MEDIUM).await?, create(LARGE).await?];

    let mut get_function = RunningFunction::start(&bench.functions.get).await?;
    let rounds = bench.rounds(rounds);
    let bar = progress::bar(message, rounds.into());
    for round in 0..=rounds {
        for gets in &mut all {
            let (latency, _) = get_function.invoke(gets.event.clone(), 200).await?;
            let cpu_time = get_function.cpu_time().await?;
            // The first responses are not warm.
            if round > 0 {
                gets.latency.push(latency);
                gets.cpu_time.push(cpu_time);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// Returns the latencies of getting a download link.
async fn get_download_link(bench: &Bench) -> Result<Samples> {
    let events = &bench.events;
    let mut create_function = RunningFunction::start(&bench.functions.create).await?;
    let create_event = events.create(&Archive::SMALL.bytes()?, None)?;
    let (_, created) = create_function.invoke(create_event, 201).await?;
    let event = events.get_file(&response::string_at(&created, "/artifact/id")?)?;
    let mut get_function = RunningFunction::start(&bench.functions.get).await?;
    let mut latency = Samples::default();
    for round in 0..=bench.rounds(FILTERED_ROUNDS) {
        let (sample, _) = get_function.invoke(event.clone(), 200).await?;
        // The first response is not warm.
        if round > 0 {
            latency.push(sample);
        }
    }
    Ok(latency)
}

/// Reports the peak resident set size of a process after the largest response, and the size of that
/// response.
async fn measure_memory(bench: &Bench, event: Vec<u8>, report: &mut Report) -> Result {
    let mut get_function = RunningFunction::start(&bench.functions.get).await?;
    let (_, body) = get_function.invoke(event, 200).await?;
    let peak_rss = table::megabytes(get_function.memory()?.peak_rss);
    let body_size = table::megabytes(body.len() as u64);
    report.value(
        "get, all of 10,000 applications: peak resident set size (response body)",
        &format!("{peak_rss} ({body_size})"),
    );
    Ok(())
}
