//! When the file is read again: at SIGHUP, and when it has changed.

use std::{io, path::Path, sync::Arc, time::Duration};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{Reload, Seen};

/// How often the file is looked at where nobody tells of changes: behind a link to elsewhere, on
/// some network drives, or in a folder that was replaced.
const POLL: Duration = Duration::from_secs(5);
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
        let changed = Arc::new(Notify::new());
        let folder = self.path().parent().unwrap_or(Path::new("."));
        // Dropping it ends it.
        let _watcher = watcher(folder, changed.clone()).inspect_err(|error| {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "no news of changes; the file is looked at instead");
        });
        // It may have changed since it was read.
        let mut insists = false;
        loop {
            let seen = self.settled().await;
            self.0.take(seen, insists);
            insists = tokio::select! {
                biased;
                () = hangup.comes() => true,
                told = timeout(POLL, changed.notified()) => {
                    // Whoever writes has only begun.
                    if told.is_ok() {
                        sleep(QUIET).await;
                    }
                    false
                }
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

/// Tells of whatever happens in the folder: a file that is put in the place of another one has
/// the name of neither at first, and Kubernetes puts a link in the place of another.
fn watcher(folder: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let is_news = event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_)));
        if is_news {
            changed.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
