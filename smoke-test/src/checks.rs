//! The checks, in the order in which they run.

mod direct_upload;
mod journey;
mod refusals;

use std::fmt::Write as _;

use cli::api::model::Customization;
use reqwest::Method;
use serde::Deserialize;

use crate::{
    SmokeTest,
    client::Client,
    expect::{self, Failure},
};

/// The maximum number of customizations on a page of a list (openapi.yaml).
const MAX_PAGE_SIZE: &str = "100";

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Customization>,
}

/// Runs all checks but those of [`clean_up`].
pub async fn run(test: &SmokeTest) {
    match journey::create(test).await {
        Some(created) => {
            journey::read(test, &created).await;
            refusals::idempotency_keys(test, &created).await;
            journey::change(test, &created).await;
            journey::remove(test, &created).await;
        }
        None => test.report.skip("read, change and remove it", "no customization was created"),
    }
    direct_upload::run(test).await;
    refusals::authentication(test).await;
    refusals::missing_objects(test).await;
    refusals::invalid_forms(test).await;
    refusals::too_large_files(test).await;
}

/// Removes what the checks left, and checks what holds for all responses.
pub async fn clean_up(test: &SmokeTest) {
    test.report.check("leave no customization that is not removed", remove_all(test)).await;
    test.report
        .check("every response of the service has a request id", async {
            test.client.expect_request_ids()
        })
        .await;
}

/// Removes every customization of this run: those that it knows, and those that a list has with its
/// names. A request may have created one although its response was lost.
async fn remove_all(test: &SmokeTest) -> Result<(), Failure> {
    let mut ids = test.client.created();
    let listed = list(&test.client, &[("active", "true"), ("page_size", MAX_PAGE_SIZE)]).await;
    if let Ok(Page { items }) = &listed {
        let prefix = test.sample.name_prefix();
        let own = items.iter().filter(|item| item.name.starts_with(&prefix));
        ids.extend(own.map(|item| item.id.clone()));
    }
    let mut failures = String::new();
    for id in ids {
        if let Err(failure) = remove(&test.client, &id).await {
            let _ = write!(failures, "; {id} is not removed: {failure}");
        }
    }
    match listed {
        Ok(_) if failures.is_empty() => Ok(()),
        Ok(_) => Err(Failure::because(failures.trim_start_matches("; ").to_owned())),
        Err(failure) => Err(Failure::because(format!(
            "the list of active ones has no answer: {failure}{failures}"
        ))),
    }
}

async fn list(client: &Client, query: &[(&str, &str)]) -> Result<Page, Failure> {
    let request = client.request(Method::GET, &["customizations"])?.query(query);
    expect::document(&client.send(&request).await?, 200)
}

async fn get(client: &Client, id: &str) -> Result<Customization, Failure> {
    let request = client.request(Method::GET, &["customizations", id])?;
    expect::document(&client.send(&request).await?, 200)
}

async fn remove(client: &Client, id: &str) -> Result<(), Failure> {
    let request = client.request(Method::DELETE, &["customizations", id])?;
    expect::status(&client.send(&request).await?, 204)
}
