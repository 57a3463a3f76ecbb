//! The journey of a customization: create, read, change, download, remove.

use bytes::Bytes;
use cli::api::{
    Fields,
    model::{Artifact, Customization, Version},
};
use reqwest::{
    Method,
    header::{HeaderValue, IF_NONE_MATCH},
};
use serde::Deserialize;

use super::{MAX_PAGE_SIZE, Page, get, list, remove as remove_customization};
use crate::{
    SmokeTest,
    client::Request,
    expect::{self, Failure},
    problem::Problem,
    sample::Archive,
};

/// The maximum number of states of a customization while its `ETag` is checked: the build pipeline
/// may change it meanwhile.
const STATES: u32 = 3;

/// A customization, and the request that created it.
pub(super) struct Created {
    pub(super) id: String,
    pub(super) request: Request,
    /// The body of the response.
    pub(super) body: Bytes,
    archive: Archive,
    artifact: Artifact,
}

#[derive(Deserialize)]
struct Versions {
    items: Vec<Version>,
}

/// Creates a customization in a form.
pub(super) async fn create(test: &SmokeTest) -> Option<Created> {
    let create = async {
        let (archive, fields) = (test.sample.archive(1), test.sample.fields("form"));
        let request = test.client.request(Method::POST, &["customizations"])?;
        let request = request.form(&archive, &fields)?;
        let response = test.client.send(&request).await?;
        let customization: Customization = expect::document(&response, 201)?;
        let catalog = test.client.catalog();
        let location = format!("/v1/catalogs/{catalog}/customizations/{}", customization.id);
        expect::header(&response, "location", &location)?;
        expect_new(test, &customization, &archive, "form")?;
        let Customization { id, artifact, .. } = customization;
        Ok(Created { id, request, body: response.body, archive, artifact })
    };
    test.report.check("create a customization from a form", create).await
}

/// Expects the fields of a new customization.
pub(super) fn expect_new(
    test: &SmokeTest,
    customization: &Customization,
    archive: &Archive,
    purpose: &str,
) -> Result<(), Failure> {
    let fields = test.sample.fields(purpose);
    expect::equal("the name", fields.name.as_ref(), Some(&customization.name))?;
    let description = customization.description.as_ref();
    expect::equal("the description", fields.description.as_ref(), description)?;
    let json = |filter: &Option<_>| serde_json::to_string(filter).unwrap_or_default();
    expect::equal("the filter", json(&fields.filter), json(&customization.filter))?;
    expect::equal("the version", "v1", &customization.version)?;
    expect::equal("the status", "CREATED", &customization.status)?;
    expect_artifact(&customization.artifact, archive)
}

fn expect_artifact(artifact: &Artifact, archive: &Archive) -> Result<(), Failure> {
    expect::equal("the SHA-256", archive.sha256(), artifact.id.clone())?;
    expect::equal("the file name", archive.filename, &artifact.filename)
}

/// Reads the customization in every way.
pub(super) async fn read(test: &SmokeTest, created: &Created) {
    let (client, report) = (&test.client, &test.report);
    let get = async {
        let customization = get(client, &created.id).await?;
        expect::equal("the id", &created.id, &customization.id)?;
        expect_artifact(&customization.artifact, &created.archive)
    };
    report.check("get it", get).await;
    report.check("get it again with its ETag (304)", not_modified(test, created)).await;
    let list = async {
        let Page { items } = list(client, &[("page_size", MAX_PAGE_SIZE)]).await?;
        // Other users may have created newer ones meanwhile. Identifiers ascend with time.
        let first = items.iter().find(|item| item.id <= created.id).map(|item| &item.id);
        expect::equal("as the newest item", Some(&created.id), first)
    };
    report.check("list it first", list).await;
    report.check("list in pages, with a Link header", pages(test)).await;
    report.check("download the file", download(test, &created.artifact, &created.archive)).await;
}

