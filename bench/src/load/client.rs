//! One client: creates, reads what it created, asks for the file, and begins again.

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
    Outcome,
    archive::{self, Archive},
    event,
};
use serde_json::{Value, json};

use super::{
    quota::Quota,
    results::{Results, Route},
};

/// Of so many uploads, one is large.
const LARGE_EVERY: usize = 10;

/// A client with its connection.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    authorization: String,
    /// The catalog's URL.
    catalog: String,
    small: Vec<u8>,
    large: Vec<u8>,
    filter: Value,
    /// No file is uploaded twice: these numbers tell them apart.
    numbers: StepBy<Range<u32>>,
    results: Results,
}

/// Why a client goes no further.
enum Stop {
    /// All that was to be asked has been.
    Done,
    /// What would have come next needs an answer that was none.
    Failed,
}

impl Client {
    /// So many clients of the stack at `url`.
    pub(super) fn several(
        clients: u32,
        url: &str,
        token: &str,
        catalog: &str,
    ) -> Outcome<Vec<Self>> {
        let (small, large) = (Archive::SMALL.bytes()?, Archive::MEDIUM.bytes()?);
        let every = clients.try_into()?;
        let client = |number: u32| Self {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            authorization: format!("Bearer {token}"),
            catalog: format!("{}/v1/catalogs/{catalog}", url.trim_end_matches('/')),
            small: small.clone(),
            large: large.clone(),
            filter: json!({ "product_key": "apache_kafka" }),
            numbers: (number..u32::MAX).step_by(every),
            results: Results::default(),
        };
        Ok((0..clients).map(client).collect())
    }

    /// Goes on until the quota is spent.
    pub(super) async fn work(mut self, quota: Arc<Quota>) -> Results {
        for round in 0.. {
            if let Err(Stop::Done) = self.journey(&quota, round % LARGE_EVERY == 0).await {
                break;
            }
        }
        self.results
    }

    async fn journey(&mut self, quota: &Quota, large: bool) -> Result<(), Stop> {
        let number = self.numbers.next().ok_or(Stop::Done)?;
        let archive = if large { &mut self.large } else { &mut self.small };
        archive::renew(archive, number);
        let form = event::form(archive, Some(&self.filter));
        let created = self.ask(quota, Route::Create, "/customizations", form).await?;

        let id = created.get("id").and_then(Value::as_str).ok_or(Stop::Failed)?;
        let path = format!("/customizations/{id}");
        let read = self.ask(quota, Route::Get, &path, Vec::new()).await?;
        if read.get("artifact") != created.get("artifact") {
            self.results.fail(Route::Get, &format!("{read} was created as {created}"));
        }

        let digest = created.pointer("/artifact/id").and_then(Value::as_str).ok_or(Stop::Failed)?;
        let path = format!("/files/{digest}?filename={}", event::FILE_NAME);
        let link = self.ask(quota, Route::File, &path, Vec::new()).await?;
        if link.get("url").is_none() {
            self.results.fail(Route::File, &format!("{link} has no url"));
        }
        Ok(())
    }

    /// The answer to a request of `route`, if it is what it should be.
    async fn ask(
        &mut self,
        quota: &Quota,
        route: Route,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Value, Stop> {
        if !quota.take() {
            return Err(Stop::Done);
        }
        let started = Instant::now();
        let answer = self.send(route, path, body).await;
        let time = started.elapsed();
        quota.finish_one();
        match answer {
            Ok(answer) => {
                self.results.succeed(route, time);
                Ok(answer)
            }
            Err(error) => {
                self.results.fail(route, &error.to_string());
                Err(Stop::Failed)
            }
        }
    }

    async fn send(&self, route: Route, path: &str, body: Vec<u8>) -> Outcome<Value> {
        let (method, expected) = match route {
            Route::Create => (Method::POST, 201),
            Route::Get | Route::File => (Method::GET, 200),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.catalog))
            .header(AUTHORIZATION, &self.authorization);
        if route == Route::Create {
            request = request.header(CONTENT_TYPE, event::FORM_TYPE);
        }
        let response = self.http.request(request.body(Full::from(body))?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        if status == expected {
            Ok(serde_json::from_slice(&body)?)
        } else {
            Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into())
        }
    }
}
