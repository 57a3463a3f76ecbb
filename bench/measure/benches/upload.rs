//! Benchmarks of the validation of an upload, from the bytes of an event to the digest of the file.
//!
//! The first table compares the service with its lower bound and with a plain implementation. The
//! second table shows the effect of each optimization. Divan's own table shows only the service.
//!
//! Before each sample of the service, one sample of each baseline is measured, so that a temporary
//! slowdown of the machine affects all of them.

#![expect(clippy::expect_used, reason = "a failure ends the whole run")]

use std::{
    cell::RefCell,
    fmt::{self, Display, Formatter},
    hint::black_box,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use measure::{
    archive::Archive,
    event::EventBuilder,
    samples::Samples,
    table::{self, Table},
    upload::{LowerBound, plain, service},
};

/// Largest ratio of the service to the lower bound, for archives of 256 KB and more.
const MAX_RATIO: f64 = 1.2;

/// Targets of an archive of 4 KB, of which one must be met: the largest duration, and the largest
/// ratio to the lower bound.
const MAX_SMALL_DURATION: Duration = Duration::from_micros(60);
const MAX_SMALL_RATIO: f64 = 2.5;

/// A usual size of the buffer for inflated data, in bytes. The service's is larger.
const USUAL_BUFFER_BYTES: usize = 64 * 1024;

fn main() {
    divan::main();
    let mut comparison_table = Table::new([
        "validation of an upload",
        "service",
        "lower bound",
        "service / lower bound",
        "target",
        "met",
        "plain implementation",
        "plain / service",
    ]);
    let mut comparisons = take(&COMPARISONS);
    comparisons.sort_by_key(|comparison| {
        Archive::FROM_256_KB.iter().position(|archive| *archive == comparison.archive)
    });
    for comparison in comparisons {
        comparison_table.add_row(comparison.row());
    }
    let mut optimization_table =
        Table::new(["optimization, text of 4.4 MB", "optimized", "plain", "plain / optimized"]);
    for result in take(&OPTIMIZATION_RESULTS) {
        optimization_table.add_row(result.row());
    }
    print(&comparison_table);
    print(&optimization_table);
}

/// Prints a table, unless a filter on the command line excludes all its rows.
fn print<const N: usize>(table: &Table<N>) {
    if !table.is_empty() {
        println!("\n{table}");
    }
}

fn take<T>(results: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut results.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Samples of the service and both baselines for one archive.
struct Comparison {
    archive: Archive,
    is_small: bool,
    service: Samples,
    lower_bound: Samples,
    plain: Samples,
}

static COMPARISONS: Mutex<Vec<Comparison>> = Mutex::new(Vec::new());

impl Comparison {
    fn row(&self) -> [String; 8] {
        let Self { archive, is_small, service, lower_bound, plain } = self;
        let ratio = service.median_ratio(lower_bound);
        let (target, met) = if *is_small {
            (
                format!(
                    "≤ {} or {}",
                    table::duration(MAX_SMALL_DURATION),
                    table::ratio(MAX_SMALL_RATIO)
                ),
                service.median() <= MAX_SMALL_DURATION || ratio <= MAX_SMALL_RATIO,
            )
        } else {
            (format!("≤ {}", table::ratio(MAX_RATIO)), ratio <= MAX_RATIO)
        };
        [
            archive.to_string(),
            table::duration(service.median()),
            table::duration(lower_bound.median()),
            table::ratio(ratio),
            target,
            // `cargo test` runs one round, which is not enough to decide.
            if service.len() > 1 { table::target_met(met) } else { String::new() },
            table::duration(plain.median()),
            table::ratio(plain.median_ratio(service)),
        ]
    }
}

#[divan::bench(args = Archive::FROM_256_KB, sample_size = 1, sample_count = 100)]
fn validate_256_kb_and_more(bencher: Bencher<'_, '_>, archive: Archive) {
    compare(bencher, archive, false);
}

#[divan::bench(args = [Archive::TEXT_4_KB], sample_size = 1, sample_count = 5_000)]
fn validate_4_kb(bencher: Bencher<'_, '_>, archive: Archive) {
    compare(bencher, archive, true);
}

fn compare(bencher: Bencher<'_, '_>, archive: Archive, is_small: bool) {
    let (bytes, event) = archive_and_event(archive);
    let mut base = LowerBound::new(LowerBound::BUFFER_BYTES);
    let (mut lower_bound, mut plain) = (Samples::default(), Samples::default());
    let service = RefCell::new(Samples::default());
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| {
            lower_bound
                .measure(|| base.run(black_box(&bytes)))
                .expect("the lower bound accepts the archive");
            plain
                .measure(|| plain::validate(black_box(&event)))
                .expect("the plain implementation accepts the upload");
        })
        .bench_local_values(|()| {
            let validate = || service::validate(black_box(&event));
            service.borrow_mut().measure(validate).expect("the service accepts the upload")
        });
    let service = service.into_inner();
    let comparison = Comparison { archive, is_small, service, lower_bound, plain };
    COMPARISONS.lock().unwrap_or_else(PoisonError::into_inner).push(comparison);
}

fn archive_and_event(archive: Archive) -> (Vec<u8>, Vec<u8>) {
    let bytes = archive.bytes().expect("an archive is generated");
    // The token has the length of a real one.
    let events = EventBuilder { token: "t".repeat(1_000), catalog_id: "catalog".to_owned() };
    let event = events.create(&bytes, None).expect("an event is made");
    (bytes, event)
}

/// An optimization of the service.
#[derive(Clone, Copy, Debug)]
enum Optimization {
    Event,
    Form,
    Archive,
    Buffer,
}

impl Display for Optimization {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Event => "event: own parser, base64 with SIMD (plain: lambda_http)",
            Self::Form => "form: own parser without copies (plain: multer)",
            Self::Archive => "tar: own parser, all checks (plain: tar, few checks)",
            Self::Buffer => "gzip: buffer of 256 KB (plain: 64 KB)",
        })
    }
}

