//! Objects on disk. An object is written to a temporary file, which is then renamed, so that an
//! object is never visible in part.
//!
//! An object is one file, which contains the object's bytes, its [`Attributes`] as JSON, and the
//! length of that JSON. The file name is the SHA-256 of the key. This prevents path traversal.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use s3s::dto::ETag;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufWriter},
    task::spawn_blocking,
};

/// Size of the buffer for reads and writes, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Size of the last field of a file, in bytes. The field is the length of the JSON, big-endian.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Largest JSON of attributes, in bytes. S3 limits keys to 1 KiB and metadata to 2 KiB.
const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;

/// Key and metadata of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Key of the object.
    pub(crate) key: String,
    /// SHA-256 of the object's bytes in base64, as in S3's headers.
    pub(crate) sha256: String,
    /// Media type.
    pub(crate) content_type: Option<String>,
    /// User-defined metadata.
    pub(crate) metadata: HashMap<String, String>,
}

/// Action if an object with the key exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Replaces the object.
    Replace,
    /// Keeps the existing object and discards the new one.
    Keep,
}

/// Failure to publish an upload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// An object with the key exists, and was kept.
    #[error("the object exists already")]
    Exists,
    /// The disk is full or failed.
    #[error("the object cannot be stored")]
    Disk(#[from] io::Error),
}

/// Objects of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    directory: PathBuf,
    uploads: PathBuf,
}

/// An object that is being written. Its temporary file is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Upload {
    file: BufWriter<tokio::fs::File>,
    path: TempPath,
    directory: PathBuf,
}

/// An object that is open for reading.
#[derive(Debug)]
pub(crate) struct Object {
    file: File,
    /// Size, time and metadata.
    pub(crate) info: ObjectInfo,
}

/// Size, time and metadata of an object.
#[derive(Debug)]
pub(crate) struct ObjectInfo {
    /// Length, in bytes.
    pub(crate) size: u64,
    /// Time at which the object was written.
    pub(crate) modified: SystemTime,
    /// Key and metadata.
    pub(crate) attributes: Attributes,
}

impl Objects {
    /// Opens the bucket in `directory`. Creates it if it does not exist.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let uploads = directory.join("uploads");
        // Deletes the unfinished uploads of a process that was killed.
        match fs::remove_dir_all(&uploads) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&uploads)?;
        let objects = directory.join("objects");
        fs::create_dir_all(&objects)?;
        // Makes the creation of both directories durable.
        File::open(directory)?.sync_all()?;
        Ok(Self { directory: objects, uploads })
    }

    /// Starts to write an object.
    pub(crate) async fn upload(&self) -> io::Result<Upload> {
        let Self { directory, uploads } = self.clone();
        let (file, path) =
            spawn_blocking(move || tempfile::NamedTempFile::new_in(uploads)).await??.into_parts();
        let file = BufWriter::with_capacity(CHUNK_BYTES, tokio::fs::File::from_std(file));
        Ok(Upload { file, path, directory })
    }

    /// Opens the object with this key, if it exists.
    pub(crate) async fn get(&self, key: &str) -> io::Result<Option<Object>> {
        let path = file_path(&self.directory, key);
        spawn_blocking(move || match File::open(path) {
            Ok(file) => Object::read(file).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await?
    }

    /// Returns all objects, sorted by key.
    pub(crate) async fn list(&self) -> io::Result<Vec<ObjectInfo>> {
        let directory = self.directory.clone();
        spawn_blocking(move || {
            let entries = fs::read_dir(directory)?;
            let objects = entries.map(|entry| Ok(Object::read(File::open(entry?.path())?)?.info));
            let mut objects: Vec<_> = objects.collect::<io::Result<_>>()?;
            objects.sort_by(|one, other| one.attributes.key.cmp(&other.attributes.key));
            Ok(objects)
        })
        .await?
    }

    /// Returns the time at which the bucket was created.
    pub(crate) fn created(&self) -> io::Result<SystemTime> {
        let metadata = fs::metadata(&self.directory)?;
        // Not every file system records creation times.
        metadata.created().or_else(|_| metadata.modified())
    }
}

impl Upload {
    /// Appends bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Publishes the upload as an object. After this returns, the object survives a power failure.
    pub(crate) async fn publish(
        self,
        attributes: &Attributes,
        existing: Existing,
    ) -> Result<(), PublishError> {
        let Self { mut file, path, directory } = self;
        let json = serde_json::to_vec(attributes).map_err(io::Error::from)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        file.write_all(&json).await?;
        file.write_all(&length.to_be_bytes()).await?;
        file.flush().await?;
        file.get_ref().sync_all().await?;
        let target = file_path(&directory, &attributes.key);
        spawn_blocking(move || {
            let renamed = match existing {
                Existing::Replace => path.persist(target),
                // One system call checks and renames, so that one of several concurrent writers
                // wins.
                Existing::Keep => path.persist_noclobber(target),
            };
            let renamed = renamed.map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => PublishError::Exists,
                _ => PublishError::Disk(error.error),
            });
            // Also if the object exists already: its writer may not have synced the directory yet.
            File::open(directory)?.sync_all()?;
            renamed
        })
        .await
        .map_err(io::Error::from)?
    }
}

impl Attributes {
    /// Returns the entity tag: the SHA-256 of the object's bytes. S3 often uses the MD5, but
    /// documents the tag as opaque.
    pub(crate) fn e_tag(&self) -> ETag {
        ETag::Strong(self.sha256.clone())
    }
}

