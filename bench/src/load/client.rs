//! A client: creates a customization, gets it, gets the download link of its file, and starts
//! again.

use std::{iter::StepBy, ops::Range, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use measure::{
    Result,
    archive::{self, Archive},
    event,
};
use serde_json::{Value, json};

use super::{
    quota::Quota,
    results::{Operation, Results},
};

/// One in this number of uploads is large.
const LARGE_INTERVAL: usize = 10;

/// A client with its own connections.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    authorization: String,
    catalog_url: String,
    small_archive: Vec<u8>,
    large_archive: Vec<u8>,
    filter: Value,
    /// Numbers that only this client uses, so that no file is uploaded twice.
    unique_numbers: StepBy<Range<u32>>,
    results: Results,
}

/// Reason to end a round early.
enum RoundEnd {
    /// The quota is used up.
    QuotaExceeded,
    /// The response that the next request needs is missing.
    RequestFailed,
}

impl Client {
    /// Creates `clients` clients of the stack at `url`.
    pub(super) fn create_many(
        clients: u32,
        url: &str,
        token: &str,
        catalog: &str,
    ) -> Result<Vec<Self>> {
        let (small_archive, large_archive) = (Archive::SMALL.bytes()?, Archive::MEDIUM.bytes()?);
        let step = clients.try_into()?;
        let client = |number: u32| Self {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            authorization: format!("Bearer {token}"),
            catalog_url: format!("{}/v1/catalogs/{catalog}", url.trim_end_matches('/')),
            small_archive: small_archive.clone(),
            large_archive: large_archive.clone(),
            filter: json!({ "product_key": "apache_kafka" }),
            unique_numbers: (number..u32::MAX).step_by(step),
            results: Results::default(),
        };
        Ok((0..clients).map(client).collect())
    }

    /// Runs rounds of requests until the quota is used up.
    pub(super) async fn run(mut self, quota: Arc<Quota>) -> Results {
        for round in 0.. {
            let is_large = round % LARGE_INTERVAL == 0;
            if let Err(RoundEnd::QuotaExceeded) = self.run_round(&quota, is_large).await {
                break;
            }
        }
        self.results
    }

    async fn run_round(&mut self, quota: &Quota, is_large: bool) -> Result<(), RoundEnd> {
        let number = self.unique_numbers.next().ok_or(RoundEnd::QuotaExceeded)?;
        let archive = if is_large { &mut self.large_archive } else { &mut self.small_archive };
        archive::make_unique(archive, number);
        let form = event::form(archive, Some(&self.filter));
        let created = self.request(quota, Operation::Create, "/customizations", form).await?;

        let id = created.get("id").and_then(Value::as_str).ok_or(RoundEnd::RequestFailed)?;
        let path = format!("/customizations/{id}");
        let read = self.request(quota, Operation::Get, &path, Vec::new()).await?;
        if read.get("artifact") != created.get("artifact") {
            let message = format!("the artifact changed: create returned {created}, get {read}");
            self.results.add_error(Operation::Get, &message);
        }

        let digest = created.pointer("/artifact/id").and_then(Value::as_str);
        let digest = digest.ok_or(RoundEnd::RequestFailed)?;
        let path = format!("/files/{digest}?filename={}", event::FILE_NAME);
        let link = self.request(quota, Operation::GetFile, &path, Vec::new()).await?;
        if link.get("url").is_none() {
            self.results.add_error(Operation::GetFile, &format!("{link} has no url"));
        }
        Ok(())
    }

    /// Sends a request, records its latency or its error, and returns the body of the response.
    async fn request(
        &mut self,
        quota: &Quota,
        operation: Operation,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Value, RoundEnd> {
        if !quota.start_request() {
            return Err(RoundEnd::QuotaExceeded);
        }
        let started = Instant::now();
        let response = self.send(operation, path, body).await;
        let latency = started.elapsed();
        quota.finish_request();
        match response {
            Ok(body) => {
                self.results.add_success(operation, latency);
                Ok(body)
            }
            Err(error) => {
                self.results.add_error(operation, &error.to_string());
                Err(RoundEnd::RequestFailed)
            }
        }
    }

    async fn send(&self, operation: Operation, path: &str, body: Vec<u8>) -> Result<Value> {
        let (method, expected_status) = match operation {
            Operation::Create => (Method::POST, 201),
            Operation::Get | Operation::GetFile => (Method::GET, 200),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.catalog_url))
            .header(AUTHORIZATION, &self.authorization);
        if operation == Operation::Create {
            request = request.header(CONTENT_TYPE, event::FORM_TYPE);
        }
        let response = self.http.request(request.body(Full::from(body))?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        if status == expected_status {
            Ok(serde_json::from_slice(&body)?)
        } else {
            Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into())
        }
    }
}
