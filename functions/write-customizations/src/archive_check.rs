//! Checks an archive and computes its digest: one that the request holds, or one that was uploaded
//! directly and is read from S3.

use std::io::{self, BufRead, Read};

use archive::{ArchiveError, ArchiveLimits};
use bytes::{Buf, Bytes};
use shared::{
    domain::{Digest, DigestHasher},
    form::{Content, Form},
    metrics,
    problem::Problem,
    storage::UploadedFile,
    violation::Violation,
};
use tokio::sync::mpsc;
use tracing::{Span, debug_span};

/// The number of chunks of an uploaded file that wait for the check. The network waits if there are
/// more.
const WAITING_CHUNKS: usize = 8;

/// The result of checking the file in a form. The default is the result for a form without a file.
#[derive(Default)]
pub(crate) struct CheckedFile {
    /// The SHA-256 of the file.
    pub(crate) digest: Option<Digest>,
    /// The violations, if the archive breaks a rule or has another SHA-256 than the form says.
    pub(crate) violations: Vec<Violation>,
}

/// Checks the file that `form` holds, if it holds one. The digest of a file that was uploaded
/// directly is that of its name: the file itself is checked [later](check_uploaded).
pub(crate) async fn check(form: Option<&Form>) -> Result<CheckedFile, Problem> {
    let Some((form, file)) = form.and_then(|form| Some((form, form.file.as_ref()?))) else {
        return Ok(CheckedFile::default());
    };
    let (content, expected_digest) = match &file.content {
        Content::Sent(content) => (content.clone(), form.sha256),
        Content::Uploaded(digest) => {
            return Ok(CheckedFile { digest: Some(*digest), violations: Vec::new() });
        }
    };
    let check = move || {
        let violation = check_archive(&content[..], &ArchiveLimits::FORM).err();
        let violation = violation.map(|error| Violation::new("file", error.to_string()));
        let digest = Digest::of(&content);
        let mismatch = expected_digest.filter(|expected| *expected != digest).map(|_| {
            let message = format!("differs from the SHA-256 of the received file, {digest}");
            Violation::new("sha256", message)
        });
        CheckedFile {
            digest: Some(digest),
            violations: violation.into_iter().chain(mismatch).collect(),
        }
    };
    spawn(check).await
}

/// Checks a file that was uploaded directly, while it is read. Its bytes must have the SHA-256
/// `digest`.
pub(crate) async fn check_uploaded(file: &mut UploadedFile, digest: Digest) -> Result<(), Problem> {
    let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
    let check = move || {
        let mut reader =
            ChunkReader { receiver, chunk: Bytes::new(), hasher: DigestHasher::default() };
        let checked = check_archive(&mut reader, &ArchiveLimits::DIRECT_UPLOAD);
        // A violation counts only if these are the bytes that the client named.
        io::copy(&mut reader, &mut io::sink())?;
        Ok((checked, reader.hasher.finish()))
    };
    // The sender is dropped at the end, so that the check sees the end of the file.
    let read = async move {
        loop {
            let chunk = file.content.try_next().await.map_err(io::Error::other);
            let failed = chunk.is_err();
            let Some(chunk) = chunk.transpose() else { return };
            // Sending fails if the check has ended before the file does.
            if sender.send(chunk).await.is_err() || failed {
                return;
            }
        }
    };
    let (checked, ()) = tokio::join!(spawn(check), read);
    let unavailable = |error: io::Error| Problem::ServiceUnavailable(error.into());
    let (checked, read_digest) = checked?.map_err(unavailable)?;
    match checked {
        Err(ArchiveError::Read(error)) => Err(unavailable(error)),
        _ if read_digest != digest => {
            Err(unavailable(io::Error::other("the file that was read has another SHA-256")))
        }
        Err(error) => Err(Problem::Validation(vec![Violation::new("file", error.to_string())])),
        Ok(()) => Ok(()),
    }
}

fn check_archive(archive: impl BufRead, limits: &ArchiveLimits) -> Result<(), ArchiveError> {
    debug_span!("archive")
        .in_scope(|| archive::check(archive, limits, |_| ()))
        .inspect_err(|error| {
            if !matches!(error, ArchiveError::Read(_)) {
                metrics::archive_refused(error.rule());
            }
        })
        .map(|_| ())
}

/// Runs `check` on a separate thread: it is CPU-bound and must not block the concurrent requests to
/// the stores.
async fn spawn<T: Send + 'static>(
    check: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let request_span = Span::current();
    let result = tokio::task::spawn_blocking(move || request_span.in_scope(check)).await;
    result.map_err(|panic| Problem::Internal(panic.into()))
}

/// Reads the chunks of a file, and computes their digest.
struct ChunkReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    hasher: DigestHasher,
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => {
                    self.chunk = chunk?;
                    self.hasher.update(&self.chunk);
                }
                None => break,
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, bytes: usize) {
        self.chunk.advance(bytes.min(self.chunk.len()));
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}
