//! HTTP requests with bounded responses, timeouts and retries.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use indicatif::ProgressBar;
use reqwest::{
    Body, Client, RequestBuilder, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect,
};
use tokio::time::{sleep, timeout};

use crate::{error::ErrorChain, output::Output};

/// The longest request: the gateway responds within 29 s.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// The longest time without progress of an upload or a download.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of attempts of a request.
const ATTEMPTS: u32 = 5;

/// The longest pause between two attempts, whatever `Retry-After` says.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// The maximum size of a response in bytes, after decompression.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// The size of the pieces in which a file is sent, in bytes.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A request has no response, after all attempts.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The HTTP client cannot be used: the certificates of the system are missing, for example.
    #[error("the HTTP client does not start")]
    Client(#[source] reqwest::Error),
    /// The request or its response failed.
    #[error("no response")]
    Request(#[source] reqwest::Error),
    /// There was no response in time.
    #[error("no response within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
    /// Nothing was sent or received for too long.
    #[error("no progress for {} s", STALL_TIMEOUT.as_secs())]
    Stalled,
    /// The response is too large.
    #[error("the response has more than {MAX_RESPONSE_BYTES} bytes")]
    TooLarge,
    /// A download cannot be written.
    #[error("the download cannot be written")]
    Write(#[source] io::Error),
}

impl HttpError {
    /// Removes the URL from the error: a presigned URL in a log is a secret.
    fn request(error: reqwest::Error) -> Self {
        Self::Request(error.without_url())
    }

    fn is_retryable(&self) -> bool {
        match self {
            Self::Request(error) => !error.is_builder() && !is_tls_error(error),
            Self::Timeout | Self::Stalled => true,
            Self::Client(_) | Self::TooLarge | Self::Write(_) => false,
        }
    }
}

/// Returns true for an error of TLS, such as an untrusted certificate, which no retry repairs.
fn is_tls_error(error: &(dyn std::error::Error + 'static)) -> bool {
    // An `io::Error` does not name the error in it as its source.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || inner.is_some_and(|inner| is_tls_error(inner))
        || error.source().is_some_and(is_tls_error)
}

/// A complete response.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl HttpResponse {
    /// Returns a header's value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns true for a fault that may be over soon.
    fn is_temporary_fault(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 502 | 503 | 504)
    }

    /// The pause that the sender asks for.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds).min(MAX_PAUSE))
    }
}

/// An HTTP client that repeats requests after temporary faults. Every request of this program may
/// be repeated: it changes nothing, has the same effect twice, or has an idempotency key.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    output: Output,
}

impl HttpClient {
    /// Creates a client. It reports repeated requests on `output`.
    ///
    /// # Errors
    ///
    /// [`HttpError::Client`]
    pub fn new(output: Output) -> Result<Self, HttpError> {
        // An error means that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("customizations/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // The service sends no redirects. A token must not follow one.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(HttpError::Client)?;
        Ok(Self { client, output })
    }

    /// Sends the request that `build` makes, again after a temporary fault.
    ///
    /// # Errors
    ///
    /// [`HttpError`] of the last attempt.
    pub async fn send(
        &self,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<HttpResponse, HttpError> {
        let attempt = async || {
            timeout(REQUEST_TIMEOUT, receive(build(&self.client)))
                .await
                .unwrap_or(Err(HttpError::Timeout))
        };
        self.retry(attempt).await
    }

    /// Sends a request whose body is [`file_body`] with the same `bar`. It may take any time while
    /// there is progress.
    ///
    /// # Errors
    ///
    /// [`HttpError`] of the last attempt.
    pub async fn send_file(
        &self,
        bar: &ProgressBar,
        build: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<HttpResponse, HttpError> {
        let attempt = async || {
            tokio::select! {
                response = receive(build(&self.client)) => response,
                () = stalled(bar) => Err(HttpError::Stalled),
            }
        };
        self.retry(attempt).await
    }

    /// Downloads a file without a token, and passes its pieces to `write`. `start` is called before
    /// each attempt.
    ///
    /// # Errors
    ///
    /// [`HttpError`] of the last attempt.
    pub async fn download(
        &self,
        url: &str,
        mut start: impl FnMut(Option<u64>) -> io::Result<()>,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<HttpResponse, HttpError> {
        let mut attempt = async || {
            let response = timeout(REQUEST_TIMEOUT, self.client.get(url).send());
            let response = response.await.map_err(|_| HttpError::Timeout)?;
            let mut response = response.map_err(HttpError::request)?;
            if response.status() != StatusCode::OK {
                return read_body(response).await;
            }
            start(response.content_length()).map_err(HttpError::Write)?;
            loop {
                let chunk = timeout(STALL_TIMEOUT, response.chunk()).await;
                let chunk = chunk.map_err(|_| HttpError::Stalled)?;
                let Some(chunk) = chunk.map_err(HttpError::request)? else { break };
                write(&chunk).map_err(HttpError::Write)?;
            }
            let headers = response.headers().clone();
            Ok(HttpResponse { status: response.status(), headers, body: Bytes::new() })
        };
        self.retry(&mut attempt).await
    }

    async fn retry(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<HttpResponse, HttpError>,
    ) -> Result<HttpResponse, HttpError> {
        let mut number = 0;
        loop {
            number += 1;
            let result = attempt().await;
            let (pause, cause) = match &result {
                Ok(response) if response.is_temporary_fault() => {
                    (response.retry_after(), response.status.to_string())
                }
                Err(error) if error.is_retryable() => (None, ErrorChain(error).to_string()),
                Ok(_) | Err(_) => return result,
            };
            if number == ATTEMPTS {
                return result;
            }
            let pause = pause.unwrap_or_else(|| backoff(number));
            self.output.note(&format!("{cause}; trying again in {:.1} s", pause.as_secs_f32()));
            sleep(pause).await;
        }
    }
}

/// Exponential backoff with jitter: clients that failed together do not return together.
fn backoff(failed_attempts: u32) -> Duration {
    let longest = Duration::from_millis(500) * 2_u32.pow(failed_attempts.min(6));
    longest.mul_f32(0.5 + 0.5 * fastrand::f32())
}

async fn receive(request: RequestBuilder) -> Result<HttpResponse, HttpError> {
    read_body(request.send().await.map_err(HttpError::request)?).await
}

async fn read_body(mut response: Response) -> Result<HttpResponse, HttpError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(HttpError::request)? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let headers = response.headers().clone();
    Ok(HttpResponse { status: response.status(), headers, body: body.freeze() })
}

/// Ends when `bar` has not moved for [`STALL_TIMEOUT`].
async fn stalled(bar: &ProgressBar) {
    loop {
        let position = bar.position();
        sleep(STALL_TIMEOUT).await;
        if bar.position() == position {
            return;
        }
    }
}

/// Returns a request body with the first `size` bytes of a file. `bar` shows the progress.
#[must_use]
pub fn file_body(file: &Arc<File>, size: u64, bar: &ProgressBar) -> Body {
    let (file, bar) = (Arc::clone(file), bar.clone());
    bar.set_position(0);
    let chunks = stream::try_unfold(0, move |offset| {
        let (file, bar) = (Arc::clone(&file), bar.clone());
        async move {
            let length = usize::try_from(CHUNK_BYTES.min(size - offset)).unwrap_or_default();
            if length == 0 {
                return Ok(None);
            }
            let mut chunk = vec![0; length];
            file.read_exact_at(&mut chunk, offset)?;
            bar.inc(length as u64);
            Ok::<_, io::Error>(Some((Bytes::from(chunk), offset + length as u64)))
        }
    });
    Body::wrap_stream(chunks)
}
