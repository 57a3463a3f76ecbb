//! A direct upload: start it, send the file to S3, create a customization of it.

use bytes::Bytes;
use cli::{
    api::{
        JsonForm, PresignedUpload, UploadForm,
        model::{Customization, StartedUpload},
    },
    archive_file::MAX_UPLOAD_BYTES,
};
use reqwest::Method;

use super::{
    journey::{download, expect_new},
    remove,
};
use crate::{
    SmokeTest,
    client::Request,
    expect::{self, Failure},
    problem::Problem,
    sample::Archive,
};

/// Runs the checks.
pub(super) async fn run(test: &SmokeTest) {
    let (client, report) = (&test.client, &test.report);
    let archive = test.sample.large_archive();
    refusals(test, &archive).await;
    let start = async {
        let form = UploadForm { sha256: &archive.sha256(), size: archive.size() };
        let response = client.send(&start(test)?.json(&form)?).await?;
        let started: StartedUpload = expect::document(&response, 201)?;
        let upload = started.upload.ok_or_else(|| Failure::new("a presigned request", "none"))?;
        Ok(PresignedUpload::try_from(upload)?)
    };
    let Some(upload) = report.check("start a direct upload", start).await else {
        report.skip("upload to S3, and create from it", "no upload was started");
        return;
    };
    let other = other_bytes(&archive);
    for (name, content, status) in [
        ("S3 refuses other bytes than the declared ones (400)", &other, 400),
        ("upload the file to S3", &archive.content, 200),
        ("S3 refuses a second upload (412)", &archive.content, 412),
    ] {
        let put = async {
            let response = client.upload(&upload, content).await?;
            expect::storage_status(&response, status)
        };
        report.check(name, put).await;
    }
    create(test, &archive).await;
}

/// The same number of other bytes: S3 compares the size before the checksum.
fn other_bytes(archive: &Archive) -> Bytes {
    archive.content.iter().map(|byte| !byte).collect()
}

fn start(test: &SmokeTest) -> Result<Request, Failure> {
    test.client.request(Method::POST, &["uploads"])
}

async fn refusals(test: &SmokeTest, archive: &Archive) {
    let (client, report) = (&test.client, &test.report);
    let too_large = async {
        let form = UploadForm { sha256: &archive.sha256(), size: MAX_UPLOAD_BYTES + 1 };
        let response = client.send(&start(test)?.json(&form)?).await?;
        Problem::UPLOAD_TOO_LARGE.expect(&response)
    };
    report.check("refuse the start of an upload of 268,435,457 bytes (413)", too_large).await;
    let missing = async {
        let response = client.send(&create_request(test, archive)?).await?;
        Problem::NOT_UPLOADED.expect(&response)
    };
    report.check("refuse a create from a file that is not uploaded (409)", missing).await;
}

fn create_request(test: &SmokeTest, archive: &Archive) -> Result<Request, Failure> {
    let form = JsonForm {
        sha256: Some(&archive.sha256()),
        filename: Some(archive.filename),
        fields: &test.sample.fields("direct upload"),
    };
    test.client.request(Method::POST, &["customizations"])?.json(&form)
}

async fn create(test: &SmokeTest, archive: &Archive) {
    let (client, report) = (&test.client, &test.report);
    let create = async {
        let response = client.send(&create_request(test, archive)?).await?;
        let customization: Customization = expect::document(&response, 201)?;
        expect_new(test, &customization, archive, "direct upload")?;
        Ok(customization)
    };
    let created = report.check("create a customization from the upload", create).await;
    let Some(Customization { id, artifact, .. }) = created else {
        report.skip("download and remove the upload", "no customization was created");
        return;
    };
    report.check("download the uploaded file", download(test, &artifact, archive)).await;
    report.check("remove the customization from the upload", remove(client, &id)).await;
}
