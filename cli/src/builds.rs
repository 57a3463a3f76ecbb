//! The builds of a customization, and waiting for them.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    api::{
        ApiClient, Document,
        model::{Customization, Releasable},
    },
    args::WaitArgs,
    error::CommandError,
    output::{Output, Text, count},
};

const SUCCEEDED: &str = "SUCCEEDED";
const FAILED: &str = "FAILED";

/// The shortest time between two requests.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Returns an application's name: `Apache Kafka 2 on Debian 11`.
#[must_use]
pub fn application_name(application: &Releasable) -> String {
    let Releasable { product, branch, base_image, .. } = application;
    format!("{} {branch} on {}", product.name, base_image.name)
}

/// Builds of the released applications, by their status.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    succeeded: usize,
    failed: usize,
    pending: usize,
}

impl Progress {
    fn of(customization: &Customization) -> Self {
        let mut progress = Self::default();
        for application in released(customization) {
            match application.status.as_str() {
                SUCCEEDED => progress.succeeded += 1,
                FAILED => progress.failed += 1,
                // A status that this program does not know is not the end.
                _ => progress.pending += 1,
            }
        }
        progress
    }
}

fn released(customization: &Customization) -> impl Iterator<Item = &Releasable> {
    customization.affected_releasables.iter().filter(|one| one.latest_release.is_some())
}

/// Waits until the builds of all released applications with the customization `id` have ended, and
/// reports each end. Then prints the state.
///
/// # Errors
///
/// [`CommandError::BuildsFailed`], [`CommandError::WaitTimeout`], or that of a request.
pub async fn follow(
    api: &ApiClient,
    output: Output,
    id: &str,
    args: &WaitArgs,
) -> Result<(), CommandError> {
    let (state, outcome) = wait(api, output, id, args).await?;
    if output.is_json() {
        output.json(&state.json)?;
    } else if !output.is_quiet() {
        print(output, &state.value)?;
    }
    outcome
}

/// Prints the builds of a customization.
///
/// # Errors
///
/// [`CommandError::Output`]
pub fn print(output: Output, customization: &Customization) -> Result<(), CommandError> {
    let rows = customization.affected_releasables.iter().map(|application| {
        let Releasable { product, branch, base_image, latest_release, status, failure, .. } =
            application;
        let release = latest_release.as_ref().map_or_else(
            || "not released".to_owned(),
            |release| format!("{}-{}", release.version, release.revision),
        );
        let details = failure.as_ref().map(|failure| match &failure.source_url {
            Some(url) => format!("{} ({url})", failure.description),
            None => failure.description.clone(),
        });
        [
            Text::from(format!("{} {branch}", product.name)),
            Text::from(base_image.name.clone()),
            Text::from(release),
            Text::status(status),
            Text::from(details.unwrap_or_default()),
        ]
    });
    output.table(["APPLICATION", "BASE IMAGE", "RELEASE", "BUILD", "FAILURE"], rows)
}

/// Waits for the builds. Returns the last state and the outcome.
async fn wait(
    api: &ApiClient,
    output: Output,
    id: &str,
    args: &WaitArgs,
) -> Result<(Document<Customization>, Result<(), CommandError>), CommandError> {
    let deadline = Instant::now() + args.timeout;
    let (mut state, mut e_tag) = api.get_with_e_tag(id).await?;
    let bar = output.build_bar();
    let mut reported = BTreeMap::new();
    loop {
        let customization = &state.value;
        bar.suspend(|| report_changes(output, customization, &mut reported));
        let progress = Progress::of(customization);
        let ended = progress.succeeded + progress.failed;
        bar.set_length((ended + progress.pending) as u64);
        bar.set_position(ended as u64);
        let outcome = outcome(customization, &progress).or_else(|| {
            (Instant::now() >= deadline).then(|| {
                let pending = count(progress.pending, "build");
                let waited = humantime::format_duration(args.timeout);
                Err(CommandError::WaitTimeout(format!("{pending} still pending after {waited}")))
            })
        });
        if let Some(outcome) = outcome {
            bar.finish_and_clear();
            return Ok((state, outcome));
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        sleep(args.interval.max(MIN_INTERVAL).min(remaining)).await;
        if let Some(changed) = api.get_if_changed(id, e_tag.as_deref()).await? {
            (state, e_tag) = changed;
        }
    }
}

/// Prints each build that has ended, or that a new version has started again.
fn report_changes(
    output: Output,
    customization: &Customization,
    reported: &mut BTreeMap<String, String>,
) {
    for application in released(customization) {
        let Releasable { application_id, status, failure, .. } = application;
        let before = reported.insert(application_id.clone(), status.clone());
        if before.as_ref() == Some(status) || (before.is_none() && status == "PENDING") {
            continue;
        }
        let reason = failure.as_ref().map(|failure| format!(": {}", failure.description));
        let name = application_name(application);
        output.note(&format!("{name}: {status}{}", reason.unwrap_or_default()));
    }
}

/// Returns the outcome if the builds have ended.
fn outcome(customization: &Customization, progress: &Progress) -> Option<Result<(), CommandError>> {
    let Progress { succeeded, failed, pending } = *progress;
    let total = succeeded + failed + pending;
    if customization.removed_at.is_some() {
        let message = "the customization is removed, so it is not built any more";
        return Some(Err(CommandError::BuildsFailed(message.to_owned())));
    }
    // The pipeline has given up: the other builds may never end.
    if pending > 0 && customization.status.ends_with("FAILED") {
        let message = format!("the status of the customization is {}", customization.status);
        return Some(Err(CommandError::BuildsFailed(message)));
    }
    match (pending, failed) {
        (0, 0) => Some(Ok(())),
        (0, failed) => {
            let message = format!("{failed} of {} failed", count(total, "build"));
            Some(Err(CommandError::BuildsFailed(message)))
        }
        _ => None,
    }
}
