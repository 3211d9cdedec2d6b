//! Accepting connections when the kernel cannot always give one.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A listener that waits out its errors.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    /// Errors in a row.
    failures: u32,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, failures: 0 }
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
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
