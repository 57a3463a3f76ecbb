//! Cold starts: from the start of a process to its first event, and to its first response.

use local::function::Deployment;
use measure::{Result, archive::Archive, samples::Samples};
use serde_json::json;

use super::{
    Bench,
    deployments::RunningFunction,
    report::{Baseline, Report},
};
use crate::{catalogs, progress, response};

/// Number of cold starts of each function.
const ROUNDS: u32 = 90;

/// Targets, as ratios to the bare function: of the initialization, and of the cold start and the
/// first response of a get.
const MAX_INIT_RATIO: f64 = 2.0;
const MAX_FIRST_GET_RATIO: f64 = 3.0;

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

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> Result {
    let Bench { functions, events, .. } = bench;
    let archive = Archive::SMALL.bytes()?;
    let filter = json!({ "product_key": catalogs::FILTERED_PRODUCT });
    let create_event = events.create(&archive, Some(&filter))?;
    let created = ColdStarts::default().measure(&functions.create, &create_event, 201).await?;
    let get_event = events.get(&response::string_at(&created, "/id")?)?;

    let mut series = [
        (&functions.bare, &get_event, 200, ColdStarts::default()),
        (&functions.create, &create_event, 201, ColdStarts::default()),
        (&functions.get, &get_event, 200, ColdStarts::default()),
    ];
    let rounds = bench.rounds(ROUNDS);
    let bar = progress::bar("measuring cold starts", rounds.into());
    for _ in 0..rounds {
        for (function, event, expected_status, cold_starts) in &mut series {
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
    let [(.., bare), (.., create), (.., get)] = series;

    let name = "bare function";
    let init = Baseline { name, samples: &bare.init, max_ratio: Some(MAX_INIT_RATIO) };
    report.ratio("create: cold start, initialization", &create.init, init);
    report.ratio("get: cold start, initialization", &get.init, init);
    let response = Baseline { name, samples: &bare.first_response, max_ratio: None };
    report.ratio("create, 1 KB: cold start and first response", &create.first_response, response);
    let response = Baseline { max_ratio: Some(MAX_FIRST_GET_RATIO), ..response };
    report.ratio("get: cold start and first response", &get.first_response, response);
    Ok(())
}
