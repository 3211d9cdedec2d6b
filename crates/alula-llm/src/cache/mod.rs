//! Answers that were given before.

pub(crate) mod kept;
mod key;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{Weighter, sync};
use tokio::time::Instant;

pub(crate) use kept::{KeepPiece, Kept, Recorder};
pub(crate) use key::{Digest, Key};

/// Which answers are given again to a request that was made before, word for word.
///
/// A request is the same if it goes to the same model of the same provider, is of the same kind
/// (streamed or not), and nothing in it differs, from the messages to the temperature and the
/// tags. An answer is kept when it came to its end: none that failed, broke off, or was cut by a
/// limit or a filter. It is given again as it came, a stream in the same pieces, with the usage
/// that it had; `is_cached` says that it cost nothing now.
///
/// Answers are kept for a scope, see [`Llm::scoped`](crate::Llm::scoped): what was answered to one
/// tenant is never given to another.
///
/// A model that is asked twice may say two things; who wants both must not have them kept. Vectors
/// and counts of tokens are not kept.
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::{CachePolicy, Demo, Llm};
///
/// # fn main() -> alula_llm::Result<()> {
/// let policy = CachePolicy::default().age_max(Duration::from_secs(600));
/// let llm = Llm::builder().provider(Demo::new()).cache(policy).build()?;
/// let tenant = llm.scoped("tenant 7");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The memory for all answers, about, in bytes. 64 MiB.
    pub bytes_max: usize,
    /// The largest answer that is kept, in bytes. 1 MiB.
    pub answer_bytes_max: usize,
    /// How long an answer is kept at most. 1 h.
    pub age_max: Duration,
    /// Whether calls without a scope are answered from the cache too, all of them from the same.
    /// No: it would mix up tenants where a scope was forgotten.
    pub unscoped: bool,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            answer_bytes_max: 1 << 20,
            age_max: Duration::from_secs(3600),
            unscoped: false,
        }
    }
}

impl CachePolicy {
    /// Sets the memory for all answers, in bytes.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// Sets the largest answer that is kept, in bytes.
    #[must_use]
    pub fn answer_bytes_max(mut self, answer_bytes_max: usize) -> Self {
        self.answer_bytes_max = answer_bytes_max;
        self
    }

    /// Sets how long an answer is kept at most.
    #[must_use]
    pub fn age_max(mut self, age_max: Duration) -> Self {
        self.age_max = age_max;
        self
    }

    /// Sets whether calls without a scope are answered from the cache too.
    #[must_use]
    pub fn unscoped(mut self, unscoped: bool) -> Self {
        self.unscoped = unscoped;
        self
    }
}

/// What a cache has done so far.
///
/// ```
/// use alula_llm::{CachePolicy, ChatRequest, Demo, Llm};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).cache(CachePolicy::default()).build()?;
/// let tenant = llm.scoped("tenant 7");
/// for _ in 0..3 {
///     tenant.chat(ChatRequest::new("demo").user("What is an alula?")).await?;
/// }
/// let stats = llm.cache_stats().expect("it has a cache");
/// assert_eq!((stats.hits, stats.misses, stats.answers), (2, 1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Calls that were answered from it.
    pub hits: u64,
    /// Calls that it was asked for in vain.
    pub misses: u64,
    /// Answers in it.
    pub answers: usize,
    /// What they take, about, in bytes.
    pub bytes: u64,
}

/// Answers by their requests.
#[derive(Debug)]
pub(crate) struct Cache {
    policy: CachePolicy,
    entries: sync::Cache<Key, Entry, Weight>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Debug, Clone)]
struct Entry {
    kept: Arc<Kept>,
    bytes: usize,
    expires: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Weight;

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        u64::try_from(entry.bytes).unwrap_or(u64::MAX)
    }
}

/// What an entry takes besides its answer, about.
const ENTRY_BYTES: usize = size_of::<(Key, Entry, Kept)>() + 64;

impl Cache {
    pub(crate) fn new(policy: CachePolicy) -> Self {
        // It is cut into parts, so that threads do not wait for each other; every part has room
        // for a few of the largest answers.
        let answers = policy.bytes_max / policy.answer_bytes_max.max(1) * 4;
        let bytes = u64::try_from(policy.bytes_max).unwrap_or(u64::MAX);
        let entries = sync::Cache::with_weighter(answers, bytes, Weight);
        Self { policy, entries, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Whether calls of this scope are answered from it.
    pub(crate) fn serves(&self, scope: Option<&str>) -> bool {
        scope.is_some() || self.policy.unscoped
    }

    /// What was answered before; else a place for what will be.
    pub(crate) fn find(self: &Arc<Self>, key: Key) -> Result<Arc<Kept>, Place> {
        let entry = self.entries.get(&key);
        match entry.filter(|entry| entry.expires.is_none_or(|at| at > Instant::now())) {
            Some(entry) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Ok(entry.kept)
            }
            None => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                Err(Place { cache: self.clone(), key })
            }
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            answers: self.entries.len(),
            bytes: self.entries.weight(),
        }
    }
}

/// Where an answer is kept, once it is complete.
#[derive(Debug)]
pub(crate) struct Place {
    cache: Arc<Cache>,
    key: Key,
}

impl Place {
    /// The largest answer that has room.
    pub(crate) fn answer_bytes_max(&self) -> usize {
        self.cache.policy.answer_bytes_max
    }

    pub(crate) fn keep(self, kept: Kept) {
        let bytes = kept.bytes();
        if bytes > self.answer_bytes_max() {
            return;
        }
        let expires = Instant::now().checked_add(self.cache.policy.age_max);
        let entry = Entry { kept: Arc::new(kept), bytes: bytes + ENTRY_BYTES, expires };
        self.cache.entries.insert(self.key, entry);
    }
}
