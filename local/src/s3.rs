//! Embedded S3 with a few buckets. It implements the operations that the functions use, and those that
//! the AWS CLI uses to list and read objects.

mod listing;
mod objects;

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use http::{HeaderMap, header::IF_NONE_MATCH};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    checksum::ChecksumHasher,
    crypto::Checksum as _,
    dto::{
        Checksum, ChecksumMode, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource,
        ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
        HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input,
        ListObjectsV2Output, PutObjectInput, PutObjectOutput, StreamingBlob,
    },
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use tracing::error;

use self::objects::{Attributes, Existing, Object, ObjectInfo, Objects, PublishError};
use crate::server::Server;

/// Access key with which clients must sign their requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessKey {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
}

/// A running S3. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct S3Server(Server);

impl S3Server {
    /// Serves `buckets`, which are stored in `directory`. Accepts requests that are signed with
    /// `access_key`.
    pub(crate) async fn start(
        directory: &Path,
        buckets: &[&'static str],
        access_key: AccessKey,
    ) -> io::Result<Self> {
        let open = |name: &&'static str| Ok((*name, Objects::open(&directory.join(name))?));
        let buckets = buckets.iter().map(open).collect::<io::Result<_>>()?;
        let mut service = S3ServiceBuilder::new(Buckets(buckets));
        service.set_auth(SimpleAuth::from_single(access_key.id, access_key.secret));
        let router = Router::new().fallback(handle).with_state(service.build());
        Server::start(router).await.map(Self)
    }

    /// Returns the endpoint URL for AWS SDKs.
    pub(crate) fn endpoint(&self) -> String {
        self.0.url()
    }

    pub(crate) async fn stop(self, grace: Duration) {
        self.0.stop(grace).await;
    }
}

async fn handle(State(service): State<S3Service>, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            error!(?error, "S3 cannot respond");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The buckets by name.
struct Buckets(BTreeMap<&'static str, Objects>);

impl Buckets {
    fn bucket(&self, name: &str) -> S3Result<&Objects> {
        self.0.get(name).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    async fn object(&self, bucket: &str, key: &str) -> S3Result<Object> {
        let objects = self.bucket(bucket)?;
        objects.get(key).await.map_err(internal)?.ok_or_else(|| s3_error!(NoSuchKey))
    }
}

#[async_trait]
impl S3 for Buckets {
    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let bucket = |(name, objects): (&&str, &Objects)| {
            Ok(s3s::dto::Bucket {
                name: Some((*name).to_owned()),
                creation_date: Some(objects.created().map_err(internal)?.into()),
                ..s3s::dto::Bucket::default()
            })
        };
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(self.0.iter().map(bucket).collect::<S3Result<_>>()?),
            ..ListBucketsOutput::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request { input, headers, trailing_headers, .. } = request;
        let objects = self.bucket(&input.bucket)?;
        let existing = match input.if_none_match {
            None => Existing::Replace,
            Some(ETagCondition::Any) => Existing::Keep,
            Some(ETagCondition::ETag(_)) => return Err(s3_error!(NotImplemented)),
        };
        if input.if_match.is_some() || input.content_md5.is_some() {
            return Err(s3_error!(NotImplemented));
        }

        let mut upload = objects.upload().await.map_err(internal)?;
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
        let computed = checksums.finalize();
        verify(&computed, &headers, &trailers)?;

        let attributes = Attributes {
            key: input.key,
            sha256: computed.checksum_sha256.clone().unwrap_or_default(),
            content_type: input.content_type,
            metadata: input.metadata.unwrap_or_default(),
        };
        upload.publish(&attributes, existing).await.map_err(published)?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(attributes.e_tag()),
            checksum_sha256: computed.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key).await?;
        // A client that downloads several ranges must not mix the bytes of two objects.
        if let Some(ETagCondition::ETag(expected)) = input.if_match
            && expected != object.info.attributes.e_tag()
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let size = object.info.size;
        let attributes = object.info.attributes.clone();
        let last_modified = Some(object.info.modified.into());
        let range = input.range.map(|range| range.check(size)).transpose()?;
        let content_range = range
            .as_ref()
            .map(|range| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
        let range = range.unwrap_or(0..size);
        let length = range.end.saturating_sub(range.start);
        let is_whole = content_range.is_none();
        let body = object.bytes(range).await.map_err(internal)?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            checksum_sha256: checksum(&attributes, input.checksum_mode.as_ref())
                .filter(|_| is_whole),
            content_length: i64::try_from(length).ok(),
            content_range,
            content_type: attributes.content_type.clone(),
            e_tag: Some(attributes.e_tag()),
            last_modified,
            metadata: Some(attributes.metadata),
            ..GetObjectOutput::default()
        }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let S3Request { input, headers, .. } = request;
        let CopySource::Bucket { bucket, key, .. } = input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let source = self.object(&bucket, &key).await?;
        if let Some(ETagCondition::ETag(expected)) = input.copy_source_if_match
            && expected != source.info.attributes.e_tag()
        {
            return Err(s3_error!(PreconditionFailed));
        }
        // The crate does not know this header of a copy.
        let existing = match headers.get(IF_NONE_MATCH) {
            None => Existing::Replace,
            Some(condition) if condition == "*" => Existing::Keep,
            Some(_) => return Err(s3_error!(NotImplemented)),
        };
        let mut attributes = source.info.attributes.clone();
        attributes.key = input.key;
        if input.metadata_directive.is_some_and(|directive| directive.as_str() == "REPLACE") {
            attributes.content_type = input.content_type;
            attributes.metadata = input.metadata.unwrap_or_default();
        }
        let size = source.info.size;
        let mut upload = self.bucket(&input.bucket)?.upload().await.map_err(internal)?;
        let mut bytes = std::pin::pin!(source.bytes(0..size).await.map_err(internal)?);
        while let Some(chunk) = bytes.next().await {
            upload.write(&chunk.map_err(internal)?).await.map_err(internal)?;
        }
        upload.publish(&attributes, existing).await.map_err(published)?;
        let result = CopyObjectResult {
            checksum_sha256: Some(attributes.sha256.clone()),
            e_tag: Some(attributes.e_tag()),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let ObjectInfo { size, modified, attributes } =
            self.object(&input.bucket, &input.key).await?.info;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            checksum_sha256: checksum(&attributes, input.checksum_mode.as_ref()),
            content_length: i64::try_from(size).ok(),
            content_type: attributes.content_type.clone(),
            e_tag: Some(attributes.e_tag()),
            last_modified: Some(modified.into()),
            metadata: Some(attributes.metadata),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let objects = self.bucket(&input.bucket)?.list().await.map_err(internal)?;
        Ok(S3Response::new(listing::page(&objects, input)))
    }
}

fn checksum(attributes: &Attributes, mode: Option<&ChecksumMode>) -> Option<String> {
    mode.filter(|mode| mode.as_str() == ChecksumMode::ENABLED).map(|_| attributes.sha256.clone())
}

/// Names of the headers or trailers with the checksum of each algorithm.
const CRC32: &str = "x-amz-checksum-crc32";
const CRC32C: &str = "x-amz-checksum-crc32c";
const CRC64NVME: &str = "x-amz-checksum-crc64nvme";
const SHA1: &str = "x-amz-checksum-sha1";
const SHA256: &str = "x-amz-checksum-sha256";

/// Returns a hasher for SHA-256, and for each checksum that the request sends as a header or
/// announces as a trailer.
fn checksums_for(headers: &HeaderMap) -> ChecksumHasher {
    fn if_sent<C: s3s::crypto::Checksum>(headers: &HeaderMap, name: &str) -> Option<C> {
        let announced = headers.get("x-amz-trailer").is_some_and(|trailer| trailer == name);
        (announced || headers.contains_key(name)).then(C::new)
    }
    ChecksumHasher {
        crc32: if_sent(headers, CRC32),
        crc32c: if_sent(headers, CRC32C),
        crc64nvme: if_sent(headers, CRC64NVME),
        sha1: if_sent(headers, SHA1),
        sha256: Some(s3s::crypto::Sha256::new()),
    }
}

/// Compares the computed checksums with those that the client sent.
fn verify(computed: &Checksum, headers: &HeaderMap, trailers: &HeaderMap) -> S3Result<()> {
    for (name, computed) in [
        (CRC32, &computed.checksum_crc32),
        (CRC32C, &computed.checksum_crc32c),
        (CRC64NVME, &computed.checksum_crc64nvme),
        (SHA1, &computed.checksum_sha1),
        (SHA256, &computed.checksum_sha256),
    ] {
        let sent = headers.get(name).or_else(|| trailers.get(name));
        if sent.is_some_and(|sent| computed.as_ref().is_none_or(|computed| sent != computed)) {
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match what was received."
            ));
        }
    }
    Ok(())
}

fn published(error: PublishError) -> s3s::S3Error {
    match error {
        PublishError::Exists => s3_error!(PreconditionFailed),
        PublishError::Disk(error) => internal(error),
    }
}

fn internal(error: io::Error) -> s3s::S3Error {
    error!(%error, "the bucket cannot be read or written");
    s3_error!(error, InternalError)
}
