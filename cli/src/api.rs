//! The HTTP client of the service. docs/api.md describes the requests.
//!
//! | module | contents |
//! | --- | --- |
//! | [`http`] | requests with retries |
//! | [`model`] | documents of the service |
//! | `error` | [`ApiError`] |

mod error;
pub mod http;
pub mod model;

use std::{borrow::Cow, collections::BTreeMap, fs::File, io, sync::Arc};

use indicatif::ProgressBar;
use reqwest::{
    Body, Client, Method, RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue, IF_NONE_MATCH},
    multipart,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub use self::{
    error::ApiError,
    http::{HttpClient, HttpError, HttpResponse},
};
use self::{
    http::file_body,
    model::{Customization, Filter, Link, StartedUpload, UploadRequest, Version},
};
use crate::{
    archive_file::Way,
    credentials::{AccessTokens, TokenSource},
};

/// The header with the idempotency key of a create or an update.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The maximum number of customizations on a page of a list (openapi.yaml).
const MAX_PAGE_SIZE: usize = 100;

/// The maximum number of presigned requests for one upload. A request that has waited too long for
/// its attempts expires.
const PRESIGNED_REQUESTS: u32 = 3;

/// A client of the service for one catalog.
#[derive(Debug)]
pub struct ApiClient {
    /// The HTTP client.
    pub http: HttpClient,
    /// The source of the tokens.
    pub tokens: AccessTokens,
    pub(crate) url: Url,
    /// The identifier of the catalog.
    pub catalog: String,
}

/// A document, parsed and as the service sent it.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// The parsed document.
    pub value: T,
    /// Its JSON.
    pub json: Box<RawValue>,
}

/// A customization, and the `ETag` of its state.
pub type State = (Document<Customization>, Option<String>);

/// An archive to send.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The content.
    pub file: Arc<File>,
    /// The name of the file.
    pub filename: String,
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// The way to the service.
    pub way: Way,
}

/// The fields of a form, without the file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fields {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

impl Fields {
    /// Returns the names and values of the parts of a multipart form.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unexpected`]
    pub fn form_parts(&self) -> Result<Vec<(&'static str, String)>, ApiError> {
        let Self { name, description, filter } = self;
        let filter = filter.as_ref().map(serde_json::to_string).transpose();
        let filter = filter.map_err(|error| unexpected(&error))?;
        let parts =
            [("name", name.clone()), ("description", description.clone()), ("filter", filter)];
        Ok(parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

/// Returns a multipart form with these text parts, and with a file of `size` bytes.
pub fn multipart_form(
    parts: &[(&'static str, String)],
    filename: impl Into<Cow<'static, str>>,
    file: impl Into<Body>,
    size: u64,
) -> multipart::Form {
    let form = parts
        .iter()
        .fold(multipart::Form::new(), |form, (name, value)| form.text(*name, value.clone()));
    let file = multipart::Part::stream_with_length(file, size).file_name(filename);
    form.part("file", file)
}

/// The body of a JSON form.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct JsonForm<'a> {
    /// The SHA-256 of the uploaded file, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<&'a str>,
    /// The name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<&'a str>,
    /// The other fields.
    #[serde(flatten)]
    pub fields: &'a Fields,
}

/// The body of a request that starts a direct upload.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UploadForm<'a> {
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: &'a str,
    /// The size of the file in bytes.
    pub size: u64,
}

/// The presigned request of a direct upload.
#[derive(Debug)]
pub struct PresignedUpload {
    method: Method,
    url: Url,
    headers: BTreeMap<String, String>,
}

impl TryFrom<UploadRequest> for PresignedUpload {
    type Error = ApiError;

    fn try_from(request: UploadRequest) -> Result<Self, ApiError> {
        let unexpected = || ApiError::Unexpected("the presigned request is not valid".into());
        let UploadRequest { method, url, headers } = request;
        let method = method.parse().map_err(|_| unexpected())?;
        let url = Url::parse(&url).map_err(|_| unexpected())?;
        Ok(Self { method, url, headers })
    }
}

impl PresignedUpload {
    /// Starts the request with its headers and a body of `size` bytes.
    pub fn builder(&self, client: &Client, body: impl Into<Body>, size: u64) -> RequestBuilder {
        let builder = client.request(self.method.clone(), self.url.clone()).body(body);
        let headers = self.headers.iter();
        let headers =
            headers.filter(|(name, _)| !name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str()));
        headers
            .fold(builder, |builder, (name, value)| builder.header(name, value))
            .header(CONTENT_LENGTH, size)
    }
}

/// The selection of a list.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The filter's own fields.
    pub filter: Filter,
    /// `true`: only customizations without a filter. `false`: only those with one.
    pub global: Option<bool>,
    /// Removed customizations too.
    pub removed: bool,
}

/// A part of a list.
#[derive(Debug)]
pub struct List {
    /// The customizations, newest first.
    pub items: Vec<Document<Customization>>,
    /// The number of all that are selected.
    pub total: usize,
}

#[derive(Deserialize)]
struct Page {
    total_size: usize,
    items: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Versions {
    items: Vec<Box<RawValue>>,
}

impl ApiClient {
    /// Creates a customization from `upload`. `bar` shows the progress.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn create(
        &self,
        upload: &Upload,
        fields: &Fields,
        idempotency_key: &HeaderValue,
        bar: &ProgressBar,
    ) -> Result<Document<Customization>, ApiError> {
        let url = self.path(&["customizations"])?;
        let request = FormRequest { method: Method::POST, url, idempotency_key };
        document(&self.send_form(&request, Some(upload), fields, bar).await?)
    }

