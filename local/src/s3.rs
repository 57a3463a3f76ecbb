//! S3 on this machine: the operations that the product and its tests need, on a bucket on disk.

mod objects;

use std::{io, path::Path, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use http::HeaderMap;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    checksum::ChecksumHasher,
    crypto::Checksum as _,
    dto::{
        Checksum, ChecksumMode, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
        HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput,
        PutObjectOutput, StreamingBlob,
    },
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use tracing::error;

use self::objects::{Attributes, Existing, Object, Objects, PublishError};
use crate::server::Server;

/// As many keys as S3 lists in one answer.
const MAX_KEYS: i32 = 1000;

/// Who may sign requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer {
    pub(crate) access_key_id: &'static str,
    pub(crate) secret_access_key: &'static str,
}

/// A running S3. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct S3Server(Server);

impl S3Server {
    /// Serves `bucket`, which is kept in `directory`, to `signer` alone.
    pub(crate) async fn start(
        directory: &Path,
        bucket: &'static str,
        signer: Signer,
    ) -> io::Result<Self> {
        let objects = Objects::open(&directory.join(bucket))?;
        let mut service = S3ServiceBuilder::new(Bucket { name: bucket, objects });
        let Signer { access_key_id, secret_access_key } = signer;
        service.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
        let router = Router::new().fallback(answer).with_state(service.build());
        Server::start(router).await.map(Self)
    }

    /// Its endpoint, as the AWS SDKs take it.
    pub(crate) fn endpoint(&self) -> String {
        self.0.url()
    }

    pub(crate) async fn stop(self, grace: Duration) {
        self.0.stop(grace).await;
    }
}

async fn answer(State(service): State<S3Service>, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            error!(?error, "S3 cannot answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The one bucket.
struct Bucket {
    name: &'static str,
    objects: Objects,
}

impl Bucket {
    fn check(&self, name: &str) -> S3Result<()> {
        if name == self.name { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    async fn object(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.check(bucket)?;
        self.objects.get(key).await.map_err(internal)?.ok_or_else(|| s3_error!(NoSuchKey))
    }
}

#[async_trait]
impl S3 for Bucket {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request { input, headers, trailing_headers, .. } = request;
        self.check(&input.bucket)?;
        let existing = match input.if_none_match {
            None => Existing::Replace,
            Some(ETagCondition::Any) => Existing::Keep,
            Some(ETagCondition::ETag(_)) => return Err(s3_error!(NotImplemented)),
        };
        if input.if_match.is_some() || input.content_md5.is_some() {
            return Err(s3_error!(NotImplemented));
        }

        let mut upload = self.objects.upload().await.map_err(internal)?;
        let mut checksums = checksums_for(&headers);
        let mut size = 0_usize;
        if let Some(mut body) = input.body {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
                size = size.saturating_add(chunk.len());
                checksums.update(&chunk);
                upload.write(&chunk).await.map_err(internal)?;
            }
        }
        if input.content_length.is_some_and(|length| usize::try_from(length) != Ok(size)) {
            return Err(s3_error!(IncompleteBody));
        }
        let trailers = trailing_headers.and_then(|trailers| trailers.take()).unwrap_or_default();
        let found = checksums.finalize();
        verify(&found, &headers, &trailers)?;

        let attributes = Attributes {
            key: input.key,
            sha256: found.checksum_sha256.clone().unwrap_or_default(),
            content_type: input.content_type,
            metadata: input.metadata.unwrap_or_default(),
        };
        upload.publish(&attributes, existing).await.map_err(|error| match error {
            PublishError::Exists => s3_error!(PreconditionFailed),
            PublishError::Disk(error) => internal(error),
        })?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(e_tag(&attributes)),
            checksum_sha256: found.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key).await?;
        let size = object.size;
        let attributes = object.attributes.clone();
        let last_modified = Some(object.modified.into());
        let range = input.range.map(|range| range.check(size)).transpose()?;
        let content_range = range
            .as_ref()
            .map(|range| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
        let wanted = range.unwrap_or(0..size);
        let length = wanted.end.saturating_sub(wanted.start);
        let whole = content_range.is_none();
        let body = object.bytes(wanted).await.map_err(internal)?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            checksum_sha256: checksum(&attributes, input.checksum_mode.as_ref()).filter(|_| whole),
            content_length: i64::try_from(length).ok(),
            content_range,
            content_type: attributes.content_type.clone(),
            e_tag: Some(e_tag(&attributes)),
            last_modified,
            metadata: Some(attributes.metadata),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key).await?;
        let attributes = object.attributes;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            checksum_sha256: checksum(&attributes, input.checksum_mode.as_ref()),
            content_length: i64::try_from(object.size).ok(),
            content_type: attributes.content_type.clone(),
            e_tag: Some(e_tag(&attributes)),
            last_modified: Some(object.modified.into()),
            metadata: Some(attributes.metadata),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.check(&input.bucket)?;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented));
        }
        let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
        // A token is the last key of the page before.
        let after = input.continuation_token.clone().or(input.start_after.clone());
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut objects =
            self.objects.list(prefix, after.unwrap_or_default()).await.map_err(internal)?;
        let page = usize::try_from(max_keys).unwrap_or_default();
        let is_truncated = objects.len() > page;
        objects.truncate(page);
        let last = objects.last().map(|object| object.attributes.key.clone());
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            next_continuation_token: last.filter(|_| is_truncated),
            is_truncated: Some(is_truncated),
            key_count: i32::try_from(objects.len()).ok(),
            max_keys: Some(max_keys),
            contents: Some(objects.into_iter().map(listed).collect()),
            ..ListObjectsV2Output::default()
        }))
    }
}

