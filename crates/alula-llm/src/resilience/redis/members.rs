//! The calls that this process has told Redis of, so that it can say that they go on.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{super::shared::Member, job::Job};

/// The members of this process, by key.
#[derive(Debug)]
pub(super) struct Members {
    /// What no other process has, nor this one when it is started again.
    process: u64,
    next: AtomicU64,
    /// No key without a member.
    of: Mutex<HashMap<Arc<str>, HashSet<Member>>>,
}

impl Members {
    pub(super) fn new() -> Self {
        // The standard library's source of randomness, which the system seeds.
        let process = RandomState::new().hash_one(std::process::id());
        Self { process, next: AtomicU64::new(0), of: Mutex::default() }
    }

    pub(super) fn new_member(&self) -> Member {
        Member { process: self.process, number: self.next.fetch_add(1, Relaxed) }
    }

    pub(super) fn insert(&self, key: &Arc<str>, member: Member) {
        self.lock().entry(key.clone()).or_default().insert(member);
    }

    pub(super) fn remove(&self, key: &Arc<str>, member: Member) {
        let mut of = self.lock();
        if let Some(members) = of.get_mut(key) {
            members.remove(&member);
            if members.is_empty() {
                of.remove(key);
            }
        }
    }

    /// What says that all of them go on.
    pub(super) fn stay(&self) -> Vec<Job> {
        let of = self.lock();
        let jobs = of
            .iter()
            .map(|(key, members)| Job::Stay(key.clone(), members.iter().copied().collect()));
        jobs.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, HashSet<Member>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
