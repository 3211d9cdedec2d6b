//! What documents are made of, in a folder or a bucket.
//!
//! An object is there whole or not at all, under a name that nobody chooses. What a process that
//! was killed leaves behind of one that was being written is swept away.

mod staging;
mod url;

use std::{
    fs::File,
    io,
    path::{Path as FsPath, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use alula::{ApiError, Bytes, HttpError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, WriteMultipart,
    local::LocalFileSystem, memory::InMemory, path::Path,
};
use tokio::{io::AsyncWriteExt as _, task::spawn_blocking, time::timeout};

pub(crate) use self::url::StorageUrl;
use crate::{db::DbError, private};

/// How much is written to a folder at a time.
const PART_BYTES: usize = 256 << 10;
/// How much is written to a bucket at a time: most take no less, and it is kept in memory.
#[cfg(feature = "cloud")]
const CLOUD_PART_BYTES: usize = 5 << 20;
/// How many parts of an object are on their way while the next one is gathered.
const PARTS_MAX: usize = 1;
/// The object that says what the store is called.
const ID: &str = "storage-id";
/// The longest name, in bytes.
const ID_BYTES_MAX: u64 = 64;
/// The object that is written to see whether that can be done.
const PING: &str = "ping";
/// How long a store may take to say that it is there.
const PING_TIME: Duration = Duration::from_secs(5);
/// Seconds after which a store that is away is asked again by a client.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Objects by their names. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Objects(Arc<Place>);

#[derive(Debug)]
enum Place {
    /// It is made when there is something to be written.
    Folder {
        path: PathBuf,
        opened: OnceLock<Arc<LocalFileSystem>>,
    },
    Bucket {
        store: Arc<dyn ObjectStore>,
        part_bytes: usize,
    },
}

/// Whether something is written to see if a store can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// It is, and removed again.
    Something,
    Nothing,
}

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("STORAGE_URL: {0}")]
    Open(String),
    #[error("the object {0} is not there")]
    Missing(String),
    #[error("the object {name} has more than {limit} bytes")]
    TooLarge { name: String, limit: u64 },
    #[error("the store of objects cannot be used now: {0}")]
    Away(#[source] Error),
    #[error("a temporary file cannot be used: {0}")]
    Temporary(#[from] io::Error),
    #[error("the store of objects does not answer")]
    Slow,
    #[error(
        "STORAGE_URL names another store of objects than that of the database, or one that has lost \
         what it had: the object `{ID}` of the latter says {ours:?}, and not {theirs:?}"
    )]
    Foreign { ours: String, theirs: String },
    #[error(
        "STORAGE_URL names a store of objects without a name, in which none of the last documents of \
         the database is; if it is the right one nevertheless, write any name into the object `{ID}`"
    )]
    Strange,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl ObjectError {
    fn of(error: Error) -> Self {
        match error {
            Error::NotFound { path, .. } => Self::Missing(path),
            error => Self::Away(error),
        }
    }
}

impl ApiError for ObjectError {
    fn into_http(self) -> HttpError {
        if let Self::Db(error) = self {
            return error.into_http();
        }
        HttpError::unavailable("The store of files is away; try again in a moment")
            .retry_after(RETRY_AFTER_SECONDS)
            .because(self)
    }
}

impl Objects {
    /// Opens the store. A folder that is not there is made when it is needed.
    pub(crate) fn open(url: &StorageUrl) -> Result<Self, ObjectError> {
        let place = match url {
            StorageUrl::Folder(path) => {
                if path.exists() && !path.is_dir() {
                    return Err(ObjectError::Open(format!("{} is no folder", path.display())));
                }
                Place::Folder { path: path.clone(), opened: OnceLock::new() }
            }
            StorageUrl::Memory => {
                let store = Arc::new(InMemory::new());
                Place::Bucket { store, part_bytes: PART_BYTES }
            }
            StorageUrl::Cloud(url) => cloud(url.expose())?,
        };
        Ok(Self(Arc::new(place)))
    }

    /// The store, and how much is written to it at a time.
    fn store(&self) -> Result<(Arc<dyn ObjectStore>, usize), ObjectError> {
        Ok(match &*self.0 {
            Place::Folder { path, opened } => (folder(path, opened)?, PART_BYTES),
            Place::Bucket { store, part_bytes } => (store.clone(), *part_bytes),
        })
    }

    fn folder(&self) -> Result<Option<Arc<LocalFileSystem>>, ObjectError> {
        match &*self.0 {
            Place::Folder { path, opened } => folder(path, opened).map(Some),
            Place::Bucket { .. } => Ok(None),
        }
    }

