//! Lists: latency, CPU time and memory, and their growth with the number of customizations.

use measure::{Result, archive::Archive};
use shared::{
    domain::{Customization, CustomizationId},
    storage::{self, Customizations, Key, Table},
};

use super::{
    Bench, LARGE, MEDIUM, SMALL,
    deployments::RunningFunction,
    report::Row,
    transports::Transports,
    warm::{self, WarmRequest},
};
use crate::{catalogs, response};

/// Number of lists of each catalog.
const ROUNDS: u32 = 30;

/// Target of a list, as ratio to a list of a tenth of the customizations: the cost must grow
/// linearly at most, with a tolerance of a fifth.
const MAX_RATIO: f64 = 12.0;

/// Fills the small, the medium and the large catalog with as many customizations as they have
/// applications, and lists the first page of each.
pub(super) async fn measure(bench: &Bench, table: &Table) -> Result<Vec<Row>> {
    let mut create_function = RunningFunction::start(&bench.functions.create.plain).await?;
    let mut all = Vec::new();
    for size in [SMALL, MEDIUM, LARGE] {
        let events = bench.events_in(size);
        let create = events.create(&Archive::SMALL.bytes()?, None)?;
        let (_, created) = create_function.invoke(create, 201).await?;
        fill(table, size, response::string_at(&created, "/id")?.parse()?).await?;
        all.push(WarmRequest::new(events.list()?));
    }

    let message = "listing, 10, 1,000, 10,000 customizations";
    warm::measure(bench, message, ROUNDS, &mut all).await?;
    rows(bench, &all).await
}

async fn rows(bench: &Bench, all: &[WarmRequest]) -> Result<Vec<Row>> {
    let [small, medium, large] = all else { return Err("three catalogs are listed".into()) };
    let mut rows =
        vec![Row::latency("list, 10 of 10 customizations, warm", small.latency.as_ref())];
    let steps = [("1,000", medium, "10 of 10", small), ("10,000", large, "20 of 1,000", medium)];
    for (size, lists, baseline_name, baseline) in steps {
        let name = format!("list, 20 of {size} customizations");
        let baseline_name = format!("{baseline_name} customizations");
        for (what, samples, baseline) in [
            ("latency", &lists.latency, &baseline.latency),
            ("CPU time", &lists.cpu_time, &baseline.cpu_time),
        ] {
            let samples = samples.as_ref();
            let row = Row::durations(&format!("{name}: {what}"), samples);
            let row = row.baseline(&baseline_name, samples, baseline.as_ref());
            rows.push(row.max_ratios(Transports::both(MAX_RATIO)));
        }
    }
    let mut running = RunningFunction::start_both(&bench.functions.get).await?;
    running.plain.invoke(large.event.clone(), 200).await?;
    running.tls.invoke(large.event.clone(), 200).await?;
    let peak_rss = running.as_ref().try_map(|running| Ok(running.memory()?.peak_rss))?;
    rows.push(Row::bytes("list, 20 of 10,000 customizations: peak resident set size", peak_rss));
    Ok(rows)
}

/// Writes copies of a customization until its catalog has `size` of them.
async fn fill(table: &Table, size: usize, id: CustomizationId) -> Result {
    let catalog_id = catalogs::id(size).parse()?;
    let stored = Customizations::new(table.clone()).find(&catalog_id, id).await?;
    let original = stored.ok_or("the customization was not stored")?.customization;
    let copies = (1..size).map(|_| {
        let copy = Customization { id: CustomizationId::generate(), ..original.clone() };
        storage::to_item(&Key::customization(&catalog_id, copy.id), &copy)
    });
    table.write_batch(copies.collect::<std::result::Result<_, _>>()?).await?;
    Ok(())
}