/// Samples of one step of the validation, with and without its optimization.
struct OptimizationResult {
    optimization: Optimization,
    optimized: Samples,
    plain: Samples,
}

static OPTIMIZATION_RESULTS: Mutex<Vec<OptimizationResult>> = Mutex::new(Vec::new());

impl OptimizationResult {
    fn row(&self) -> [String; 4] {
        let Self { optimization, optimized, plain } = self;
        [
            optimization.to_string(),
            table::duration(optimized.median()),
            table::duration(plain.median()),
            table::ratio(plain.median_ratio(optimized)),
        ]
    }
}

#[divan::bench(
    args = [Optimization::Event, Optimization::Form, Optimization::Archive, Optimization::Buffer],
    sample_size = 1,
    sample_count = 100,
)]
fn optimizations(bencher: Bencher<'_, '_>, optimization: Optimization) {
    let (archive, event) = archive_and_event(Archive::LARGE);
    match optimization {
        Optimization::Event => compare_step(
            bencher,
            optimization,
            || service::parse_event(black_box(&event)).expect("the service parses the event"),
            || plain::parse_event(black_box(&event)).expect("lambda_http parses the event"),
        ),
        Optimization::Form => {
            let service_event = service::parse_event(&event).expect("the service parses the event");
            let upload = plain::parse_event(&event).expect("lambda_http parses the event");
            compare_step(
                bencher,
                optimization,
                || service::parse_form(black_box(&service_event)).expect("the form is valid"),
                || plain::parse_form(black_box(upload.clone())).expect("the form is valid"),
            );
        }
        Optimization::Archive => {
            let file = Bytes::from(archive);
            compare_step(
                bencher,
                optimization,
                || service::check_archive(black_box(&file)).expect("the archive is valid"),
                || plain::check_archive(black_box(&file)).expect("the archive is valid"),
            );
        }
        Optimization::Buffer => {
            let mut large_buffer = LowerBound::new(LowerBound::BUFFER_BYTES);
            let mut usual_buffer = LowerBound::new(USUAL_BUFFER_BYTES);
            compare_step(
                bencher,
                optimization,
                || large_buffer.inflate(black_box(&archive)).expect("the archive is valid"),
                || usual_buffer.inflate(black_box(&archive)).expect("the archive is valid"),
            );
        }
    }
}

fn compare_step<O, P>(
    bencher: Bencher<'_, '_>,
    optimization: Optimization,
    mut run_optimized: impl FnMut() -> O,
    mut run_plain: impl FnMut() -> P,
) {
    let (mut optimized, mut plain) = (Samples::default(), Samples::default());
    bencher
        .with_inputs(|| drop(plain.measure(&mut run_plain)))
        .bench_local_values(|()| optimized.measure(&mut run_optimized));
    let result = OptimizationResult { optimization, optimized, plain };
    OPTIMIZATION_RESULTS.lock().unwrap_or_else(PoisonError::into_inner).push(result);
}
