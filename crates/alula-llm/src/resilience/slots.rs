//! How many calls may be on their way at once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Error, ErrorKind, Result};

/// How many calls may be on their way at once.
#[derive(Debug)]
pub(super) struct Slots {
    calls: usize,
    wait_max: Duration,
    places: Arc<Places>,
}

/// The places themselves, which slots that follow each other have in common.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    /// How many there are in all.
    size: Mutex<usize>,
    /// How many of those that are taken are not free again when they are given back.
    owed: AtomicUsize,
}

impl Slots {
    pub(super) fn new(calls: usize, wait_max: Duration) -> Self {
        let calls = calls.min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(calls));
        let places = Places { free, size: Mutex::new(calls), owed: AtomicUsize::new(0) };
        Self { calls, wait_max, places: Arc::new(places) }
    }

    /// Slots in place of these, for which the calls count that are on their way. There are as many
    /// as before until they are [in force](Self::put_in_force).
    pub(super) fn followed_by(&self, calls: usize, wait_max: Duration) -> Self {
        let calls = calls.min(Semaphore::MAX_PERMITS);
        Self { calls, wait_max, places: self.places.clone() }
    }

    /// Makes as many places as these slots say.
    pub(super) fn put_in_force(&self) {
        self.places.resize(self.calls);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    pub(super) async fn take(&self) -> Result<Slot> {
        let taken = timeout(self.wait_max, self.places.free.clone().acquire_owned()).await;
        let permit = taken.ok().and_then(Result::ok).ok_or_else(|| {
            let kind = ErrorKind::Overloaded { retry_after: None };
            Error::new(kind, "it has as many calls as it may at once")
        })?;
        Ok(Slot { permit: Some(permit), places: self.places.clone() })
    }
}

impl Places {
    fn resize(&self, calls: usize) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let (more, fewer) = (calls.saturating_sub(*size), size.saturating_sub(calls));
        let forgotten = self.free.forget_permits(fewer);
        self.owed.fetch_add(fewer - forgotten, Relaxed);
        let paid = (0..more).take_while(|_| self.pay()).count();
        self.free.add_permits(more - paid);
        *size = calls;
    }

    /// Takes one from what is owed, if there is something.
    fn pay(&self) -> bool {
        let less = |owed: usize| owed.checked_sub(1);
        self.owed.fetch_update(Relaxed, Relaxed, less).is_ok()
    }
}

/// The place of a call, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    /// Taken by the drop.
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.places.owed.load(Relaxed) != 0
            && self.places.pay()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_full(slots: &Slots) -> bool {
        slots.take().await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_follow_count_the_calls_on_their_way() {
        let wait = Duration::from_secs(1);
        let before = Slots::new(3, wait);
        let taken = [before.take().await.unwrap(), before.take().await.unwrap()];
        let after = before.followed_by(1, wait);
        let third = before.take().await.unwrap();
        after.put_in_force();
        drop(third);
        assert!(is_full(&after).await && is_full(&before).await);
        drop(taken);
        let only = after.take().await.unwrap();
        assert!(is_full(&after).await);
        let wider = after.followed_by(2, wait);
        wider.put_in_force();
        let second = wider.take().await.unwrap();
        assert!(is_full(&wider).await);
        drop((only, second));
        let both = [wider.take().await.unwrap(), wider.take().await.unwrap()];
        assert!(is_full(&wider).await);
        drop(both);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_is_paid_by_new_places() {
        let slots = Slots::new(4, Duration::ZERO);
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(slots.take().await.unwrap());
        }
        slots.followed_by(1, Duration::ZERO).put_in_force();
        let slots = slots.followed_by(3, Duration::ZERO);
        slots.put_in_force();
        assert!(is_full(&slots).await, "four are on their way");
        taken.pop();
        assert!(is_full(&slots).await, "three are on their way");
        taken.pop();
        assert!(!is_full(&slots).await);
    }
}
