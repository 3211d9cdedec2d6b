//! Finding and opening files, on threads that may wait for the disk.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Component, Path, PathBuf},
};

use super::{
    CHUNK_BYTES_MAX, File,
    body::{Content, read_up_to},
    inside::Inside,
    validators::Validators,
};
use crate::output::media::Media;

impl File {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// If there is no such file, it is a directory or something else that is no file, or it
    /// cannot be read. The message names the path; it is for the log, and `?` keeps it there.
    pub async fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        on_a_blocking_thread(move || open(&path)).await
    }

    /// Opens a file that may not be there.
    ///
    /// # Errors
    ///
    /// If it is there, but cannot be read.
    pub async fn find(path: impl Into<PathBuf>) -> io::Result<Option<Self>> {
        let path = path.into();
        on_a_blocking_thread(move || missing_is_none(open(&path))).await
    }

    /// Opens a file in a directory whose relative path a client may choose.
    ///
    /// A path that leads out of the directory, by `..`, from the root or over a symbolic link,
    /// leads to nothing; on Unix also if the link appears while the file is opened.
    ///
    /// # Errors
    ///
    /// If the directory is not there, or the file is there but cannot be read.
    pub async fn find_in(
        directory: impl Into<PathBuf>,
        relative: impl AsRef<Path>,
    ) -> io::Result<Option<Self>> {
        let relative = relative.as_ref();
        let is_normal = |part| matches!(part, Component::Normal(_));
        if !relative.components().all(is_normal) {
            return Ok(None);
        }
        let (directory, relative) = (directory.into(), relative.to_owned());
        on_a_blocking_thread(move || match Inside::find(&directory, &relative)? {
            Some(found) => found.open_as(found.path()),
            None => Ok(None),
        })
        .await
    }
}

pub(super) fn missing_is_none<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    // The last two are names that no file can have.
    let missing = [
        ErrorKind::NotFound,
        ErrorKind::IsADirectory,
        ErrorKind::NotADirectory,
        ErrorKind::InvalidInput,
        ErrorKind::InvalidFilename,
    ];
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if missing.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let name = |error: io::Error| naming(path, &error);
    // Asked first: to open a pipe would wait for its other end.
    if !fs::metadata(path).map_err(name)?.is_file() {
        return Err(naming(path, &io::Error::new(ErrorKind::IsADirectory, "not a file")));
    }
    let file = fs::File::open(path).map_err(name)?;
    let metadata = file.metadata().map_err(name)?;
    describe(file, &metadata, path).map_err(name)
}

/// A file that is open and of the kind which a name has.
pub(super) fn describe(file: fs::File, metadata: &fs::Metadata, kind: &Path) -> io::Result<File> {
    let length = metadata.len();
    let content = match length {
        // One visit to the disk is enough for a small file.
        0..=SMALL => Content::Memory(read_up_to(&file, length)?),
        _ => Content::Disk(file),
    };
    let length = match &content {
        Content::Memory(bytes) => bytes.len() as u64,
        Content::Disk(_) => length,
    };
    Ok(File {
        content,
        length,
        media: Media::guess(kind),
        validators: Validators::of_file(length, metadata.modified().ok()),
        mistake: None,
    })
}

/// What is read at once when the file is opened.
const SMALL: u64 = CHUNK_BYTES_MAX as u64;

pub(super) fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display()))
}

pub(crate) async fn on_a_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
