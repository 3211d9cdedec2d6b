//! Accepting connections when the kernel cannot always give one.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

#[cfg(unix)]
use super::workers::Siblings;

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// More than the kernel lets wait. Without it a flood of clients could keep a server from closing.
const WAITING_MAX: usize = 2 * super::listen::BACKLOG as usize;

/// A listener that waits out its errors.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    /// In a worker, the sockets of the others.
    #[cfg(unix)]
    siblings: Option<Box<Siblings>>,
    /// Errors in a row.
    failures: u32,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            #[cfg(unix)]
            siblings: None,
            failures: 0,
        }
    }

    #[cfg(unix)]
    pub(super) fn with_siblings(listener: TcpListener, siblings: Box<Siblings>) -> Self {
        Self { siblings: Some(siblings), ..Self::new(listener) }
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => {
                    self.recovered();
                    return accepted;
                }
                // The client left before we came; the next one is not affected.
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => sleep(self.failed(&error)).await,
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if let Poll::Ready(accepted) = self.listener.poll_accept(cx) {
            return Poll::Ready(accepted);
        }
        #[cfg(unix)]
        if let Some(siblings) = &mut self.siblings {
            return siblings.poll_accept(cx);
        }
        Poll::Pending
    }

    /// The connections that the kernel has accepted; then it accepts no more.
    ///
    /// Their clients are sending already, and to close the listener over them would reset them.
    pub(super) fn close(self) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
        // Asks the kernel itself: tokio may not have heard of the last ones yet.
        let mut waiting = Vec::new();
        take_waiting(&self.listener.into_std()?, &mut waiting)?;
        #[cfg(unix)]
        for listener in self.siblings.into_iter().flat_map(|all| all.into_listeners()) {
            take_waiting(&listener, &mut waiting)?;
        }
        Ok(waiting)
    }

    /// Out of file descriptors or memory: to try again at once would only burn the processor.
    /// Logs the first of a burst and returns how long to wait.
    fn failed(&mut self, error: &io::Error) -> Duration {
        if self.failures == 0 {
            tracing::error!(%error, "no connections can be accepted");
        }
        let pause = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(self.failures)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    fn recovered(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "connections are accepted again");
            self.failures = 0;
        }
    }
}

fn take_waiting(
    listener: &std::net::TcpListener,
    waiting: &mut Vec<(TcpStream, SocketAddr)>,
) -> io::Result<()> {
    while waiting.len() < WAITING_MAX {
        match listener.accept() {
            Ok((stream, addr)) => {
                stream.set_nonblocking(true)?;
                waiting.push((TcpStream::from_std(stream)?, addr));
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_grow_to_a_limit_and_start_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut acceptor = Acceptor::new(listener);
        let error = io::Error::from_raw_os_error(24);

        let pauses: Vec<u128> = (0..8).map(|_| acceptor.failed(&error).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000]);

        acceptor.recovered();
        assert_eq!(acceptor.failed(&error), PAUSE_MIN);
    }
}
