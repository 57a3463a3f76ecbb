//! Warm requests to `read-customizations`, over both transports in the same rounds.

use measure::{Result, samples::Samples};

use super::{Bench, deployments::RunningFunction, transports::Transports};
use crate::progress;

/// Samples of one request.
#[derive(Debug)]
pub(super) struct WarmRequest {
    pub(super) event: Vec<u8>,
    pub(super) latency: Transports<Samples>,
    pub(super) cpu_time: Transports<Samples>,
}

impl WarmRequest {
    pub(super) fn new(event: Vec<u8>) -> Self {
        Self { event, latency: Transports::default(), cpu_time: Transports::default() }
    }
}

/// Sends each request once a round over each transport, and takes its samples.
pub(super) async fn measure(
    bench: &Bench,
    message: &'static str,
    rounds: u32,
    requests: &mut [WarmRequest],
) -> Result {
    let mut running = RunningFunction::start_both(&bench.functions.get).await?;
    let rounds = bench.rounds(rounds);
    let bar = progress::bar(message, rounds.into());
    for round in 0..=rounds {
        for WarmRequest { event, latency, cpu_time } in &mut *requests {
            let samples = latency.as_mut().zip(cpu_time.as_mut());
            for (running, (latencies, cpu_times)) in running.as_mut().zip(samples) {
                let (latency, _) = running.invoke(event.clone(), 200).await?;
                let cpu_time = running.cpu_time().await?;
                // The first responses are not warm.
                if round > 0 {
                    latencies.push(latency);
                    cpu_times.push(cpu_time);
                }
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}
