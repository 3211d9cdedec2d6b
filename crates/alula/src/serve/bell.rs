//! Whether a task was woken for what it asks about.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Stands between a task and what it waits for, and knows whether any of that has woken it.
///
/// A connection asks its body again after every write, though nothing has changed since it had
/// nothing. Whoever has a bell need not look.
pub(super) struct Bell {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared::default());
        Self { waker: shared.clone().into(), shared }
    }

    /// Whether it has rung since it was last asked. From now on it wakes the task of `cx`.
    pub(super) fn has_rung(&self, cx: &Context<'_>) -> bool {
        // In this order: who rings in between wakes the task.
        self.shared.task.register(cx.waker());
        self.shared.has_rung.swap(false, Ordering::AcqRel)
    }

    /// What rings it.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").finish_non_exhaustive()
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_wakes_the_last_task_and_remembers_it_once() {
        let (first, last) = (Arc::new(Task::default()), Arc::new(Task::default()));
        let bell = Bell::new();
        for task in [&first, &last] {
            assert!(!bell.has_rung(&Context::from_waker(&task.clone().into())));
        }
        let inner = bell.waker().clone();
        inner.wake_by_ref();
        inner.wake();
        assert!(!first.0.load(Ordering::SeqCst));
        assert!(last.0.load(Ordering::SeqCst));
        let waker = last.into();
        assert!(bell.has_rung(&Context::from_waker(&waker)));
        assert!(!bell.has_rung(&Context::from_waker(&waker)));
    }
}
