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
    /// What was cancelled while a claim was being made.
    cancelled: Vec<JobId>,
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
        let (held, parent) = (attempt.claim.held, attempt.claim.parent);
        let is_cancelled = |id: &JobId| *id == held.id || Some(*id) == parent;
        let welcome = !inner.closed && !inner.cancelled.iter().any(is_cancelled);
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

    /// A job and its children are cancelled: their handlers are stopped.
    pub(crate) fn cancel(&self, id: JobId) {
        let mut inner = lock(&self.0);
        if inner.claiming {
            inner.cancelled.push(id);
        }
        let of_job = inner.attempts.values().map(|entry| &entry.attempt.claim);
        let of_job = of_job.filter(|claim| claim.held.id == id || claim.parent == Some(id));
        let held: Vec<Held> = of_job.map(|claim| claim.held).collect();
        for held in held {
            inner.lose(held);
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