    /// Whether it is a folder that nothing was written to yet.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(&*self.0, Place::Folder { path, opened } if opened.get().is_none() && !path.exists())
    }

    /// Begins to write an object.
    pub(crate) async fn begin(&self, name: &str) -> Result<Writing, ObjectError> {
        let (store, part_bytes) = self.store()?;
        let upload = store.put_multipart(&Path::from(name)).await.map_err(ObjectError::of)?;
        Ok(Writing(WriteMultipart::new_with_chunk_size(upload, part_bytes)))
    }

    /// Writes an object in one piece.
    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.store()?.0.put(&Path::from(name), bytes.into()).await.map_err(ObjectError::of)?;
        Ok(())
    }

    /// What the store is called, if it has a name.
    pub(crate) async fn id(&self) -> Result<Option<String>, ObjectError> {
        if self.is_untouched() {
            return Ok(None);
        }
        match self.read(ID, ID_BYTES_MAX).await {
            Ok(id) => Ok(Some(String::from_utf8_lossy(&id).trim().to_owned())),
            // Whoever may not list a bucket is told no more of what is not there.
            Err(ObjectError::Missing(_) | ObjectError::Away(Error::PermissionDenied { .. })) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the store a name, unless it has one. The one that it has.
    pub(crate) async fn name(&self, id: String) -> Result<String, ObjectError> {
        let (store, at) = (self.store()?.0, Path::from(ID));
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match store.put_opts(&at, id.clone().into(), options).await {
            Ok(_) => return Ok(id),
            Err(Error::AlreadyExists { .. }) => return Ok(self.id().await?.unwrap_or(id)),
            // Some buckets cannot tell who was first, nor folders that know no hard links.
            Err(error) => tracing::debug!(%error, "the store is named without a condition"),
        }
        if let Some(known) = self.id().await? {
            return Ok(known);
        }
        self.put(ID, id.clone().into()).await?;
        Ok(id)
    }

    /// Whether an object is there.
    pub(crate) async fn has(&self, name: &str) -> Result<bool, ObjectError> {
        match self.store()?.0.head(&Path::from(name)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(false),
            Err(error) => Err(ObjectError::of(error)),
        }
    }

    /// The bytes of an object, as they come.
    pub(crate) async fn stream(
        &self,
        name: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let found = self.store()?.0.get(&Path::from(name)).await.map_err(ObjectError::of)?;
        Ok(found.into_stream().map_err(ObjectError::of).boxed())
    }

    /// An object in memory, if it has no more bytes than these.
    pub(crate) async fn read(&self, name: &str, bytes_max: u64) -> Result<Bytes, ObjectError> {
        let found = self.store()?.0.get(&Path::from(name)).await.map_err(ObjectError::of)?;
        if found.meta.size > bytes_max {
            return Err(ObjectError::TooLarge { name: name.to_owned(), limit: bytes_max });
        }
        found.bytes().await.map_err(ObjectError::of)
    }

    /// An object as a file to read: that of the folder, or a temporary one.
    pub(crate) async fn file(&self, name: &str) -> Result<File, ObjectError> {
        let path = Path::from(name);
        if let Some(folder) = self.folder()? {
            let path = folder.path_to_filesystem(&path).map_err(ObjectError::of)?;
            return spawn_blocking(move || File::open(path))
                .await
                .map_err(io::Error::other)?
                .map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => ObjectError::Missing(name.to_owned()),
                    _ => error.into(),
                });
        }
        let file = spawn_blocking(tempfile::tempfile).await.map_err(io::Error::other)??;
        let mut writing = tokio::fs::File::from_std(file.try_clone()?);
        let mut pieces = self.stream(name).await?;
        while let Some(piece) = pieces.try_next().await? {
            writing.write_all(&piece).await?;
        }
        writing.flush().await?;
        Ok(file)
    }

    /// Writes an object that is as another one.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        let copied = self.store()?.0.copy(&Path::from(from), &Path::from(to)).await;
        copied.map_err(ObjectError::of)
    }

    /// Removes an object. One that is not there is no mistake.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), ObjectError> {
        match self.store()?.0.delete(&Path::from(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ObjectError::of(error)),
        }
    }

    /// Whether the store answers, and takes what is written.
    pub(crate) async fn ping(&self, writes: Writes) -> Result<(), ObjectError> {
        if self.is_untouched() {
            return Ok(());
        }
        let ask = async {
            match writes {
                Writes::Nothing => self.has(PING).await.map(drop),
                Writes::Something => {
                    self.put(PING, Bytes::from_static(b"ping")).await?;
                    self.remove(PING).await
                }
            }
        };
        timeout(PING_TIME, ask).await.map_err(|_| ObjectError::Slow)?
    }

    /// Removes files of objects that nobody writes any more: those to which nothing was added for
    /// so long. Returns how many. A bucket does that by a rule of its own.
    pub(crate) async fn sweep(&self, silent: Duration) -> Result<u64, ObjectError> {
        if self.is_untouched() {
            return Ok(0);
        }
        let Place::Folder { path, .. } = &*self.0 else { return Ok(0) };
        let root = path.clone();
        let swept = spawn_blocking(move || staging::sweep(&root, silent)).await;
        Ok(swept.map_err(io::Error::other)??)
    }
}

/// An object that is being written. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Writing(WriteMultipart);

impl Writing {
    /// Writes more of it, as fast as the store takes it.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        self.0.wait_for_capacity(PARTS_MAX).await.map_err(ObjectError::of)?;
        self.0.put(bytes);
        Ok(())
    }

    /// The object is there when this returns.
    pub(crate) async fn finish(self) -> Result<(), ObjectError> {
        self.0.finish().await.map(drop).map_err(ObjectError::of)
    }

    /// Gives it up.
    pub(crate) async fn abort(self) {
        if let Err(error) = self.0.abort().await {
            tracing::warn!(%error, "what was written of an object could not be removed");
        }
    }
}

