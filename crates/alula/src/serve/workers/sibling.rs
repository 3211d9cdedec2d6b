//! The listening socket of another worker.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::Interest,
    net::TcpStream,
    time::{Sleep, sleep},
};

/// How long its own worker has time to accept a connection.
///
/// Long for a worker that runs, short for a client that waits.
const STEP_BACK: Duration = Duration::from_millis(5);

/// Connections taken before stepping back again, so that the others take some, too.
const TAKEN_MAX: u32 = 16;

/// A socket whose connections are accepted here only if its own worker does not.
#[derive(Debug)]
pub(in crate::serve) struct Sibling {
    listener: TcpListener,
    /// The same socket, watched. tokio's listener can only accept at once; its stream, which is
    /// made from any socket, can be asked whether there is something to do.
    watched: TcpStream,
    /// Since there was a connection to accept.
    step_back: Option<Pin<Box<Sleep>>>,
    taken: u32,
}

impl Sibling {
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let socket = OwnedFd::from(listener.try_clone()?);
        let watched = TcpStream::from_std(socket.into())?;
        Ok(Self { listener, watched, step_back: None, taken: 0 })
    }

    /// Ready with a connection that nobody accepted in time.
    pub(in crate::serve) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            ready!(self.watched.poll_read_ready(cx))?;
            let step_back = self.step_back.get_or_insert_with(|| Box::pin(sleep(STEP_BACK)));
            ready!(step_back.as_mut().poll(cx));
            if self.taken < TAKEN_MAX {
                let accept = || self.listener.accept();
                match self.watched.try_io(Interest::READABLE, accept) {
                    Ok((stream, addr)) => {
                        self.taken += 1;
                        stream.set_nonblocking(true)?;
                        return Poll::Ready(Ok((TcpStream::from_std(stream)?, addr)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            // There is none left, or it is for others to go on.
            (self.step_back, self.taken) = (None, 0);
        }
    }

    pub(in crate::serve) fn into_listener(self) -> TcpListener {
        self.listener
    }
}