impl Object {
    fn read(mut file: File) -> io::Result<Self> {
        let damaged =
            || io::Error::new(ErrorKind::InvalidData, "the file of the object is damaged");
        let metadata = file.metadata()?;
        let end = metadata.len().checked_sub(LENGTH_BYTES as u64).ok_or_else(damaged)?;
        file.seek(SeekFrom::Start(end))?;
        let mut length = [0; LENGTH_BYTES];
        file.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        let size = end.checked_sub(u64::from(length)).ok_or_else(damaged)?;
        let length = usize::try_from(length).map_err(|_| damaged())?;
        if length > MAX_ATTRIBUTES_BYTES {
            return Err(damaged());
        }
        let mut json = vec![0; length];
        file.seek(SeekFrom::Start(size))?;
        file.read_exact(&mut json)?;
        let attributes = serde_json::from_slice(&json)?;
        Ok(Self { file, info: ObjectInfo { size, modified: metadata.modified()?, attributes } })
    }

    /// Returns the object's bytes in `range`, as a stream of chunks.
    pub(crate) async fn bytes(
        self,
        range: Range<u64>,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static> {
        let mut file = tokio::fs::File::from_std(self.file);
        tokio::io::AsyncSeekExt::seek(&mut file, SeekFrom::Start(range.start)).await?;
        let length = range.end.saturating_sub(range.start);
        Ok(stream::try_unfold(file.take(length), |mut rest| async move {
            if rest.limit() == 0 {
                return Ok(None);
            }
            let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
            match rest.read_buf(&mut chunk).await? {
                0 => Err(ErrorKind::UnexpectedEof.into()),
                _ => Ok(Some((chunk.freeze(), rest))),
            }
        }))
    }
}

fn file_path(directory: &Path, key: &str) -> PathBuf {
    directory.join(base64_simd::URL_SAFE_NO_PAD.encode_to_string(Sha256::digest(key)))
}

#[cfg(test)]
mod tests {
    use futures_util::{TryStreamExt, future::join_all};

    use super::*;

    fn attributes(key: &str) -> Attributes {
        Attributes {
            key: key.to_owned(),
            sha256: "digest".to_owned(),
            content_type: Some("application/gzip".to_owned()),
            metadata: HashMap::from([("by".to_owned(), "johndoe".to_owned())]),
        }
    }

    async fn put(
        objects: &Objects,
        key: &str,
        bytes: &[u8],
        existing: Existing,
    ) -> Result<(), PublishError> {
        let mut upload = objects.upload().await.unwrap();
        upload.write(bytes).await.unwrap();
        upload.publish(&attributes(key), existing).await
    }

    async fn read(objects: &Objects, key: &str, range: Range<u64>) -> Vec<u8> {
        let object = objects.get(key).await.unwrap().unwrap();
        let chunks: Vec<Bytes> = object.bytes(range).await.unwrap().try_collect().await.unwrap();
        chunks.concat()
    }

    fn file_count(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[tokio::test]
    async fn an_object_is_read_back_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        let bytes: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
        put(&objects, "a/b", &bytes, Existing::Keep).await.unwrap();
        let object = objects.get("a/b").await.unwrap().unwrap();
        assert_eq!(object.info.size, 2_400_000);
        assert_eq!(object.info.attributes, attributes("a/b"));
        assert_eq!(read(&objects, "a/b", 0..2_400_000).await, bytes);
        assert_eq!(read(&objects, "a/b", 3..1_000_000).await, bytes[3..1_000_000]);
        assert!(objects.get("a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn one_of_many_concurrent_writers_of_a_new_key_wins() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        let writers =
            (0..32_u8).map(|writer| {
                let objects = objects.clone();
                async move {
                    (writer, put(&objects, "key", &vec![writer; 100_000], Existing::Keep).await)
                }
            });
        let results = join_all(writers).await;
        let winners: Vec<u8> = results
            .iter()
            .filter(|(_, result)| result.is_ok())
            .map(|&(writer, _)| writer)
            .collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(read(&objects, "key", 0..100_000).await, vec![winners[0]; 100_000]);
        assert_eq!(file_count(&objects.uploads), 0);
    }

    #[tokio::test]
    async fn path_traversal_by_a_key_is_prevented() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        for key in ["../../escaped", "/etc/escaped", "a\0b", "..", "."] {
            put(&objects, key, b"x", Existing::Keep).await.unwrap();
        }
        assert_eq!(file_count(&objects.directory), 5);
        assert_eq!(file_count(directory.path()), 2);
    }

    #[tokio::test]
    async fn unfinished_uploads_are_deleted_when_the_bucket_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        put(&objects, "kept", b"x", Existing::Keep).await.unwrap();
        std::mem::forget(objects.upload().await.unwrap());
        assert_eq!(file_count(&objects.uploads), 1);
        let objects = Objects::open(directory.path()).unwrap();
        assert_eq!(file_count(&objects.uploads), 0);
        assert_eq!(read(&objects, "kept", 0..1).await, b"x");
    }

    #[tokio::test]
    async fn objects_are_listed_in_the_order_of_their_keys() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        for key in ["b/2", "a/1", "b/1", "b/3"] {
            put(&objects, key, b"x", Existing::Keep).await.unwrap();
        }
        let listed = objects.list().await.unwrap();
        let keys: Vec<&str> = listed.iter().map(|object| object.attributes.key.as_str()).collect();
        assert_eq!(keys, ["a/1", "b/1", "b/2", "b/3"]);
    }
}
