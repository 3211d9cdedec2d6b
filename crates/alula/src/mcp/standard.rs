//! The input and the output of this process.

use std::{
    io::{self, Read as _},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

/// How much is read at once.
const PART_BYTES: usize = 16 * 1024;
/// How many parts wait to be taken.
const PARTS_MAX: usize = 4;

/// The input of this process, read on a thread of its own.
///
/// A runtime waits for its own threads when it ends, and would wait for a line that never comes.
/// Nobody waits for this one.
pub(crate) struct Input {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Input {
    pub(crate) fn open() -> io::Result<Self> {
        let (sender, parts) = mpsc::channel(PARTS_MAX);
        thread::Builder::new().name("mcp-stdin".to_owned()).spawn(move || {
            let mut input = io::stdin().lock();
            let mut buffer = vec![0; PART_BYTES];
            loop {
                let read = match input.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => {
                        Ok(Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default()))
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let is_end = read.is_err();
                if sender.blocking_send(read).is_err() || is_end {
                    return;
                }
            }
        })?;
        Ok(Self { parts, part: Bytes::new() })
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.part.is_empty() {
            match ready!(self.parts.poll_recv(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(part) => self.part = part?,
            }
        }
        let count = self.part.len().min(buffer.remaining());
        buffer.put_slice(self.part.get(..count).unwrap_or_default());
        self.part.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// The output of this process, which nobody else writes to any more: what is printed from now on
/// goes to the standard error.
#[cfg(unix)]
pub(crate) fn own_output() -> io::Result<tokio::fs::File> {
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(tokio::fs::File::from_std(output.into()))
}

/// The output of this process.
#[cfg(not(unix))]
pub(crate) fn own_output() -> io::Result<tokio::io::Stdout> {
    Ok(tokio::io::stdout())
}
