//! Reading an upload as tokio does.

use std::{
    future::Future as _,
    io::{self, SeekFrom},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncSeek, ReadBuf},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    UploadFile,
    fields::StoredFile,
    spool::{BATCH_BYTES, Content, to_u64},
};

/// At most `len` bytes of the content from `at` on; fewer only at its end.
pub(super) async fn read(stored: &Arc<StoredFile>, at: u64, len: usize) -> io::Result<Bytes> {
    match begin(stored, at, len) {
        Begun::Ready(bytes) => Ok(bytes),
        Begun::Reading(reading) => reading.await?,
    }
}

type Reading = JoinHandle<io::Result<Bytes>>;

enum Begun {
    Ready(Bytes),
    Reading(Reading),
}

fn begin(stored: &Arc<StoredFile>, at: u64, len: usize) -> Begun {
    let left = usize::try_from(stored.size.saturating_sub(at)).unwrap_or(usize::MAX);
    let len = left.min(len);
    if len == 0 {
        return Begun::Ready(Bytes::new());
    }
    match &stored.content {
        Content::Memory(bytes) => {
            let mut rest = bytes.clone();
            rest.advance(usize::try_from(at).unwrap_or(usize::MAX).min(rest.len()));
            rest.truncate(len);
            Begun::Ready(rest)
        }
        Content::Disk { file, start } => {
            let (file, from) = (Arc::clone(file), start + at);
            Begun::Reading(spawn_blocking(move || {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, from)?;
                Ok(bytes.into())
            }))
        }
    }
}

/// Where an upload is read next.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Behind what `ahead` holds.
    position: u64,
    /// Read and not taken yet.
    ahead: Bytes,
    reading: Option<Reading>,
}

impl Cursor {
    fn position(&self) -> u64 {
        self.position - to_u64(self.ahead.len())
    }

    fn poll_fill(
        &mut self,
        stored: &Arc<StoredFile>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                break read??;
            }
            match begin(stored, self.position, BATCH_BYTES) {
                Begun::Ready(bytes) => break bytes,
                Begun::Reading(reading) => self.reading = Some(reading),
            }
        };
        self.position += to_u64(bytes.len());
        self.ahead = bytes;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for UploadFile {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stored, cursor } = self.get_mut();
        if cursor.ahead.is_empty() {
            ready!(cursor.poll_fill(stored, cx))?;
        }
        let taken = cursor.ahead.split_to(cursor.ahead.len().min(buf.remaining()));
        buf.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for UploadFile {
    /// A position behind the end is one where nothing is left to read.
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let Self { stored, cursor } = self.get_mut();
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => stored.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => cursor.position().checked_add_signed(offset),
        };
        let position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the beginning")
        })?;
        *cursor = Cursor { position, ..Cursor::default() };
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.cursor.position()))
    }
}
