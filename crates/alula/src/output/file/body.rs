//! The body of a file, read as the connection asks for it.

use std::{
    collections::VecDeque,
    fs,
    future::Future as _,
    io::{self, Read as _, Seek as _},
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::output::stream_context::StreamContext;

/// The most bytes of a file in memory, for each answer.
pub(super) const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Content {
    /// All of them are here.
    Memory(Bytes),
    /// They are read when they are needed.
    Disk(fs::File),
}

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Segment {
    /// These bytes.
    Own(Bytes),
    /// A part of the content.
    Of(Range<u64>),
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Own(bytes) => bytes.len() as u64,
            Self::Of(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Pieces of a content, one after the other.
#[derive(Debug)]
pub(super) struct FileBody {
    source: Source,
    segments: VecDeque<Segment>,
    left: u64,
    origin: StreamContext,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    Idle(fs::File),
    /// A thread that may wait for the disk has the file.
    Reading(JoinHandle<io::Result<(fs::File, Bytes)>>),
    Failed,
}

impl FileBody {
    pub(super) fn new(
        content: Content,
        segments: VecDeque<Segment>,
        origin: StreamContext,
    ) -> Self {
        let source = match content {
            Content::Memory(bytes) => Source::Memory(bytes),
            Content::Disk(file) => Source::Idle(file),
        };
        let left = segments.iter().map(Segment::len).sum();
        Self { source, segments, left, origin }
    }

    /// How many bytes the body has.
    pub(super) fn len(&self) -> u64 {
        self.left
    }

    /// The next piece of the content at the start of `range`.
    fn poll_content(
        &mut self,
        range: &Range<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        loop {
            match std::mem::replace(&mut self.source, Source::Failed) {
                Source::Memory(bytes) => {
                    let piece = slice(&bytes, range);
                    self.source = Source::Memory(bytes);
                    return Poll::Ready(piece.ok_or_else(too_short));
                }
                Source::Idle(file) => {
                    let range = range.clone();
                    let read = tokio::task::spawn_blocking(|| read(file, range));
                    self.source = Source::Reading(read);
                }
                Source::Reading(mut read) => {
                    let Poll::Ready(done) = Pin::new(&mut read).poll(cx) else {
                        self.source = Source::Reading(read);
                        return Poll::Pending;
                    };
                    let (file, bytes) = done.map_err(io::Error::other).flatten()?;
                    self.source = Source::Idle(file);
                    return Poll::Ready(Ok(bytes));
                }
                Source::Failed => return Poll::Ready(Err(too_short())),
            }
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        while let Some(segment) = self.segments.pop_front() {
            let range = match segment {
                Segment::Own(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Segment::Of(range) if range.is_empty() => continue,
                Segment::Of(range) => range,
            };
            let Poll::Ready(bytes) = self.poll_content(&range, cx) else {
                self.segments.push_front(Segment::Of(range));
                return Poll::Pending;
            };
            let bytes = bytes?;
            let start = range.start.saturating_add(bytes.len() as u64);
            self.segments.push_front(Segment::Of(start..range.end));
            return Poll::Ready(Some(Ok(bytes)));
        }
        Poll::Ready(None)
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(bytes) = ready!(self.poll_bytes(cx)) else { return Poll::Ready(None) };
        Poll::Ready(Some(match bytes {
            Ok(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                self.segments.clear();
                self.origin.broke_off(&error);
                Err(axum::Error::new(error))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
    // `Bytes::slice` would panic on a range beyond the end.
    bytes.get(range).map(|piece| bytes.slice_ref(piece))
}

/// Reads the beginning of a range.
fn read(mut file: fs::File, range: Range<u64>) -> io::Result<(fs::File, Bytes)> {
    let wanted = range.end.saturating_sub(range.start).min(CHUNK_BYTES_MAX as u64);
    file.seek(io::SeekFrom::Start(range.start))?;
    let bytes = read_up_to(&file, wanted)?;
    if bytes.is_empty() {
        return Err(too_short());
    }
    Ok((file, bytes))
}

/// Reads so many bytes from here on, or as many as there are.
pub(super) fn read_up_to(file: &fs::File, wanted: u64) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(usize::try_from(wanted).unwrap_or(CHUNK_BYTES_MAX));
    file.take(wanted).read_to_end(&mut buffer)?;
    Ok(buffer.into())
}

fn too_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent")
}