async fn not_modified(test: &SmokeTest, created: &Created) -> Result<(), Failure> {
    let request = test.client.request(Method::GET, &["customizations", &created.id])?;
    let mut response = test.client.send(&request).await?;
    for _ in 0..STATES {
        expect::status(&response, 200)?;
        let tag = response.headers.get("etag").cloned();
        let tag = tag.ok_or_else(|| Failure::new("an ETag", "no such header"))?;
        let request = request.clone().header(IF_NONE_MATCH, tag.clone());
        response = test.client.send(&request).await?;
        if response.status == 304 {
            return expect::that(response.body.is_empty(), "a 304 has no body");
        }
        let changed = response.headers.get("etag").is_some_and(|other: &HeaderValue| *other != tag);
        if !changed {
            break;
        }
    }
    expect::status(&response, 304)
}

async fn pages(test: &SmokeTest) -> Result<(), Failure> {
    let request = test.client.request(Method::GET, &["customizations"])?;
    let response = test.client.send(&request.query(&[("page_size", "1")])).await?;
    let Page { items } = expect::document(&response, 200)?;
    expect::equal("the number of items", 1, items.len())?;
    let link = response.header("link").unwrap_or_default();
    for part in ["page_size=1>", "rel=\"first\"", "rel=\"last\""] {
        expect::that(link.contains(part), &format!("the header Link has {part}"))?;
    }
    Ok(())
}

/// Downloads a file, and compares its bytes and its SHA-256.
pub(super) async fn download(
    test: &SmokeTest,
    artifact: &Artifact,
    archive: &Archive,
) -> Result<(), Failure> {
    let content = test.client.download(artifact).await?;
    let downloaded = Archive::new(archive.filename, content);
    expect::equal("the size", archive.size(), downloaded.size())?;
    expect::equal("the SHA-256", archive.sha256(), downloaded.sha256())?;
    expect::that(archive.content == downloaded.content, "the bytes are those of the upload")
}

/// Makes a new version.
pub(super) async fn change(test: &SmokeTest, created: &Created) {
    let (client, report) = (&test.client, &test.report);
    let archive = test.sample.archive(2);
    let update = async {
        let request = client.request(Method::PATCH, &["customizations", &created.id])?;
        let request = request.form(&archive, &Fields::default())?;
        expect::status(&client.send(&request).await?, 204)?;
        let customization = get(client, &created.id).await?;
        expect::equal("the version", "v2", &customization.version)?;
        expect_artifact(&customization.artifact, &archive)?;
        Ok(customization.artifact)
    };
    let Some(artifact) = report.check("make a new version", update).await else {
        report.skip("list and download its versions", "it has no new version");
        return;
    };
    let versions = async {
        let request = client.request(Method::GET, &["customizations", &created.id, "versions"])?;
        let Versions { items } = expect::document(&client.send(&request).await?, 200)?;
        let versions: Vec<_> =
            items.iter().map(|item| (&*item.version, &*item.artifact.id)).collect();
        let expected = vec![("v2", artifact.id.as_str()), ("v1", created.artifact.id.as_str())];
        expect::equal("the versions", expected, versions)
    };
    report.check("list its versions", versions).await;
    report.check("download the new version", download(test, &artifact, &archive)).await;
    let earlier = download(test, &created.artifact, &created.archive);
    report.check("download the earlier version", earlier).await;
}

/// Removes the customization.
pub(super) async fn remove(test: &SmokeTest, created: &Created) {
    let (client, report) = (&test.client, &test.report);
    let id = &created.id;
    report.check("remove it", remove_customization(client, id)).await;
    report.check("remove it again, without effect", remove_customization(client, id)).await;
    let still = async {
        let customization = get(client, id).await?;
        expect::that(customization.removed_at.is_some(), "it has the time of its removal")?;
        download(test, &created.artifact, &created.archive).await
    };
    report.check("read and download it after its removal", still).await;
    let lists = async {
        let is_listed = async |active| {
            let query = [("active", active), ("page_size", MAX_PAGE_SIZE)];
            let Page { items } = list(client, &query).await?;
            Ok::<_, Failure>(items.iter().any(|item| item.id == *id))
        };
        expect::that(!is_listed("true").await?, "it is not in the list of active ones")?;
        expect::that(is_listed("false").await?, "it is in the list of all")
    };
    report.check("list it only among the removed", lists).await;
    let change = async {
        let request = client.request(Method::PATCH, &["customizations", id])?;
        let request = request.form(&test.sample.archive(3), &Fields::default())?;
        Problem::CUSTOMIZATION_REMOVED.expect(&client.send(&request).await?)
    };
    report.check("refuse a new version after its removal (409)", change).await;
}
