//! From an event's bytes to a validated upload: the service's way against BASE, which is the least
//! that must be done with the archive, and against the plain path; and what each choice buys.
//!
//! Divan's table is of the service's way. Each of its samples comes after one of each baseline, so
//! that whatever else the machine does slows all alike; the closing tables compare them.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be made ends them all")]

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
    event::Caller,
    samples::Samples,
    table::{self, Table},
    upload::{Base, plain, service},
};

/// What an upload of 256 KB and more may take, in times of BASE.
const LARGE_RATIO: f64 = 1.2;

/// What one of 4 KB may take: this, or so many times BASE.
const SMALL_TIME: Duration = Duration::from_micros(60);
const SMALL_RATIO: f64 = 2.5;

/// A buffer that one would rather take than the service's.
const USUAL_BUFFER: usize = 64 * 1024;

fn main() {
    divan::main();
    let mut uploads = Table::new([
        "from event to validated upload",
        "service",
        "BASE",
        "service / BASE",
        "target",
        "met",
        "plain path",
        "plain path / service",
    ]);
    let mut whole = taken(&UPLOADS);
    whole.sort_by_key(|upload| Archive::LARGE_ONES.iter().position(|it| *it == upload.archive));
    for upload in whole {
        uploads.row(upload.row());
    }
    let mut choices = Table::new(["choice, of text of 4.4 MB", "so", "plainly", "plainly / so"]);
    for choice in taken(&CHOICES) {
        choices.row(choice.row());
    }
    print(&uploads);
    print(&choices);
}

/// Prints a table, unless a filter on the command line leaves all of it out.
fn print<const N: usize>(table: &Table<N>) {
    if !table.is_empty() {
        println!("\n{table}");
    }
}

/// What was measured.
fn taken<T>(measured: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut measured.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The ways that one archive took, round by round.
struct Upload {
    archive: Archive,
    small: bool,
    service: Samples,
    base: Samples,
    plain: Samples,
}

static UPLOADS: Mutex<Vec<Upload>> = Mutex::new(Vec::new());

impl Upload {
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
    upload(bencher, archive, false);
}

#[divan::bench(args = Archive::SMALL_ONES, sample_size = 1, sample_count = 5_000)]
fn of_4_kb(bencher: Bencher<'_, '_>, archive: Archive) {
    upload(bencher, archive, true);
}

fn upload(bencher: Bencher<'_, '_>, archive: Archive, small: bool) {
    let (bytes, event) = event(archive);
    let mut base_way = Base::new(Base::BUFFER);
    let (mut base, mut plain) = (Samples::default(), Samples::default());
    let service = RefCell::new(Samples::default());
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| {
            base.time(|| base_way.run(black_box(&bytes))).expect("BASE takes it");
            plain.time(|| plain::validated(black_box(&event))).expect("the plain path takes it");
        })
        .bench_local_values(|()| {
            let way = || service::validated(black_box(&event));
            service.borrow_mut().time(way).expect("the service takes it")
        });
    let upload = Upload { archive, small, service: service.into_inner(), base, plain };
    UPLOADS.lock().unwrap_or_else(PoisonError::into_inner).push(upload);
}

fn event(archive: Archive) -> (Vec<u8>, Vec<u8>) {
    let bytes = archive.bytes().expect("an archive is made");
    // As long as a real one.
    let caller = Caller { token: "t".repeat(1_000), catalog_id: "catalog".to_owned() };
    let event = caller.create(&bytes, None).expect("an event is made");
    (bytes, event)
}

/// What the service does otherwise than one would at first.
#[derive(Clone, Copy, Debug)]
enum Step {
    Event,
    Form,
    Archive,
    Buffer,
}

impl Display for Step {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Event => "own event, base64 by SIMD (plainly: lambda_http)",
            Self::Form => "own form, in place (multer)",
            Self::Archive => "own walk of the tar, with all checks (tar, with few)",
            Self::Buffer => "inflating into 256 KB (64 KB)",
        })
    }
}

/// The times of a step, round by round.
struct Choice {
    step: Step,
    so: Samples,
    plainly: Samples,
}

static CHOICES: Mutex<Vec<Choice>> = Mutex::new(Vec::new());

impl Choice {
    fn row(&self) -> [String; 4] {
        let Self { step, so, plainly } = self;
        [
            step.to_string(),
            table::time(so.median()),
            table::time(plainly.median()),
            table::ratio(plainly.ratio(so)),
        ]
    }
}

#[divan::bench(
    args = [Step::Event, Step::Form, Step::Archive, Step::Buffer],
    sample_size = 1,
    sample_count = 100,
)]
fn steps(bencher: Bencher<'_, '_>, step: Step) {
    let (archive, event) = event(Archive::LARGE);
    match step {
        Step::Event => choice(
            bencher,
            step,
            || service::event(black_box(&event)).expect("the service takes it"),
            || plain::event(black_box(&event)).expect("the plain path takes it"),
        ),
        Step::Form => {
            let decoded = service::event(&event).expect("the service takes it");
            let plainly = plain::event(&event).expect("the plain path takes it");
            choice(
                bencher,
                step,
                || service::form(black_box(&decoded)).expect("the service takes it"),
                || plain::form(black_box(plainly.clone())).expect("the plain path takes it"),
            );
        }
        Step::Archive => {
            let file = Bytes::from(archive);
            choice(
                bencher,
                step,
                || service::archive(black_box(&file)).expect("the service takes it"),
                || plain::archive(black_box(&file)).expect("the plain path takes it"),
            );
        }
        Step::Buffer => {
            let (mut so, mut usual) = (Base::new(Base::BUFFER), Base::new(USUAL_BUFFER));
            choice(
                bencher,
                step,
                || so.inflate(black_box(&archive)).expect("it is an archive"),
                || usual.inflate(black_box(&archive)).expect("it is an archive"),
            );
        }
    }
}

fn choice<S, P>(
    bencher: Bencher<'_, '_>,
    step: Step,
    mut way: impl FnMut() -> S,
    mut plain_way: impl FnMut() -> P,
) {
    let (mut so, mut plainly) = (Samples::default(), Samples::default());
    bencher
        .with_inputs(|| drop(plainly.time(&mut plain_way)))
        .bench_local_values(|()| so.time(&mut way));
    let choice = Choice { step, so, plainly };
    CHOICES.lock().unwrap_or_else(PoisonError::into_inner).push(choice);
}
