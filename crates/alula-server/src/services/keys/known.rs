//! The keys that are known to this process: all there are.
//!
//! A request is answered from memory. A task reads twice a second what has changed; a key that is
//! not known asks for that at once, together with all others that are not, so that a new key is
//! good at once and a flood of guesses is one small query now and then.

mod refusal;
mod refused;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until, timeout},
};

pub(crate) use self::refusal::Refusal;
use self::refused::LinesOfRefusals;
use super::{Key, KeyHash, KeyId, KeyRecord, Plan, Plans, ShownKey};
use crate::{
    db::{Db, DbError, StoredKey},
    time::Timestamp,
};

/// Between two looks at what has changed.
const POLL: Duration = Duration::from_millis(500);
/// The least time between two looks, however many keys are not known.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest look. A database that takes more is as good as away.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How many changes are read at a time.
const PAGE: u32 = 1000;

/// All keys. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    plans: ArcSwap<Plans>,
    entries: RwLock<HashMap<KeyId, Entry>>,
    /// Whether a key was ever made. It is never unmade.
    is_any: AtomicBool,
    /// Whether what is known is too old to go by.
    is_stale: AtomicBool,
    stale_after: Duration,
    look: Mutex<Look>,
    refused: LinesOfRefusals,
}

/// What is known of one key.
#[derive(Debug)]
struct Entry {
    hash: KeyHash,
    is_revoked: bool,
    /// Nothing while its plan, of the name of that in `key`, is not there.
    has_plan: bool,
    key: Arc<Key>,
}

/// The last look at the database.
#[derive(Debug)]
struct Look {
    /// When it began.
    began: Instant,
    /// When the last one began, which may have been given up.
    tried: Instant,
    /// Whether it was answered.
    is_answered: bool,
    last_answered: Instant,
    /// The last change that was seen.
    seen: (i64, Option<KeyId>),
}

