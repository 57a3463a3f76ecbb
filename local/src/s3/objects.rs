//! Objects on disk: written aside, and visible at once and whole, or not at all.
//!
//! An object is one file, named by the SHA-256 of its key, so that no key can name a file
//! elsewhere. It holds the object's bytes, then its [`Attributes`] as JSON, then that JSON's length.

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
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufWriter},
    task::spawn_blocking,
};

/// How much of an object is in memory while it is read or written, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// The length of the attributes' JSON, big-endian, at the very end of the file.
const LENGTH_BYTES: usize = size_of::<u32>();

/// The longest JSON of attributes, in bytes: keys (1 KiB), metadata (2 KiB) and headers fit well.
const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;

/// What is known of an object besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// The object's name in the bucket.
    pub(crate) key: String,
    /// The SHA-256 of its bytes, in base64, as S3 has it.
    pub(crate) sha256: String,
    /// Its media type.
    pub(crate) content_type: Option<String>,
    /// What its writer noted besides.
    pub(crate) metadata: HashMap<String, String>,
}

/// What becomes of an object of the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// The new one takes its place.
    Replace,
    /// It stays, and the new one is dropped.
    Keep,
}

/// Why an upload did not become an object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// There is one of that key already, which was to be kept.
    #[error("the object exists")]
    Exists,
    /// The disk is full, or worse.
    #[error("the object cannot be stored")]
    Disk(#[from] io::Error),
}

/// The objects of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    directory: PathBuf,
    uploads: PathBuf,
}

/// An object that is being written; dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Upload {
    file: BufWriter<tokio::fs::File>,
    path: TempPath,
    directory: PathBuf,
}

/// An object.
#[derive(Debug)]
pub(crate) struct Object {
    file: File,
    /// Its length, in bytes.
    pub(crate) size: u64,
    /// When it was stored.
    pub(crate) modified: SystemTime,
    /// What else is known of it.
    pub(crate) attributes: Attributes,
}

impl Objects {
    /// Opens the bucket that is kept in `directory`, making it if need be.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let uploads = directory.join("uploads");
        // What a killed process had not finished.
        match fs::remove_dir_all(&uploads) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&uploads)?;
        let objects = directory.join("objects");
        fs::create_dir_all(&objects)?;
        // The directory itself must not be lost with what is put into it.
        File::open(directory)?.sync_all()?;
        Ok(Self { directory: objects, uploads })
    }

    /// Begins to write an object.
    pub(crate) async fn upload(&self) -> io::Result<Upload> {
        let Self { directory, uploads } = self.clone();
        let (file, path) =
            spawn_blocking(move || tempfile::NamedTempFile::new_in(uploads)).await??.into_parts();
        let file = BufWriter::with_capacity(CHUNK_BYTES, tokio::fs::File::from_std(file));
        Ok(Upload { file, path, directory })
    }

    /// The object of this key, if there is one.
    pub(crate) async fn get(&self, key: &str) -> io::Result<Option<Object>> {
        let path = file_of(&self.directory, key);
        spawn_blocking(move || match File::open(path) {
            Ok(file) => Object::read(file).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await?
    }

    /// The objects whose keys begin with `prefix` and come after `after`, in the keys' order.
    pub(crate) async fn list(&self, prefix: String, after: String) -> io::Result<Vec<Object>> {
        let directory = self.directory.clone();
        spawn_blocking(move || {
            let mut objects = Vec::new();
            for entry in fs::read_dir(directory)? {
                let object = Object::read(File::open(entry?.path())?)?;
                let key = object.attributes.key.as_str();
                if key.starts_with(&prefix) && key > after.as_str() {
                    objects.push(object);
                }
            }
            objects.sort_by(|one, other| one.attributes.key.cmp(&other.attributes.key));
            Ok(objects)
        })
        .await?
    }
}

impl Upload {
    /// Adds bytes at the end.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Makes the upload an object; once this returns, it survives a loss of power.
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
        let target = file_of(&directory, &attributes.key);
        spawn_blocking(move || {
            let named = match existing {
                Existing::Replace => path.persist(target),
                // One system call both looks and links: of any number of writers, one wins.
                Existing::Keep => path.persist_noclobber(target),
            };
            let named = named.map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => PublishError::Exists,
                _ => PublishError::Disk(error.error),
            });
            // Also for one who is told that it exists: whoever wrote it may not be as far yet.
            File::open(directory)?.sync_all()?;
            named
        })
        .await
        .map_err(io::Error::from)?
    }
}

impl Object {
    fn read(mut file: File) -> io::Result<Self> {
        let damaged = || io::Error::new(ErrorKind::InvalidData, "the object's file is damaged");
        let information = file.metadata()?;
        let end = information.len().checked_sub(LENGTH_BYTES as u64).ok_or_else(damaged)?;
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
        Ok(Self { file, size, modified: information.modified()?, attributes })
    }

    /// The object's bytes in `range`, a chunk at a time.
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

fn file_of(directory: &Path, key: &str) -> PathBuf {
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

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[tokio::test]
    async fn an_object_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        let bytes: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
        put(&objects, "a/b", &bytes, Existing::Keep).await.unwrap();
        let object = objects.get("a/b").await.unwrap().unwrap();
        assert_eq!(object.size, 2_400_000);
        assert_eq!(object.attributes, attributes("a/b"));
        assert_eq!(read(&objects, "a/b", 0..2_400_000).await, bytes);
        assert_eq!(read(&objects, "a/b", 3..1_000_000).await, bytes[3..1_000_000]);
        assert!(objects.get("a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn of_many_writers_of_a_new_key_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        let writers =
            (0..32_u8).map(|writer| {
                let objects = objects.clone();
                async move {
                    (writer, put(&objects, "key", &vec![writer; 100_000], Existing::Keep).await)
                }
            });
        let outcomes = join_all(writers).await;
        let won: Vec<u8> = outcomes
            .iter()
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|&(writer, _)| writer)
            .collect();
        assert_eq!(won.len(), 1);
        assert_eq!(read(&objects, "key", 0..100_000).await, vec![won[0]; 100_000]);
        assert_eq!(files(&objects.uploads), 0);
    }

    #[tokio::test]
    async fn a_key_cannot_leave_the_bucket() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        for key in ["../../escaped", "/etc/escaped", "a\0b", "..", "."] {
            put(&objects, key, b"x", Existing::Keep).await.unwrap();
        }
        assert_eq!(files(&objects.directory), 5);
        assert_eq!(files(directory.path()), 2);
    }

    #[tokio::test]
    async fn what_was_not_finished_is_gone_when_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        put(&objects, "kept", b"x", Existing::Keep).await.unwrap();
        std::mem::forget(objects.upload().await.unwrap());
        assert_eq!(files(&objects.uploads), 1);
        let objects = Objects::open(directory.path()).unwrap();
        assert_eq!(files(&objects.uploads), 0);
        assert_eq!(read(&objects, "kept", 0..1).await, b"x");
    }

    #[tokio::test]
    async fn keys_are_listed_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::open(directory.path()).unwrap();
        for key in ["b/2", "a/1", "b/1", "b/3"] {
            put(&objects, key, b"x", Existing::Keep).await.unwrap();
        }
        let listed = objects.list("b/".to_owned(), "b/1".to_owned()).await.unwrap();
        let keys: Vec<&str> = listed.iter().map(|object| object.attributes.key.as_str()).collect();
        assert_eq!(keys, ["b/2", "b/3"]);
    }
}