    /// Changes the customization `id`; `upload` makes a new version. `bar` shows the progress.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn update(
        &self,
        id: &str,
        upload: Option<&Upload>,
        fields: &Fields,
        idempotency_key: &HeaderValue,
        bar: &ProgressBar,
    ) -> Result<(), ApiError> {
        let url = self.path(&["customizations", id])?;
        let request = FormRequest { method: Method::PATCH, url, idempotency_key };
        self.send_form(&request, upload, fields, bar).await?;
        Ok(())
    }

    /// Removes the customization `id`.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn remove(&self, id: &str) -> Result<(), ApiError> {
        let url = self.path(&["customizations", id])?;
        self.call(|client| client.delete(url.clone())).await?;
        Ok(())
    }

    /// Gets the customization `id`, with its builds.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn get(&self, id: &str) -> Result<Document<Customization>, ApiError> {
        Ok(self.get_with_e_tag(id).await?.0)
    }

    /// Gets the customization `id`, with the `ETag` of its state.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn get_with_e_tag(&self, id: &str) -> Result<State, ApiError> {
        let unconditional = self.get_if_changed(id, None).await?;
        unconditional.ok_or_else(|| ApiError::Unexpected("304 Not Modified".to_owned()))
    }

    /// Gets the customization `id`, with the `ETag` of its state, unless its state has the `ETag`
    /// `known`.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn get_if_changed(
        &self,
        id: &str,
        known: Option<&str>,
    ) -> Result<Option<State>, ApiError> {
        let url = self.path(&["customizations", id])?;
        let response = self
            .call(|client| {
                let request = client.get(url.clone());
                match known {
                    Some(e_tag) => request.header(IF_NONE_MATCH, e_tag),
                    None => request,
                }
            })
            .await?;
        if response.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        Ok(Some((document(&response)?, response.header("etag").map(str::to_owned))))
    }

    /// Lists up to `limit` customizations, newest first.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn list(&self, selection: &Selection, limit: usize) -> Result<List, ApiError> {
        let mut list = List { items: Vec::new(), total: 0 };
        for page in 1.. {
            let url = self.list_url(selection, page, limit.clamp(1, MAX_PAGE_SIZE))?;
            let response = self.call(|client| client.get(url.clone())).await?;
            let Page { total_size, items } = parse(&response)?;
            list.total = total_size;
            let is_last = items.is_empty();
            for item in items.into_iter().take(limit - list.items.len()) {
                list.items.push(parse_raw(item)?);
            }
            if is_last || list.items.len() == limit.min(total_size) {
                break;
            }
        }
        Ok(list)
    }

    fn list_url(
        &self,
        selection: &Selection,
        page: u32,
        page_size: usize,
    ) -> Result<Url, ApiError> {
        let Selection { filter, global, removed } = selection;
        let mut url = self.path(&["customizations"])?;
        let mut query = url.query_pairs_mut();
        for (name, value) in [
            ("product_key", &filter.product_key),
            ("branch", &filter.branch),
            ("base_image_id", &filter.base_image_id),
        ] {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
        query.extend_pairs(global.iter().map(|global| ("global", global.to_string())));
        if !removed {
            query.append_pair("active", "true");
        }
        query.append_pair("page", &page.to_string());
        query.append_pair("page_size", &page_size.to_string());
        drop(query);
        Ok(url)
    }

    /// Lists the versions of the customization `id`, newest first.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn versions(&self, id: &str) -> Result<Vec<Document<Version>>, ApiError> {
        let url = self.path(&["customizations", id, "versions"])?;
        let versions: Versions = parse(&self.call(|client| client.get(url.clone())).await?)?;
        versions.items.into_iter().map(parse_raw).collect()
    }

    /// Downloads the file at `path`, the `url` of an artifact, and passes its pieces to `write`.
    /// `start` receives the size and is called before each attempt.
    ///
    /// # Errors
    ///
    /// [`ApiError`]
    pub async fn download(
        &self,
        path: &str,
        start: impl FnMut(Option<u64>) -> io::Result<()>,
        write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ApiError> {
        let url = self.file_url(path)?;
        let link: Link = parse(&self.call(|client| client.get(url.clone())).await?)?;
        let response = self.http.download(&link.url, start, write).await?;
        if response.status == StatusCode::OK { Ok(()) } else { Err(ApiError::storage(&response)) }
    }

    /// Returns the URL of the customization `id`.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unexpected`]
    pub fn customization_url(&self, id: &str) -> Result<Url, ApiError> {
        self.path(&["customizations", id])
    }

    /// Returns the URL of a file's `path`, the `url` of an artifact.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unexpected`]
    pub fn file_url(&self, path: &str) -> Result<Url, ApiError> {
        // The request has the token: it must go to the service, whatever the path is.
        let unexpected = || ApiError::Unexpected("the path of a file is not valid".to_owned());
        if !path.starts_with("/v1/") {
            return Err(unexpected());
        }
        let base = self.url.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|_| unexpected())
    }

    /// Returns the URL of a path below the catalog. The segments are encoded.
    fn path(&self, segments: &[&str]) -> Result<Url, ApiError> {
        self.url_of(&[&["v1", "catalogs", &self.catalog], segments].concat())
    }

    /// Returns the URL of a path of the service. The segments are encoded.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unexpected`]
    pub fn url_of(&self, segments: &[&str]) -> Result<Url, ApiError> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| ApiError::Unexpected("the URL has no path".to_owned()))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// Sends a form: with the file, or with the name of a file that is uploaded directly first.
    async fn send_form(
        &self,
        request: &FormRequest<'_>,
        upload: Option<&Upload>,
        fields: &Fields,
        bar: &ProgressBar,
    ) -> Result<HttpResponse, ApiError> {
        if let Some(upload) = upload.filter(|upload| upload.way == Way::Form) {
            let mut form = fields.form_parts()?;
            form.push(("sha256", upload.sha256.clone()));
            let send = async |token: HeaderValue| {
                let build = |client: &Client| {
                    let body = file_body(&upload.file, upload.size, bar);
                    let form = multipart_form(&form, upload.filename.clone(), body, upload.size);
                    request.builder(client).multipart(form).header(AUTHORIZATION, token.clone())
                };
                self.http.send_file(bar, build).await
            };
            return self.authorized(send).await;
        }
        if let Some(upload) = upload {
            self.upload_to_storage(upload, bar).await?;
        }
        let form = JsonForm {
            sha256: upload.map(|upload| upload.sha256.as_str()),
            filename: upload.map(|upload| upload.filename.as_str()),
            fields,
        };
        self.call(|client| request.builder(client).json(&form)).await
    }

    /// Uploads a file directly to S3.
    async fn upload_to_storage(&self, upload: &Upload, bar: &ProgressBar) -> Result<(), ApiError> {
        let form = UploadForm { sha256: &upload.sha256, size: upload.size };
        let url = self.path(&["uploads"])?;
        for attempt in 1.. {
            let response = self.call(|client| client.post(url.clone()).json(&form)).await?;
            let started: StartedUpload = parse(&response)?;
            let Some(request) = started.upload else { break };
            let request = PresignedUpload::try_from(request)?;
            let build = |client: &Client| {
                let body = file_body(&upload.file, upload.size, bar);
                request.builder(client, body, upload.size)
            };
            let response = self.http.send_file(bar, build).await?;
            match response.status {
                // 412: S3 has the file already, perhaps from an attempt whose response was lost.
                StatusCode::OK | StatusCode::PRECONDITION_FAILED => break,
                // 403: the request has expired. 409: another upload of the file is under way.
                StatusCode::FORBIDDEN | StatusCode::CONFLICT if attempt < PRESIGNED_REQUESTS => {}
                _ => return Err(ApiError::storage(&response)),
            }
        }
        Ok(())
    }

    /// Sends a request with the token.
    async fn call(
        &self,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<HttpResponse, ApiError> {
        let send = async |token: HeaderValue| {
            let build = |client: &Client| build(client).header(AUTHORIZATION, token.clone());
            self.http.send(build).await
        };
        self.authorized(send).await
    }

    /// Calls `send` with a token, and again with a new one if the service refuses the first.
    async fn authorized(
        &self,
        send: impl AsyncFn(HeaderValue) -> Result<HttpResponse, HttpError>,
    ) -> Result<HttpResponse, ApiError> {
        let mut response = send(self.tokens.header().await?).await?;
        if response.status == StatusCode::UNAUTHORIZED && self.tokens.invalidate().await {
            response = send(self.tokens.header().await?).await?;
        }
        if response.status.is_success() || response.status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let mut error = ApiError::service(&response);
        if let ApiError::Service(error) = &mut error {
            error.hint = self.hint(error.status());
        }
        Err(error)
    }

    /// Returns advice for an error of the service that the problem document does not give.
    fn hint(&self, status: u16) -> Option<String> {
        match (status, self.tokens.source()) {
            (401, source @ TokenSource::AccessTokenVariable) => Some(format!(
                "The token in {source} may have expired: an access token is valid for half an hour."
            )),
            (401 | 403, source) => Some(format!("The token comes from {source}.")),
            _ => None,
        }
    }
}

/// A create or an update.
struct FormRequest<'a> {
    method: Method,
    url: Url,
    idempotency_key: &'a HeaderValue,
}

impl FormRequest<'_> {
    fn builder(&self, client: &Client) -> RequestBuilder {
        let request = client.request(self.method.clone(), self.url.clone());
        request.header(IDEMPOTENCY_KEY, self.idempotency_key)
    }
}

fn parse<T: DeserializeOwned>(response: &HttpResponse) -> Result<T, ApiError> {
    serde_json::from_slice(&response.body).map_err(|error| unexpected(&error))
}

fn document<T: DeserializeOwned>(response: &HttpResponse) -> Result<Document<T>, ApiError> {
    parse_raw(parse(response)?)
}

fn parse_raw<T: DeserializeOwned>(json: Box<RawValue>) -> Result<Document<T>, ApiError> {
    let value = serde_json::from_str(json.get()).map_err(|error| unexpected(&error))?;
    Ok(Document { value, json })
}

fn unexpected(error: &serde_json::Error) -> ApiError {
    ApiError::Unexpected(error.to_string())
}
