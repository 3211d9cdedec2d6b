use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{JobId, Progress, handler::Attempt, queue::lock, store::Held};

/// What a worker has, from the claim to the moment when the store knows of the end.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    attempts: HashMap<Held, Entry>,
    /// A claim is being made: what it will bring is not here yet.
    claiming: bool,
    /// What was cancelled while a claim was being made, and by which token.
    cancelled: HashMap<JobId, i64>,
    /// Nothing is begun any more.
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    attempt: Arc<Attempt>,
    /// Its handler is done, and its end is on the way to the store, which decides whether it
    /// counts.
    ending: bool,
}

impl Registry {
    /// A claim is being made from here on.
    pub(super) fn begin_claim(&self) {
        lock(&self.0).claiming = true;
    }

    /// All that the claim has brought is here.
    pub(super) fn end_claim(&self) {
        let mut inner = lock(&self.0);
        inner.claiming = false;
        inner.cancelled.clear();
    }

    /// Takes an attempt in; not if its job was cancelled in the meantime, or the worker ends.
    pub(super) fn insert(&self, attempt: &Arc<Attempt>) -> bool {
        let mut inner = lock(&self.0);
        let held = attempt.claim.held;
        let is_cancelled = inner.cancelled.get(&held.id).is_some_and(|token| held.token < *token);
        let welcome = !inner.closed && !is_cancelled;
        if welcome {
            let entry = Entry { attempt: Arc::clone(attempt), ending: false };
            inner.attempts.insert(held, entry);
        }
        welcome
    }

    /// Whether the attempt is still this worker's to end. From here on nobody takes it away but the
    /// store.
    pub(super) fn end(&self, held: Held) -> bool {
        match lock(&self.0).attempts.get_mut(&held) {
            Some(entry) if !entry.ending => {
                entry.ending = true;
                true
            }
            _ => false,
        }
    }

    /// The store knows of its end.
    pub(super) fn remove(&self, held: Held) {
        lock(&self.0).attempts.remove(&held);
    }

    /// The attempt is no longer this worker's: its handler is stopped. Nothing if that is done
    /// already.
    pub(super) fn lose(&self, held: Held) -> Option<Arc<Attempt>> {
        lock(&self.0).lose(held)
    }

    /// Jobs are cancelled: their handlers are stopped. One that was claimed after that goes on.
    pub(crate) fn cancel(&self, stopped: &[Held]) {
        let tokens: HashMap<JobId, i64> = stopped.iter().map(|it| (it.id, it.token)).collect();
        let mut inner = lock(&self.0);
        let is_older = |it: &&Held| tokens.get(&it.id).is_some_and(|token| it.token < *token);
        let older: Vec<Held> = inner.attempts.keys().filter(is_older).copied().collect();
        for held in older {
            inner.lose(held);
        }
        if inner.claiming {
            inner.cancelled.extend(tokens);
        }
    }

    /// Begins nothing any more, stops all handlers, and returns what they were at.
    pub(super) fn close(&self) -> Vec<Arc<Attempt>> {
        let mut inner = lock(&self.0);
        inner.closed = true;
        let running = inner.attempts.values_mut().filter(|entry| !entry.ending);
        running
            .map(|entry| {
                entry.ending = true;
                entry.attempt.stop.cancel();
                Arc::clone(&entry.attempt)
            })
            .collect()
    }

    /// How many ends the store does not know of yet, and attempts that have none.
    pub(super) fn len(&self) -> usize {
        lock(&self.0).attempts.len()
    }

    /// What was said of progress since it was last asked.
    pub(super) fn take_progress(&self) -> Vec<(Held, Progress)> {
        let inner = lock(&self.0);
        let running = inner.attempts.iter().filter(|(_, entry)| !entry.ending);
        running.filter_map(|(held, entry)| Some((*held, entry.attempt.take_progress()?))).collect()
    }

    /// Gives back what could not be noted.
    pub(super) fn restore_progress(&self, progress: Vec<(Held, Progress)>) {
        let inner = lock(&self.0);
        for (held, progress) in progress {
            if let Some(entry) = inner.attempts.get(&held) {
                entry.attempt.restore_progress(progress);
            }
        }
    }

    /// All that the worker has, and of each whether its end is on the way.
    pub(super) fn snapshot(&self) -> Vec<(Held, bool)> {
        let inner = lock(&self.0);
        inner.attempts.iter().map(|(held, entry)| (*held, entry.ending)).collect()
    }
}

impl Inner {
    fn lose(&mut self, held: Held) -> Option<Arc<Attempt>> {
        if self.attempts.get(&held)?.ending {
            return None;
        }
        let attempt = self.attempts.remove(&held)?.attempt;
        attempt.stop.cancel();
        Some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Step, store::Claim};

    fn attempt(id: JobId, token: i64) -> Arc<Attempt> {
        let now = Clock::system().now();
        Arc::new(Attempt::new(Claim::of_no_job(Held { id, token }, Step::new("a"), now)))
    }

    #[test]
    fn a_cancel_stops_older_attempts_and_no_later_one() {
        let registry = Registry::default();
        let [one, two] = [JobId::new(), JobId::new()];
        let (older, later) = (attempt(one, 3), attempt(two, 7));
        assert!(registry.insert(&older) && registry.insert(&later));
        registry.begin_claim();
        registry.cancel(&[Held { id: one, token: 4 }, Held { id: two, token: 6 }]);
        assert!(older.stop.is_cancelled() && !later.stop.is_cancelled());
        // What is on its way from the store may be from before or after it.
        assert!(!registry.insert(&attempt(one, 3)));
        assert!(registry.insert(&attempt(one, 5)));
        registry.end_claim();
        assert_eq!(registry.len(), 2);
    }
}
