use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::watch;

use crate::{JobId, Timestamp, store::Held, worker::Registry};

/// How many moments are remembered. Those that are farther off are found by looking.
const ALARMS_MAX: usize = 1024;
/// Moments within so many milliseconds are one, so that many of them are not as many looks.
const ALARM_MILLIS: i64 = 50;

/// What the parts of a process tell each other of a queue, so that they need not wait until they
/// look at the store again.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Counts up, so that who was busy sees later that there was something.
    queued: watch::Sender<u64>,
    /// Counts up when the store has said that something may have changed. It says so to one worker,
    /// and another one may be what knows the job.
    news: watch::Sender<u64>,
    /// When something that was scheduled here is due.
    alarms: watch::Sender<BTreeSet<Timestamp>>,
    /// Who wants to know of changes of a job. There is an entry only while somebody does.
    watchers: Mutex<HashMap<JobId, watch::Sender<()>>>,
    /// What the workers of this process do.
    registries: Mutex<Vec<Weak<Registry>>>,
}

impl Signals {
    /// Something may be queued.
    pub(crate) fn wake(&self) {
        self.queued.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ready whenever something may have been queued since it was last asked.
    pub(crate) fn queued(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }

    /// The store has said that something may have changed.
    pub(crate) fn tell_news(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ready whenever the store has said so to a worker of this process since it was last asked.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Something is due at this time.
    pub(crate) fn alarm(&self, at: Timestamp) {
        let at = at.as_millis().saturating_add(ALARM_MILLIS - 1);
        let at = Timestamp::from_millis(at - at.rem_euclid(ALARM_MILLIS));
        self.alarms.send_if_modified(|alarms| {
            let first = alarms.first().copied();
            alarms.insert(at);
            if alarms.len() > ALARMS_MAX {
                alarms.pop_last();
            }
            alarms.first().copied() != first
        });
    }

    /// The times at which something is due. It is ready when there is an earlier one.
    pub(crate) fn alarms(&self) -> watch::Receiver<BTreeSet<Timestamp>> {
        self.alarms.subscribe()
    }

    /// Forgets the alarms whose time has come.
    pub(crate) fn rang(&self, now: Timestamp) {
        self.alarms.send_if_modified(|alarms| {
            while alarms.first().is_some_and(|at| *at <= now) {
                alarms.pop_first();
            }
            false
        });
    }

    /// A job has changed.
    pub(crate) fn changed(&self, id: JobId) {
        if let Some(watcher) = lock(&self.watchers).get(&id) {
            watcher.send_replace(());
        }
    }

    /// Ready whenever the job has changed in this process since it was last asked.
    pub(crate) fn subscribe(self: &Arc<Self>, id: JobId) -> Subscription {
        let changes = lock(&self.watchers).entry(id).or_default().subscribe();
        Subscription { id, changes: Some(changes), signals: Arc::clone(self) }
    }

    /// A worker of this process, which is to hear of what is cancelled.
    pub(crate) fn join(&self, registry: &Arc<Registry>) {
        let mut registries = lock(&self.registries);
        registries.retain(|one| one.strong_count() > 0);
        registries.push(Arc::downgrade(registry));
    }

    /// Jobs are stopped.
    pub(crate) fn cancelled(&self, stopped: &[Held]) {
        for registry in lock(&self.registries).iter().filter_map(Weak::upgrade) {
            registry.cancel(stopped);
        }
        for held in stopped {
            self.changed(held.id);
        }
    }
}

/// The wish to know of the changes of a job.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: JobId,
    /// There until it is dropped.
    changes: Option<watch::Receiver<()>>,
    signals: Arc<Signals>,
}

impl Subscription {
    pub(crate) async fn changed(&mut self) {
        if let Some(changes) = &mut self.changes
            && changes.changed().await.is_ok()
        {
            return;
        }
        // Its sender is there as long as it is.
        std::future::pending::<()>().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut watchers = lock(&self.signals.watchers);
        self.changes = None;
        if watchers.get(&self.id).is_some_and(|watcher| watcher.receiver_count() == 0) {
            watchers.remove(&self.id);
        }
    }
}

/// What it guards is whole after every statement, so that a panic elsewhere spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_up_is_not_lost_on_who_was_busy() {
        let signals = Signals::default();
        let mut queued = signals.queued();
        signals.wake();
        signals.wake();
        queued.changed().await.unwrap();
        assert!(!queued.has_changed().unwrap(), "two at once are one");
    }

    #[test]
    fn alarms_are_few_and_ring_once() {
        let signals = Signals::default();
        let mut alarms = signals.alarms();
        for millis in (1..10_000_000).step_by(25) {
            signals.alarm(Timestamp::from_millis(millis));
        }
        assert_eq!(alarms.borrow_and_update().len(), ALARMS_MAX);
        assert_eq!(alarms.borrow().first(), Some(&Timestamp::from_millis(50)), "not before it");
        signals.alarm(Timestamp::from_millis(120));
        assert!(!alarms.has_changed().unwrap(), "there is an earlier one");
        signals.rang(Timestamp::from_millis(149));
        assert_eq!(alarms.borrow().first(), Some(&Timestamp::from_millis(150)));
        signals.alarm(Timestamp::from_millis(60));
        assert!(alarms.has_changed().unwrap());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_watcher_that_has_gone() {
        let signals = Arc::new(Signals::default());
        let id = JobId::new();
        let (mut one, other) = (signals.subscribe(id), signals.subscribe(id));
        drop(other);
        signals.changed(id);
        one.changed().await;
        drop(one);
        assert!(lock(&signals.watchers).is_empty());
    }
}