fn listed(object: Object) -> s3s::dto::Object {
    s3s::dto::Object {
        e_tag: Some(e_tag(&object.attributes)),
        key: Some(object.attributes.key),
        last_modified: Some(object.modified.into()),
        size: i64::try_from(object.size).ok(),
        ..s3s::dto::Object::default()
    }
}

/// Equal for equal bytes. S3's are often, but not always, the bytes' MD5; these never are.
fn e_tag(attributes: &Attributes) -> ETag {
    ETag::Strong(attributes.sha256.clone())
}

fn checksum(attributes: &Attributes, mode: Option<&ChecksumMode>) -> Option<String> {
    mode.filter(|mode| mode.as_str() == ChecksumMode::ENABLED).map(|_| attributes.sha256.clone())
}

/// The headers that a checksum of each algorithm is given in.
const CRC32: &str = "x-amz-checksum-crc32";
const CRC32C: &str = "x-amz-checksum-crc32c";
const CRC64NVME: &str = "x-amz-checksum-crc64nvme";
const SHA1: &str = "x-amz-checksum-sha1";
const SHA256: &str = "x-amz-checksum-sha256";

/// Computes each checksum that is given with a request or announced as a trailer, and SHA-256.
fn checksums_for(headers: &HeaderMap) -> ChecksumHasher {
    fn when<C: s3s::crypto::Checksum>(headers: &HeaderMap, name: &str) -> Option<C> {
        let announced = headers.get("x-amz-trailer").is_some_and(|trailer| trailer == name);
        (announced || headers.contains_key(name)).then(C::new)
    }
    ChecksumHasher {
        crc32: when(headers, CRC32),
        crc32c: when(headers, CRC32C),
        crc64nvme: when(headers, CRC64NVME),
        sha1: when(headers, SHA1),
        sha256: Some(s3s::crypto::Sha256::new()),
    }
}

/// Refuses a body that is not what its sender says it is.
fn verify(found: &Checksum, headers: &HeaderMap, trailers: &HeaderMap) -> S3Result<()> {
    for (name, found) in [
        (CRC32, &found.checksum_crc32),
        (CRC32C, &found.checksum_crc32c),
        (CRC64NVME, &found.checksum_crc64nvme),
        (SHA1, &found.checksum_sha1),
        (SHA256, &found.checksum_sha256),
    ] {
        let given = headers.get(name).or_else(|| trailers.get(name));
        if given.is_some_and(|given| found.as_ref().is_none_or(|found| given != found)) {
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match what was received."
            ));
        }
    }
    Ok(())
}

fn internal(error: io::Error) -> s3s::S3Error {
    error!(%error, "the bucket's disk fails");
    s3_error!(error, InternalError)
}
