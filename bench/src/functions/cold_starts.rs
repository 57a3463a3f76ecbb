//! Cold starts: from the start of a process to its first event, and to its first response.

use local::function::Deployment;
use measure::{Result, archive::Archive, samples::Samples};
use serde_json::json;

use super::{
    Bench,
    deployments::RunningFunction,
    instructions::Callgrind,
    report::{Report, Row},
    transports::Transports,
};
use crate::{catalogs, progress, response};

/// Number of cold starts of each function.
const ROUNDS: u32 = 90;

/// Targets of the initialization, as ratios to the bare function.
const MAX_INIT_RATIOS: Transports<f64> = Transports { plain: 1.6, tls: 3.0 };

/// Target of the cold start and the first response of a get, as ratio of TLS to plain HTTP.
const MAX_FIRST_GET_TLS_RATIO: f64 = 1.6;

/// Targets of the instructions from the start to the first response, over TLS.
const MAX_GET_INSTRUCTIONS: u64 = 9_500_000;
const MAX_CREATE_INSTRUCTIONS: u64 = 12_500_000;

/// Durations of a function's cold starts.
#[derive(Debug, Default)]
struct ColdStarts {
    /// From the start of the process until it requests its first event.
    init: Samples,
    /// From the start of the process to its first response.
    first_response: Samples,
}

impl ColdStarts {
    /// Starts a process, sends it one event, and returns the body of the response.
    async fn measure(
        &mut self,
        function: &Deployment,
        event: &[u8],
        expected_status: u16,
    ) -> Result<String> {
        let mut running = RunningFunction::start(function).await?;
        let init = running.init_duration();
        let (latency, body) = running.invoke(event.to_vec(), expected_status).await?;
        self.init.push(init);
        self.first_response.push(init + latency);
        Ok(body)
    }
}

/// The first requests, and the statuses of their responses.
struct Requests {
    create: (Vec<u8>, u16),
    get: (Vec<u8>, u16),
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Result {
    let Bench { functions, events, .. } = bench;
    let archive = Archive::SMALL.bytes()?;
    let filter = json!({ "product_key": catalogs::FILTERED_PRODUCT });
    let create = events.create(&archive, Some(&filter))?;
    let created = ColdStarts::default().measure(&functions.create.plain, &create, 201).await?;
    let get = events.get(&response::string_at(&created, "/id")?)?;
    let requests = Requests { create: (create, 201), get: (get, 200) };
    measure_durations(bench, &requests, report).await?;
    if let Some(callgrind) = &bench.callgrind {
        count_instructions(bench, &requests, callgrind, report).await?;
    }
    Ok(())
}

async fn measure_durations(bench: &Bench, requests: &Requests, report: &mut Report) -> Result {
    let functions = &bench.functions;
    let mut series = [
        (&functions.bare, &requests.get, ColdStarts::default()),
        (&functions.create.plain, &requests.create, ColdStarts::default()),
        (&functions.create.tls, &requests.create, ColdStarts::default()),
        (&functions.get.plain, &requests.get, ColdStarts::default()),
        (&functions.get.tls, &requests.get, ColdStarts::default()),
    ];
    let rounds = bench.rounds(ROUNDS);
    let bar = progress::bar("measuring cold starts", rounds.into());
    for _ in 0..rounds {
        for (function, (event, expected_status), cold_starts) in &mut series {
            cold_starts.measure(function, event, *expected_status).await?;
        }
        // A request may leave work to the stores, which slows the next function. The rotation makes
        // that another function in each round.
        series.rotate_left(1);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let rotated = rounds as usize % series.len();
    series.rotate_right(rotated);
    let [bare, create, create_tls, get, get_tls] = series.map(|(.., cold_starts)| cold_starts);
    let create = Transports { plain: create, tls: create_tls };
    let get = Transports { plain: get, tls: get_tls };

    let name = "bare function";
    let bare_init = Transports::both(&bare.init);
    for (function, samples) in [("create", &create), ("get", &get)] {
        let init = samples.as_ref().map(|samples| &samples.init);
        report.add(
            Row::durations(&format!("{function}: cold start, initialization"), init)
                .baseline(name, init, bare_init)
                .max_ratios(MAX_INIT_RATIOS),
        );
    }
    let bare_response = Transports::both(&bare.first_response);
    let first = create.as_ref().map(|samples| &samples.first_response);
    report.add(Row::durations("create, 1 KB: cold start and first response", first).baseline(
        name,
        first,
        bare_response,
    ));
    let first = get.as_ref().map(|samples| &samples.first_response);
    report.add(
        Row::durations("get: cold start and first response", first)
            .baseline(name, first, bare_response)
            .max_tls_ratio(MAX_FIRST_GET_TLS_RATIO),
    );
    Ok(())
}

async fn count_instructions(
    bench: &Bench,
    requests: &Requests,
    callgrind: &Callgrind,
    report: &mut Report,
) -> Result {
    let functions = &bench.functions;
    let bar = progress::bar("counting instructions", 5);
    let count = async |function, (event, expected_status): &(Vec<u8>, u16)| {
        let count = callgrind.count(function, event, *expected_status).await;
        bar.inc(1);
        count
    };
    let bare = count(&functions.bare, &requests.get).await?;
    let create = Transports {
        plain: count(&functions.create.plain, &requests.create).await?,
        tls: count(&functions.create.tls, &requests.create).await?,
    };
    let get = Transports {
        plain: count(&functions.get.plain, &requests.get).await?,
        tls: count(&functions.get.tls, &requests.get).await?,
    };
    bar.finish_and_clear();
    let name = "create, 1 KB: cold start and first response";
    report.add(Row::instructions(name, create, bare, MAX_CREATE_INSTRUCTIONS));
    let name = "get: cold start and first response";
    report.add(Row::instructions(name, get, bare, MAX_GET_INSTRUCTIONS));
    Ok(())
}