/// Opens a folder, which is made for this user alone if it is not there.
fn folder(
    path: &FsPath,
    opened: &OnceLock<Arc<LocalFileSystem>>,
) -> Result<Arc<LocalFileSystem>, ObjectError> {
    if let Some(folder) = opened.get() {
        return Ok(folder.clone());
    }
    private::create_folder(path).map_err(|error| {
        ObjectError::Open(format!("cannot make the folder {}: {error}", path.display()))
    })?;
    let folder = LocalFileSystem::new_with_prefix(path);
    let folder = folder.map_err(|error| ObjectError::Open(error.to_string()))?;
    Ok(opened.get_or_init(|| Arc::new(folder.with_fsync(true))).clone())
}

/// A bucket, whose credentials are in the environment by their usual names.
#[cfg(feature = "cloud")]
fn cloud(url: &str) -> Result<Place, ObjectError> {
    let wrong = |error: Error| ObjectError::Open(error.to_string());
    // It may be there already; all of them are the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let parsed = url.parse().map_err(|_| ObjectError::Open("it is no address".to_owned()))?;
    let opened = object_store::parse_url_opts(&parsed, crate::config::cloud_variables());
    let (store, prefix) = opened.map_err(wrong)?;
    let store = Arc::new(object_store::prefix::PrefixStore::new(store, prefix));
    Ok(Place::Bucket { store, part_bytes: CLOUD_PART_BYTES })
}

#[cfg(not(feature = "cloud"))]
fn cloud(_: &str) -> Result<Place, ObjectError> {
    Err(ObjectError::Open("this program was built without the feature `cloud`".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn on_each(test: impl AsyncFn(Objects) -> Result<(), ObjectError>) {
        let folder = tempfile::tempdir().unwrap();
        for url in [StorageUrl::Memory, StorageUrl::Folder(folder.path().join("a/b"))] {
            test(Objects::open(&url).unwrap()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_object_is_there_whole_or_not_at_all() {
        on_each(async |objects| {
            objects.ping(Writes::Something).await?;
            objects.ping(Writes::Nothing).await?;
            assert!(!objects.has(PING).await?);
            assert_eq!(objects.id().await?, None);
            assert_eq!(objects.name("a".to_owned()).await?, "a");
            assert_eq!(objects.name("b".to_owned()).await?, "a");
            assert_eq!(objects.id().await?.as_deref(), Some("a"));
            let mut writing = objects.begin("x/one").await?;
            for _ in 0..30 {
                writing.write(vec![b'a'; 30_000].into()).await?;
            }
            assert!(!objects.has("x/one").await?);
            writing.finish().await?;
            assert!(objects.has("x/one").await?);
            let read = objects.read("x/one", 900_000).await?;
            assert!(read.len() == 900_000 && read.iter().all(|byte| *byte == b'a'));
            assert!(matches!(
                objects.read("x/one", 899_999).await,
                Err(ObjectError::TooLarge { .. })
            ));
            let mut file = objects.file("x/one").await?;
            io::Seek::rewind(&mut file)?;
            assert_eq!(io::copy(&mut file, &mut io::sink())?, 900_000);
            objects.remove("x/one").await?;
            objects.remove("x/one").await?;
            assert!(matches!(objects.file("x/one").await, Err(ObjectError::Missing(_))));
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        on_each(async |objects| {
            let mut writing = objects.begin("one").await?;
            writing.write(vec![0; 600_000].into()).await?;
            writing.abort().await;
            assert!(!objects.has("one").await?);
            assert_eq!(objects.sweep(Duration::ZERO).await?, 0);
            Ok(())
        })
        .await;
    }

    /// Another process may be writing it.
    #[tokio::test]
    async fn what_is_being_written_is_not_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&StorageUrl::Folder(folder.path().to_owned())).unwrap();
        let mut writing = objects.begin("ab/one").await.unwrap();
        writing.write(vec![1; 600_000].into()).await.unwrap();
        assert_eq!(objects.sweep(Duration::from_secs(600)).await.unwrap(), 0);
        writing.finish().await.unwrap();
        assert!(objects.has("ab/one").await.unwrap());
        // As a killed process leaves it.
        let (own, other) = (format!("documents/ab/doc_{:032x}#1", 7), "documents/ab/Invoice #12");
        std::fs::create_dir_all(folder.path().join("documents/ab")).unwrap();
        std::fs::write(folder.path().join(own), "x").unwrap();
        std::fs::write(folder.path().join(other), "x").unwrap();
        std::fs::write(folder.path().join("Invoice #12"), "x").unwrap();
        assert_eq!(objects.sweep(Duration::ZERO).await.unwrap(), 1);
        assert!(objects.has("ab/one").await.unwrap());
        assert!(folder.path().join(other).exists() && folder.path().join("Invoice #12").exists());
    }
}
