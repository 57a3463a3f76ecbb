//! Creates from direct uploads: CPU time and memory, compared with inflating and hashing the same
//! bytes.

use aws_sdk_s3::{Client, primitives::ByteStream};
use local::stores::UPLOAD_BUCKET;
use measure::{
    Result,
    archive::{self, Archive},
    samples::Samples,
    upload::LowerBound,
};
use shared::domain::Digest;

use super::{
    Bench,
    deployments::RunningFunction,
    report::{Report, Row},
    transports::Transports,
};
use crate::{progress, resource_usage};

/// Number of creates from each archive.
const ROUNDS: u32 = 5;

/// Target of the CPU time over plain HTTP, as ratio to inflating and hashing the same bytes.
const MAX_CPU_RATIO: f64 = 1.25;

/// Target of the peak resident set size, in bytes, whatever the size of the file.
const MAX_PEAK_RSS: u64 = 40_000_000;

pub(super) async fn measure(bench: &Bench, s3: &Client, report: &mut Report) -> Result {
    let mut running = RunningFunction::start_both(&bench.functions.create).await?;
    // Without optimizations, the generation of the others takes minutes.
    let archives = if bench.once { 1 } else { Archive::DIRECT_UPLOADS.len() };
    for archive in Archive::DIRECT_UPLOADS.into_iter().take(archives) {
        let [latency, cpu_time, lower_bound] = create(bench, s3, &mut running, archive).await?;
        let name = format!("create from an upload, {archive}");
        report.add(Row::durations(&format!("{name}: latency"), latency.as_ref()));
        let cpu_time = cpu_time.as_ref();
        report.add(
            Row::durations(&format!("{name}: CPU time"), cpu_time)
                .baseline("inflate and SHA-256", cpu_time, lower_bound.as_ref())
                .max_plain_ratio(MAX_CPU_RATIO),
        );
    }
    let peak_rss = running.as_ref().try_map(|running| Ok(running.memory()?.peak_rss))?;
    report.add(
        Row::bytes("create from uploads: peak resident set size", peak_rss)
            .max_bytes(peak_rss, MAX_PEAK_RSS),
    );
    Ok(())
}

/// Creates customizations from `archive` over both transports in each round, with another digest
/// each time. Returns the latencies, the CPU times, and those of inflating and hashing.
async fn create(
    bench: &Bench,
    s3: &Client,
    running: &mut Transports<RunningFunction>,
    archive: Archive,
) -> Result<[Transports<Samples>; 3]> {
    let mut samples = [(); 3].map(|()| Transports::<Samples>::default());
    let mut archive = archive.bytes()?;
    let mut base = LowerBound::new(LowerBound::BUFFER_BYTES);
    let rounds = bench.rounds(ROUNDS);
    let bar = progress::bar("creating from direct uploads", rounds.into());
    for round in 0..rounds {
        let [latency, cpu_time, lower_bound] = &mut samples;
        let samples = latency.as_mut().zip(cpu_time.as_mut()).zip(lower_bound.as_mut());
        let transports = (0..).zip(running.as_mut().zip(samples));
        for (upload, (running, ((latencies, cpu_times), lower_bounds))) in transports {
            archive::make_unique(&mut archive, 2 * round + upload);
            let digest = Digest::of(&archive);
            let put = s3.put_object().bucket(UPLOAD_BUCKET);
            let put = put.key(format!("{}/{digest}", bench.events.catalog_id));
            put.body(ByteStream::from(archive.clone())).send().await?;
            let event = bench.events.create_from_upload(&digest.to_string())?;
            running.cpu_time().await?;
            let (latency, _) = running.invoke(event, 201).await?;
            latencies.push(latency);
            cpu_times.push(running.cpu_time().await?);
            lower_bounds.push(resource_usage::cpu_time_of(|| base.run(&archive))?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(samples)
}
