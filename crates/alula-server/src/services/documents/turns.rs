//! Whose turn it is to send a file.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{DocumentSettings, Refusal};

/// How long an upload waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// The turns of all, and those of each owner, who cannot have all.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    of_owner_max: usize,
    of_owners: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _one: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(settings: &DocumentSettings) -> Self {
        Self {
            all: Arc::new(Semaphore::new(settings.uploads_max.min(Semaphore::MAX_PERMITS))),
            of_owner_max: settings.uploads_per_key_max.min(Semaphore::MAX_PERMITS),
            of_owners: Mutex::default(),
        }
    }

    /// Waits for a turn. Where no key is needed all are one owner, who may have all of them.
    pub(super) async fn take(&self, owner: &str) -> Result<Turn, Refusal> {
        let turn = async {
            // First its own, so that whoever waits for it takes nothing from others.
            let own = match self.of(owner) {
                Some(own) => Some(own.acquire_owned().await.map_err(|_| Refusal::Busy)?),
                None => None,
            };
            let one = self.all.clone().acquire_owned().await.map_err(|_| Refusal::Busy)?;
            Ok(Turn { _own: own, _one: one })
        };
        timeout(TURN, turn).await.map_err(|_| Refusal::Busy)?
    }

    fn of(&self, owner: &str) -> Option<Arc<Semaphore>> {
        if owner.is_empty() {
            return None;
        }
        let mut known = self.of_owners.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those who send nothing nothing is kept.
        known.retain(|_, turns| Arc::strong_count(turns) > 1);
        let new = || Arc::new(Semaphore::new(self.of_owner_max));
        Some(known.entry(owner.to_owned()).or_insert_with(new).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_owner_has_some_of_the_turns() {
        let settings = DocumentSettings::default();
        let turns =
            Turns::new(&DocumentSettings { uploads_max: 5, uploads_per_key_max: 2, ..settings });
        let [one, two] = [turns.take("ada").await.unwrap(), turns.take("ada").await.unwrap()];
        assert!(matches!(turns.take("ada").await, Err(Refusal::Busy)));
        let other = turns.take("bob").await.unwrap();
        drop(one);
        let again = turns.take("ada").await.unwrap();
        drop((two, again, other));
        // Without keys there is one owner.
        let all = [(); 5].map(|()| turns.take(""));
        let all: Vec<_> = futures_util::future::join_all(all).await;
        assert!(all.iter().all(Result::is_ok));
        assert!(matches!(turns.take("ada").await, Err(Refusal::Busy)));
        drop(all);
        turns.take("bob").await.unwrap();
        assert_eq!(turns.of_owners.lock().unwrap().len(), 1);
    }
}
