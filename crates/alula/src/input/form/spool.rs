//! Where the content of files goes: to memory, or to one temporary file for the whole form.
//!
//! The parts of a form come one after the other, so each file is one range of the temporary file,
//! and a form takes one file descriptor, however many files it has. The temporary file has no
//! name: the system removes it with its last user, also when the process is killed.

use std::{fs::File, io, sync::Arc};

use bytes::Bytes;
use tokio::{runtime::Handle, task::spawn_blocking};

/// Bytes that go to or come from a disk at a time.
pub(super) const BATCH_BYTES: usize = 256 * 1024;

/// The content of a file.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Memory(Bytes),
    Disk { file: Arc<SpoolFile>, start: u64 },
}

/// The temporary file of a form, made when it is needed.
#[derive(Debug, Default)]
pub(super) struct Spool {
    file: Option<Arc<SpoolFile>>,
    len: u64,
}

impl Spool {
    /// How much is in it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What was written from `start` on.
    pub(super) fn content(&self, start: u64) -> Option<Content> {
        Some(Content::Disk { file: Arc::clone(self.file.as_ref()?), start })
    }

    /// Writes a batch, and leaves an empty one to be filled again.
    pub(super) async fn append(&mut self, batch: &mut Vec<u8>) -> io::Result<()> {
        let (known, start, mut data) = (self.file.clone(), self.len, std::mem::take(batch));
        let written = spawn_blocking(move || {
            let file = match known {
                Some(file) => file,
                None => Arc::new(SpoolFile::create()?),
            };
            file.write_all_at(&data, start)?;
            let len = data.len();
            data.clear();
            data.shrink_to(BATCH_BYTES);
            io::Result::Ok((file, len, data))
        });
        let (file, len, empty) = written.await??;
        self.file = Some(file);
        self.len += to_u64(len);
        *batch = empty;
        Ok(())
    }
}

/// A temporary file without a name. Nobody uses its cursor.
#[derive(Debug)]
pub(super) struct SpoolFile(Option<File>);

impl SpoolFile {
    fn create() -> io::Result<Self> {
        tempfile::tempfile().map(|file| Self(Some(file)))
    }

    fn file(&self) -> io::Result<&File> {
        // Only `drop` takes it.
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    #[cfg(unix)]
    fn write_all_at(&self, data: &[u8], start: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self.file()?, data, start)
    }

    #[cfg(windows)]
    fn write_all_at(&self, mut data: &[u8], mut start: u64) -> io::Result<()> {
        while !data.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(self.file()?, data, start)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            data = data.get(written..).unwrap_or_default();
            start += to_u64(written);
        }
        Ok(())
    }

    /// Fills `data` from `start` on.
    #[cfg(unix)]
    pub(super) fn read_exact_at(&self, data: &mut [u8], start: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self.file()?, data, start)
    }

    /// Fills `data` from `start` on.
    #[cfg(windows)]
    pub(super) fn read_exact_at(&self, mut data: &mut [u8], mut start: u64) -> io::Result<()> {
        while !data.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(self.file()?, data, start)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            data = data.get_mut(read..).unwrap_or_default();
            start += to_u64(read);
        }
        Ok(())
    }
}

impl Drop for SpoolFile {
    /// Freeing the blocks of a large file takes a disk some time.
    fn drop(&mut self) {
        if let (Some(file), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

/// A length as an offset; no length in memory is larger.
pub(super) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
