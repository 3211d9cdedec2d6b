//! The tasks of a server.

use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

/// Starts tasks that the server waits for, in the span of its worker.
#[derive(Clone, Debug)]
pub(super) struct Spawner {
    tasks: TaskTracker,
    span: Span,
}

impl Spawner {
    pub(super) fn new(tasks: TaskTracker, span: Span) -> Self {
        Self { tasks, span }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Most servers have no span, and then nothing is paid for one.
        match self.span.is_none() {
            true => self.tasks.spawn(task),
            false => self.tasks.spawn(task.instrument(self.span.clone())),
        };
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}
