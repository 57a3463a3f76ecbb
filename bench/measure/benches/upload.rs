//! From an event's bytes to a validated upload: the service's way against BASE, which is the least
//! that must be done with the archive, and against the plain path.
//!
//! Divan's table is of the service's way. Each of its samples comes after one of either baseline,
//! so that whatever else the machine does slows all three alike; the closing table compares them.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be made ends them all")]

use std::{
    cell::RefCell,
    hint::black_box,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use divan::{Bencher, counter::BytesCount};
use measure::{
    archive::Archive,
    event::Caller,
    samples::Samples,
    table::{self, Table},
    upload::{self, Base},
};

/// What an upload of 256 KB and more may take, in times of BASE.
const LARGE_RATIO: f64 = 1.2;

/// What one of 4 KB may take: this, or so many times BASE.
const SMALL_TIME: Duration = Duration::from_micros(60);
const SMALL_RATIO: f64 = 2.5;

fn main() {
    divan::main();
    let mut comparisons = COMPARISONS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = |archive| Archive::LARGE_ONES.iter().position(|large| *large == archive);
    comparisons.sort_by_key(|comparison| place(comparison.archive));
    let mut table = Table::new([
        "from event to validated upload",
        "service",
        "BASE",
        "service / BASE",
        "target",
        "met",
        "plain path",
        "plain path / service",
    ]);
    for comparison in comparisons.iter().filter(|comparison| !comparison.service.is_empty()) {
        table.row(comparison.row());
    }
    if !table.is_empty() {
        println!("\n{table}");
    }
}

/// The ways that one archive took, round by round.
struct Comparison {
    archive: Archive,
    small: bool,
    service: Samples,
    base: Samples,
    plain: Samples,
}

static COMPARISONS: Mutex<Vec<Comparison>> = Mutex::new(Vec::new());

impl Comparison {
    fn row(&self) -> [String; 8] {
        let Self { archive, small, service, base, plain } = self;
        let ratio = service.ratio(base);
        let (target, met) = if *small {
            let target = format!("≤ {} or {}", table::time(SMALL_TIME), table::ratio(SMALL_RATIO));
            (target, service.median() <= SMALL_TIME || ratio <= SMALL_RATIO)
        } else {
            (format!("≤ {}", table::ratio(LARGE_RATIO)), ratio <= LARGE_RATIO)
        };
        [
            archive.to_string(),
            table::time(service.median()),
            table::time(base.median()),
            table::ratio(ratio),
            target,
            // One round, as tests run it, tells nothing.
            if service.len() > 1 { table::verdict(met) } else { String::new() },
            table::time(plain.median()),
            table::ratio(plain.ratio(service)),
        ]
    }
}

#[divan::bench(args = Archive::LARGE_ONES, sample_size = 1, sample_count = 100)]
fn of_256_kb_and_more(bencher: Bencher<'_, '_>, archive: Archive) {
    compare(bencher, archive, false);
}

#[divan::bench(args = Archive::SMALL_ONES, sample_size = 1, sample_count = 5_000)]
fn of_4_kb(bencher: Bencher<'_, '_>, archive: Archive) {
    compare(bencher, archive, true);
}

fn compare(bencher: Bencher<'_, '_>, archive: Archive, small: bool) {
    let bytes = archive.bytes().expect("an archive is made");
    // As long as a real one.
    let caller = Caller { token: "t".repeat(1_000), catalog_id: "catalog".to_owned() };
    let event = caller.create(&bytes, None).expect("an event is made");
    let mut base = Base::default();
    let (mut base_samples, mut plain_samples) = (Samples::default(), Samples::default());
    let service_samples = RefCell::new(Samples::default());
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| {
            base_samples.time(|| base.run(black_box(&bytes))).expect("BASE takes it");
            plain_samples.time(|| upload::plain(black_box(&event))).expect("the plain path too");
        })
        .bench_local_values(|()| {
            let service = || upload::service(black_box(&event));
            service_samples.borrow_mut().time(service).expect("the service takes it")
        });
    let comparison = Comparison {
        archive,
        small,
        service: service_samples.into_inner(),
        base: base_samples,
        plain: plain_samples,
    };
    COMPARISONS.lock().unwrap_or_else(PoisonError::into_inner).push(comparison);
}
