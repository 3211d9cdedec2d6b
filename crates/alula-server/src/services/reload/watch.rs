//! When the file is read again: at SIGHUP, and when it has changed.

use std::{io, time::Duration};

use tokio::{task::spawn_blocking, time::sleep};

use super::{Reload, Seen};

/// How often the file is read. Nobody is asked to tell of changes: that works neither behind links
/// nor on network drives, and tells of each line of a log in the same folder.
const POLL: Duration = Duration::from_secs(1);
/// How long a file must stay as it is before it counts: editors write it in steps.
const QUIET: Duration = Duration::from_millis(100);
/// How often that is waited for; a file that never stays as it is is taken as it is.
const READS_MAX: usize = 50;

/// SIGHUP, which from now on does not end the process.
#[derive(Debug)]
pub(crate) struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    /// Listens.
    ///
    /// # Errors
    ///
    /// When the signal cannot be listened to.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    #[cfg(unix)]
    async fn comes(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    async fn comes(&mut self) {
        std::future::pending::<()>().await;
    }
}

impl Reload {
    /// Reads the file again whenever there is reason to, for ever.
    pub(crate) async fn watch(self, mut hangup: Hangup) {
        // It may have changed since it was read.
        let mut insists = false;
        loop {
            let seen = self.settled().await;
            self.0.take(seen, insists);
            insists = tokio::select! {
                biased;
                () = hangup.comes() => true,
                () = sleep(POLL) => false,
            };
        }
    }

    /// What is in the file, once it has been so for a moment.
    async fn settled(&self) -> Seen {
        let mut seen = self.read().await;
        for _ in 0..READS_MAX {
            if self.0.state().seen == seen {
                break;
            }
            sleep(QUIET).await;
            let again = self.read().await;
            if again == seen {
                break;
            }
            seen = again;
        }
        seen
    }

    async fn read(&self) -> Seen {
        let source = self.0.source.clone();
        let read = spawn_blocking(move || source.read().map_err(|error| error.to_string()));
        read.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