impl Keys {
    /// Reads all keys.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub(crate) async fn open(db: Db, plans: Plans, stale_after: Duration) -> Result<Self, DbError> {
        let began = Instant::now();
        let look =
            Look { began, tried: began, is_answered: true, last_answered: began, seen: (0, None) };
        let keys = Self(Arc::new(Shared {
            db,
            plans: ArcSwap::from_pointee(plans),
            entries: RwLock::default(),
            is_any: AtomicBool::new(false),
            is_stale: AtomicBool::new(false),
            stale_after,
            look: Mutex::new(look),
            refused: LinesOfRefusals::default(),
        }));
        let mut seen = (0, None);
        keys.read_on(&mut seen).await?;
        keys.0.look.lock().await.seen = seen;
        Ok(keys)
    }

    /// Whether requests need a key: since the first one was made.
    pub(crate) fn are_needed(&self) -> bool {
        self.0.is_any.load(Ordering::Relaxed)
    }

    /// The plans there are now.
    pub(crate) fn plans(&self) -> Arc<Plans> {
        self.0.plans.load_full()
    }

    /// What a key entitles to.
    pub(crate) async fn identify(&self, shown: ShownKey) -> Result<Arc<Key>, Refusal> {
        if let Some(known) = self.known(shown) {
            return known;
        }
        // It may have been made a moment ago.
        // In a box, for which the futures of all other requests need no room.
        Box::pin(self.look(Instant::now(), PAUSE_MIN)).await?;
        self.known(shown).unwrap_or(Err(Refusal::Unknown))
    }

    /// What is known of a key; nothing for one that is not known.
    fn known(&self, shown: ShownKey) -> Option<Result<Arc<Key>, Refusal>> {
        let entries = self.0.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&shown.id)?;
        Some(if entry.hash == shown.hash { self.judge(entry) } else { Err(Refusal::Unknown) })
    }

    /// What a key entitles to by now that was identified before, by its id.
    pub(crate) async fn of_id(&self, id: &str) -> Result<Arc<Key>, Refusal> {
        match self.known_id(id) {
            // Another process may have made it a moment ago.
            Err(Refusal::Unknown) => {
                self.look(Instant::now(), PAUSE_MIN).await?;
                self.known_id(id)
            }
            known => known,
        }
    }

    fn known_id(&self, id: &str) -> Result<Arc<Key>, Refusal> {
        let entries = self.0.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = KeyId::parse(id).and_then(|id| entries.get(&id));
        entry.map_or(Err(Refusal::Unknown), |entry| self.judge(entry))
    }

    /// Whether a key is good whose holder has shown it.
    fn judge(&self, entry: &Entry) -> Result<Arc<Key>, Refusal> {
        let Entry { is_revoked, has_plan, key, .. } = entry;
        let is_expired = || key.expires_at.is_some_and(|end| end <= Timestamp::now());
        if *is_revoked {
            Err(Refusal::Revoked)
        } else if is_expired() {
            Err(Refusal::Expired)
        } else if !has_plan {
            Err(Refusal::NoPlan(key.plan.name.clone()))
        } else if self.0.is_stale.load(Ordering::Relaxed) {
            Err(Refusal::Away)
        } else {
            Ok(key.clone())
        }
    }

    /// Writes a line about a request that is not let in, unless there were many just now.
    pub(crate) fn note_refusal(&self, key: Option<KeyId>, refusal: &Refusal) {
        self.0.refused.note(key, refusal);
    }

    /// Replaces the plans, for keys that are known and those to come.
    pub(crate) fn set_plans(&self, plans: Plans) {
        let plans = Arc::new(plans);
        self.0.plans.store(plans.clone());
        let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.values_mut() {
            let (plan, has_plan) = plan_of(&plans, &entry.key.plan.name);
            entry.has_plan = has_plan;
            if entry.key.plan != plan {
                entry.key = Arc::new(Key { plan, ..Key::clone(&entry.key) });
            }
        }
    }

    /// Reads what was changed until now, so that this process goes by it at once. A failure is in
    /// the log, and the change reaches it later.
    pub(crate) async fn refresh(&self) {
        let _ = self.look(Instant::now(), Duration::ZERO).await;
    }

    /// Reads what changes, for ever.
    pub(crate) async fn watch(self) {
        loop {
            sleep(POLL).await;
            self.refresh().await;
        }
    }

    /// Makes sure that what was changed before this moment is known, by a look that this or
    /// another request takes.
    async fn look(&self, moment: Instant, pause: Duration) -> Result<(), Refusal> {
        let mut look = self.0.look.lock().await;
        if look.began < moment {
            sleep_until(look.tried + pause).await;
            let began = Instant::now();
            look.tried = began;
            let mut seen = look.seen;
            let read = timeout(LOOK_MAX, self.read_on(&mut seen)).await;
            look.seen = seen;
            look.began = began;
            self.note(&mut look, read.unwrap_or_else(|_| Err(DbError::TooSlow(LOOK_MAX))));
        }
        if look.is_answered { Ok(()) } else { Err(Refusal::Away) }
    }

    /// Notes how a look went, and tells when the database goes and comes back.
    fn note(&self, look: &mut Look, read: Result<(), DbError>) {
        let was_answered = look.is_answered;
        look.is_answered = read.is_ok();
        match read {
            Ok(()) => {
                look.last_answered = look.began;
                self.0.is_stale.store(false, Ordering::Relaxed);
                if !was_answered {
                    tracing::info!("keys are read again");
                }
            }
            Err(error) => {
                let is_stale = look.last_answered.elapsed() > self.0.stale_after;
                let was_stale = self.0.is_stale.swap(is_stale, Ordering::Relaxed);
                let seconds = self.0.stale_after.as_secs_f64();
                if was_answered {
                    tracing::warn!(%error, "keys cannot be read; known ones are good for {seconds} s");
                }
                if is_stale && !was_stale {
                    tracing::error!(%error, "keys could not be read for {seconds} s; none is good now");
                }
            }
        }
    }

    /// Reads the changes after those that were seen.
    async fn read_on(&self, seen: &mut (i64, Option<KeyId>)) -> Result<(), DbError> {
        loop {
            let changed = self.0.db.keys_changed_after(*seen, PAGE).await?;
            let is_whole = changed.len() < PAGE as usize;
            if let Some(last) = changed.last() {
                *seen = (last.changed, Some(last.record.id));
                self.take(changed);
            }
            if is_whole {
                return Ok(());
            }
        }
    }

    fn take(&self, changed: Vec<StoredKey>) {
        let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Within the lock, so that plans which are replaced meanwhile reach these as well.
        let plans = self.0.plans.load();
        for StoredKey { record, hash, .. } in changed {
            let id = record.id;
            entries.insert(id, Entry::new(record, hash, &plans));
        }
        drop(entries);
        self.0.is_any.store(true, Ordering::Relaxed);
    }
}

impl Entry {
    fn new(record: KeyRecord, hash: KeyHash, plans: &Plans) -> Self {
        let KeyRecord { id, name, plan, scopes, budget, expires_at, revoked_at, .. } = record;
        let (plan, has_plan) = plan_of(plans, &plan);
        let (id, name) = (id.as_str().into(), name.into());
        let key = Arc::new(Key { id, name, plan, scopes, budget, expires_at });
        Self { hash, is_revoked: revoked_at.is_some(), has_plan, key }
    }
}

/// The plan of a name, and whether there is one. A key whose plan is not there is let in nowhere.
fn plan_of(plans: &Plans, name: &str) -> (Arc<Plan>, bool) {
    match plans.get(name) {
        Some(plan) => (plan.clone(), true),
        None => (Arc::new(Plan::unlimited(name)), false),
    }
}
