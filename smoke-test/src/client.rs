//! Requests to the service and to S3, and a record of what they created.

use std::{cell::RefCell, collections::BTreeSet, io};

use bytes::Bytes;
use cli::api::{
    ApiClient, Fields, HttpResponse, IDEMPOTENCY_KEY, PresignedUpload,
    model::{Artifact, Link},
    multipart_form,
};
use reqwest::{
    Client as ReqwestClient, Method, RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    expect::{self, Failure},
    sample::Archive,
};

/// A client of the service, with a token for one catalog.
#[derive(Debug)]
pub struct Client {
    api: ApiClient,
    token: HeaderValue,
    record: RefCell<Record>,
}

/// A record of the responses of the service.
#[derive(Debug, Default)]
struct Record {
    /// The customizations that exist and are not removed yet.
    created: BTreeSet<String>,
    responses: usize,
    /// The requests whose response has no identifier.
    without_request_id: Vec<String>,
}

/// A request to the service.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Empty,
    Bytes(Bytes),
    Form { parts: Vec<(&'static str, String)>, archive: Archive },
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

impl Request {
    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Replaces the token.
    #[must_use]
    pub fn token(self, token: HeaderValue) -> Self {
        self.header(AUTHORIZATION, token)
    }

    /// Removes the token.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.headers.remove(AUTHORIZATION);
        self
    }

    /// Appends parameters to the query string.
    #[must_use]
    pub fn query(mut self, parameters: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(parameters);
        self
    }

    /// Sends a text, which no operation accepts.
    #[must_use]
    pub fn text(mut self, text: &'static str) -> Self {
        self.body = Body::Bytes(Bytes::from_static(text.as_bytes()));
        self.header(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
    }

    /// Sends JSON.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the value cannot be written as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Result<Self, Failure> {
        let json =
            serde_json::to_vec(value).map_err(|error| Failure::because(error.to_string()))?;
        self.body = Body::Bytes(json.into());
        Ok(self.header(CONTENT_TYPE, HeaderValue::from_static("application/json")))
    }

    /// Sends a form.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the filter cannot be written as JSON.
    pub fn form(mut self, archive: &Archive, fields: &Fields) -> Result<Self, Failure> {
        self.body = Body::Form { parts: fields.form_parts()?, archive: archive.clone() };
        Ok(self)
    }

    fn build(&self, client: &ReqwestClient) -> RequestBuilder {
        let builder =
            client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        match &self.body {
            Body::Empty => builder,
            Body::Bytes(bytes) => builder.body(bytes.clone()),
            Body::Form { parts, archive } => {
                let Archive { filename, content } = archive;
                let form = multipart_form(parts, *filename, content.clone(), archive.size());
                builder.multipart(form)
            }
        }
    }
}

impl Client {
    /// A client that sends `token`.
    #[must_use]
    pub fn new(api: ApiClient, token: HeaderValue) -> Self {
        Self { api, token, record: RefCell::default() }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &HeaderValue {
        &self.token
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &str {
        &self.api.catalog
    }

    /// A request to a path of the catalog, with the token. A write has an idempotency key, so that
    /// it can be repeated after a temporary fault.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the URL is not valid.
    pub fn request(&self, method: Method, path: &[&str]) -> Result<Request, Failure> {
        self.request_to(method, &[&["v1", "catalogs", &self.api.catalog], path].concat())
    }

    /// A request to any path of the service.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the URL is not valid.
    pub fn request_to(&self, method: Method, path: &[&str]) -> Result<Request, Failure> {
        let url = self.api.url_of(path)?;
        let request = Request { method, url, headers: HeaderMap::new(), body: Body::Empty };
        let request = request.token(self.token.clone());
        if request.method == Method::POST || request.method == Method::PATCH {
            let key = HeaderValue::from_str(&Uuid::new_v4().to_string());
            let key = key.map_err(|error| Failure::because(error.to_string()))?;
            return Ok(request.header(IDEMPOTENCY_KEY, key));
        }
        Ok(request)
    }

    /// Sends a request to the service.
    ///
    /// # Errors
    ///
    /// [`Failure`] if all attempts end without a response.
    pub async fn send(&self, request: &Request) -> Result<HttpResponse, Failure> {
        let response = self.api.http.send(|client| request.build(client)).await?;
        self.record(request, &response);
        Ok(response)
    }

    fn record(&self, request: &Request, response: &HttpResponse) {
        let mut record = self.record.borrow_mut();
        record.responses += 1;
        if response.header("x-amzn-requestid").is_none_or(str::is_empty) {
            record.without_request_id.push(format!("{} {}", request.method, request.url.path()));
        }
        let last = request.url.path_segments().and_then(|mut segments| segments.next_back());
        match (&request.method, response.status) {
            (&Method::POST, StatusCode::CREATED) => {
                // Only a customization has an identifier; the start of an upload has none.
                if let Ok(Identified { id }) = serde_json::from_slice(&response.body) {
                    record.created.insert(id);
                }
            }
            (&Method::DELETE, StatusCode::NO_CONTENT) => {
                last.map(|id| record.created.remove(id));
            }
            _ => {}
        }
    }

    /// The identifiers of the customizations that this client created and did not remove.
    #[must_use]
    pub fn created(&self) -> BTreeSet<String> {
        self.record.borrow().created.clone()
    }

    /// Expects that every response of the service until now had an identifier.
    ///
    /// # Errors
    ///
    /// [`Failure`]
    pub fn expect_request_ids(&self) -> Result<(), Failure> {
        let record = self.record.borrow();
        let Some(first) = record.without_request_id.first() else { return Ok(()) };
        let number = record.without_request_id.len();
        Err(Failure::new(
            "the header x-amzn-requestid",
            format!("{number} of {} responses without it; the first to {first}", record.responses),
        ))
    }

    /// Sends the presigned request of a direct upload with this content.
    ///
    /// # Errors
    ///
    /// [`Failure`] if all attempts end without a response.
    pub async fn upload(
        &self,
        request: &PresignedUpload,
        content: &Bytes,
    ) -> Result<HttpResponse, Failure> {
        let size = content.len() as u64;
        let build = |client: &ReqwestClient| request.builder(client, content.clone(), size);
        Ok(self.api.http.send(build).await?)
    }

    /// Gets the link of a file, and downloads it without the token.
    ///
    /// # Errors
    ///
    /// [`Failure`]
    pub async fn download(&self, artifact: &Artifact) -> Result<Bytes, Failure> {
        let url = self.api.file_url(&artifact.url)?;
        let request = Request { url, ..self.request(Method::GET, &[])? };
        let link: Link = expect::document(&self.send(&request).await?, 200)?;
        let content = RefCell::new(Vec::new());
        let start = |_| {
            content.borrow_mut().clear();
            io::Result::Ok(())
        };
        let write = |chunk: &[u8]| {
            content.borrow_mut().extend_from_slice(chunk);
            Ok(())
        };
        let response = self.api.http.download(&link.url, start, write).await?;
        expect::storage_status(&response, 200)?;
        Ok(content.into_inner().into())
    }
}
