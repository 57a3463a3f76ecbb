//! Gets: latency, CPU time and memory, and their growth with the size of the catalog.

use measure::{Result, archive::Archive, samples::Samples, table};
use serde_json::{Value, json};

use super::{
    Bench, LARGE, MEDIUM, SMALL,
    deployments::RunningFunction,
    report::{Report, Row},
    transports::Transports,
    warm::{self, WarmRequest},
};
use crate::{catalogs, response};

/// Number of gets of each customization.
const FILTERED_ROUNDS: u32 = 500;
const GLOBAL_ROUNDS: u32 = 20;

/// Target of a get with a filter, as ratio to the same get in the small catalog: the cost must not
/// grow with the catalog.
const MAX_FILTERED_RATIO: f64 = 1.2;

/// Target of a get without a filter, as ratio to a catalog with a tenth of the applications: the
/// cost must grow linearly, with a tolerance of a fifth.
const MAX_GLOBAL_RATIO: f64 = 12.0;

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Result {
    let filter = json!({ "product_key": catalogs::FILTERED_PRODUCT });
    let message = "getting, 5 applications of 10, 1,000, 10,000";
    let [small, medium, large] = get(bench, Some(&filter), message, FILTERED_ROUNDS).await?;
    report.add(Row::latency("get, 5 of 1,000 applications, warm", medium.latency.as_ref()));
    let download_link = get_download_link(bench).await?;
    report.add(Row::latency("get download link, warm", download_link.as_ref()));
    let max = Transports::both(MAX_FILTERED_RATIO);
    let baseline = "5 of 10 applications";
    for (applications, gets) in [("1,000", &medium), ("10,000", &large)] {
        let name = format!("get, 5 of {applications} applications");
        let latency = gets.latency.as_ref();
        report.add(
            Row::durations(&format!("{name}: latency"), latency)
                .baseline(baseline, latency, small.latency.as_ref())
                .max_ratios(max),
        );
        let cpu_time = gets.cpu_time.as_ref();
        report.add(
            Row::durations(&format!("{name}: CPU time"), cpu_time)
                .baseline(baseline, cpu_time, small.cpu_time.as_ref())
                .max_ratios(max),
        );
    }

    let message = "getting, all applications of 10, 1,000, 10,000";
    let [small, medium, large] = get(bench, None, message, GLOBAL_ROUNDS).await?;
    let [small, medium, large_cpu_time] =
        [&small, &medium, &large].map(|gets| gets.cpu_time.as_ref());
    report.add(Row::durations("get, all of 1,000 applications: CPU time", medium).baseline(
        "all of 10 applications",
        medium,
        small,
    ));
    report.add(
        Row::durations("get, all of 10,000 applications: CPU time", large_cpu_time)
            .baseline("all of 1,000 applications", large_cpu_time, medium)
            .max_ratios(Transports::both(MAX_GLOBAL_RATIO)),
    );
    measure_memory(bench, large.event, report).await
}

/// Creates a customization in the small, the medium and the large catalog, and gets each once a
/// round over each transport.
async fn get(
    bench: &Bench,
    filter: Option<&Value>,
    message: &'static str,
    rounds: u32,
) -> Result<[WarmRequest; 3]> {
    let mut create_function = RunningFunction::start(&bench.functions.create.plain).await?;
    let archive = Archive::SMALL.bytes()?;
    let mut create = async |applications| -> Result<WarmRequest> {
        let events = bench.events_in(applications);
        let (_, created) = create_function.invoke(events.create(&archive, filter)?, 201).await?;
        Ok(WarmRequest::new(events.get(&response::string_at(&created, "/id")?)?))
    };
    let mut all = [create(SMALL).await?, create(MEDIUM).await?, create(LARGE).await?];
    warm::measure(bench, message, rounds, &mut all).await?;
    Ok(all)
}

/// Returns the latencies of getting a download link.
async fn get_download_link(bench: &Bench) -> Result<Transports<Samples>> {
    let events = &bench.events;
    let mut create_function = RunningFunction::start(&bench.functions.create.plain).await?;
    let create_event = events.create(&Archive::SMALL.bytes()?, None)?;
    let (_, created) = create_function.invoke(create_event, 201).await?;
    let event = events.get_file(&response::string_at(&created, "/artifact/id")?)?;
    let mut running = RunningFunction::start_both(&bench.functions.get).await?;
    let mut latency = Transports::<Samples>::default();
    for round in 0..=bench.rounds(FILTERED_ROUNDS) {
        for (running, latencies) in running.as_mut().zip(latency.as_mut()) {
            let (sample, _) = running.invoke(event.clone(), 200).await?;
            // The first response is not warm.
            if round > 0 {
                latencies.push(sample);
            }
        }
    }
    Ok(latency)
}

/// Reports the peak resident set size of a process after the largest response, and the size of that
/// response.
async fn measure_memory(bench: &Bench, event: Vec<u8>, report: &mut Report) -> Result {
    let mut running = RunningFunction::start_both(&bench.functions.get).await?;
    let (_, body) = running.plain.invoke(event.clone(), 200).await?;
    running.tls.invoke(event, 200).await?;
    let peak_rss = running.as_ref().try_map(|running| Ok(running.memory()?.peak_rss))?;
    let body_size = table::megabytes(body.len() as u64);
    report.add(Row::bytes(
        &format!("get, all of 10,000 applications ({body_size}): peak resident set size"),
        peak_rss,
    ));
    Ok(())
}
