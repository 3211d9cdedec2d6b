use tokio_util::task::TaskTracker;

/// The number of open connections of a [`Server`](super::Server); clones count the same.
#[derive(Debug, Clone)]
pub struct OpenConnections(TaskTracker);

impl OpenConnections {
    pub(super) fn of(sockets: &TaskTracker) -> Self {
        Self(sockets.clone())
    }

    /// How many there are now, also those that have become WebSockets.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
