//! What keys may ask for in a minute and at a time, as their plans say.

mod headers;

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU64,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use alula_llm::{
    CallRecord, Concurrency, ConcurrencyPermit, Quota, QuotaExceeded, QuotaTurn, RateLimit, Redis,
    Usage,
};
use futures_util::future::join;

pub(crate) use self::headers::{headers, seconds};
use super::keys::{Key, Plan};

/// How long what a key has done is remembered after its last call: longer than any minute.
const IDLE: Duration = Duration::from_secs(120);
/// How many keys there may be before the first look for idle ones.
const LOOK_MIN: usize = 1_024;

/// The limits of all keys. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct KeyLimits(Arc<Inner>);

struct Inner {
    redis: Option<Redis>,
    begun: Instant,
    keys: RwLock<Keys>,
}

/// The keys that have made calls lately.
struct Keys {
    known: HashMap<Arc<str>, Arc<Known>>,
    /// At how many keys to look for idle ones again.
    look_at: usize,
}

/// What a key has done.
#[derive(Debug)]
struct Known {
    quota: Quota,
    streams: Concurrency,
    /// When it last made a call, in milliseconds.
    used_at: AtomicU64,
}

/// Why a key has to wait.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It has no requests or no tokens left.
    Rate(QuotaExceeded),
    /// It has as many streams as it may.
    Streams(usize),
}

/// A call that a key may make. Dropping it says that it was not made.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) quota: Option<QuotaTurn>,
    /// The stream ends with it.
    pub(crate) stream: Option<ConcurrencyPermit>,
}

impl KeyLimits {
    /// Limits of this process, or of all that share a Redis.
    pub(crate) fn new(redis: Option<Redis>) -> Self {
        let keys = RwLock::new(Keys { known: HashMap::new(), look_at: LOOK_MIN });
        Self(Arc::new(Inner { redis, begun: Instant::now(), keys }))
    }

    /// Lets a call of about so many tokens through.
    pub(crate) async fn take(
        &self,
        key: &Key,
        is_stream: bool,
        tokens: impl FnOnce(Option<u64>) -> u64,
    ) -> Result<Turn, Refused> {
        let plan = &*key.plan;
        let limit = rate(plan);
        let is_limited = limit.requests.is_some() || limit.tokens.is_some();
        let streams_max = plan.concurrent_streams.filter(|_| is_stream);
        if !is_limited && streams_max.is_none() {
            return Ok(Turn { quota: None, stream: None });
        }
        let known = self.known(&key.id, limit);
        // What is certain takes nothing else away meanwhile.
        if let Some(max) = streams_max.filter(|max| known.streams.here() >= max.get()) {
            return Err(Refused::Streams(max.get()));
        }
        let stream = async {
            let Some(max) = streams_max else { return Ok(None) };
            let begun = known.streams.begin(max.get()).await;
            begun.map(Some).ok_or(Refused::Streams(max.get()))
        };
        let quota = async {
            if !is_limited {
                return Ok(None);
            }
            let tokens = tokens(plan.tokens_per_minute.map(Into::into));
            known.quota.take(tokens).await.map(Some).map_err(Refused::Rate)
        };
        // Together, so that Redis is asked for both at once. What one has and the other has not is
        // given back.
        let (stream, quota) = join(stream, quota).await;
        Ok(Turn { stream: stream?, quota: quota? })
    }

    fn known(&self, id: &Arc<str>, limit: RateLimit) -> Arc<Known> {
        let now = self.now();
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let known = keys.known.get(id).cloned();
        drop(keys);
        let known = known.unwrap_or_else(|| self.add(id, limit, now));
        known.used_at.store(now, Relaxed);
        // The plan may be another one by now.
        if known.quota.limit() != limit {
            known.quota.change(limit);
        }
        known
    }

    fn add(&self, id: &Arc<str>, limit: RateLimit, now: u64) -> Arc<Known> {
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.known.len() >= keys.look_at {
            let idle = u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX);
            keys.known.retain(|_, known| {
                let is_held = Arc::strong_count(known) > 1 || known.streams.here() > 0;
                is_held || known.used_at.load(Relaxed).saturating_add(idle) > now
            });
            keys.look_at = keys.known.len().saturating_mul(2).max(LOOK_MIN);
        }
        let known = keys.known.entry(id.clone()).or_insert_with(|| {
            let (quota, streams) = match &self.0.redis {
                None => (Quota::new(limit), Concurrency::new()),
                Some(redis) => {
                    let name = format!("key:{id}");
                    (Quota::shared(limit, redis, &name), Concurrency::shared(redis, &name))
                }
            };
            Arc::new(Known { quota, streams, used_at: AtomicU64::new(now) })
        });
        known.clone()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLimits").field("redis", &self.redis).finish_non_exhaustive()
    }
}

impl Turn {
    /// Whether nothing was taken.
    pub(crate) fn is_nothing(&self) -> bool {
        self.quota.is_none() && self.stream.is_none()
    }

    /// What nothing limits.
    pub(crate) fn nothing() -> Self {
        Self { quota: None, stream: None }
    }

    /// Settles what has used no tokens.
    pub(crate) fn without_tokens(self) {
        if let Some(quota) = self.quota {
            quota.settle(0);
        }
    }

    /// Settles what the call used. Its stream, if it was one, is over.
    pub(crate) fn settle(self, record: &CallRecord) {
        let Some(quota) = self.quota else { return };
        match &record.usage {
            Some(usage) => quota.settle(Usage::total(usage)),
            None if record.is_cached || record.refusals == record.attempts => quota.settle(0),
            // A model may have worked.
            None => quota.keep(),
        }
    }
}

/// The requests and tokens of a plan, as a quota holds to them: nobody waits.
fn rate(plan: &Plan) -> RateLimit {
    let mut limit = RateLimit::default().wait_max(Duration::ZERO);
    limit.requests = plan.requests_per_minute.map(NonZeroU64::get);
    limit.tokens = plan.tokens_per_minute.map(NonZeroU64::get);
    limit
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Mutex};

    use alula_llm::{
        ChatRequest, Llm,
        testing::{FakeModel, Fault},
    };

    use super::{
        super::keys::{Scope, Scopes},
        *,
    };

    fn key(id: &str, requests: u64, streams: usize) -> Key {
        let plan = Plan {
            name: "test".into(),
            requests_per_minute: NonZeroU64::new(requests),
            tokens_per_minute: None,
            concurrent_streams: NonZeroUsize::new(streams),
        };
        Key {
            id: id.into(),
            name: "a test".into(),
            plan: Arc::new(plan),
            scopes: Scopes::from_iter([Scope::Models]),
            budget: None,
            expires_at: None,
        }
    }

    /// Whether one more call is let through; it was made, and is over.
    async fn passes(limits: &KeyLimits, key: &Key) -> bool {
        let turn = limits.take(key, true, |_| 10).await;
        turn.map(|turn| turn.quota.map(QuotaTurn::keep)).is_ok()
    }

    #[tokio::test]
    async fn each_key_has_its_own_limits() {
        let limits = KeyLimits::new(None);
        let (a, b, free) = (key("a", 1, 0), key("b", 2, 0), key("c", 0, 0));
        assert!(passes(&limits, &a).await && !passes(&limits, &a).await);
        assert!(passes(&limits, &b).await && passes(&limits, &b).await);
        assert!(!passes(&limits, &b).await);
        assert!(passes(&limits, &free).await && passes(&limits, &free).await);
    }

    /// The tokens of a call stay taken if somebody may have worked on it.
    #[tokio::test]
    async fn a_call_that_only_the_last_one_refused_keeps_its_tokens() {
        for (status, left) in [(500, 60), (429, 100)] {
            let model = FakeModel::new();
            for status in [status, 400] {
                model.turn().then(Fault::Status(status));
            }
            let quota = Quota::new(RateLimit::default().tokens(100));
            let turn = Turn { quota: quota.take(40).await.ok(), stream: None };
            let turn = Mutex::new(Some(turn));
            let llm = Llm::builder().provider(model).build().unwrap().observed(move |record| {
                turn.lock().unwrap().take().unwrap().settle(record);
            });
            llm.chat(ChatRequest::new("m").user("Hi")).await.unwrap_err();
            let level = quota.take(0).await.unwrap().level();
            assert_eq!(level.tokens_left(), Some(left), "{status}");
        }
    }

    #[tokio::test]
    async fn the_same_plan_changes_no_quota() {
        let limits = KeyLimits::new(None);
        for key in [key("a", 1, 0), key("b", 0, 2)] {
            assert!(passes(&limits, &key).await);
            let known = limits.0.keys.read().unwrap().known[&key.id].quota.limit();
            assert_eq!(known, rate(&key.plan));
        }
    }

    #[tokio::test]
    async fn another_plan_takes_effect_at_once() {
        let limits = KeyLimits::new(None);
        assert!(passes(&limits, &key("a", 1, 0)).await);
        assert!(!passes(&limits, &key("a", 1, 0)).await);
        assert!(passes(&limits, &key("a", 2, 0)).await);
        assert!(!passes(&limits, &key("a", 2, 0)).await);
    }

    #[tokio::test]
    async fn a_stream_that_is_over_makes_room() {
        let limits = KeyLimits::new(None);
        let key = key("a", 0, 2);
        let take = async || limits.take(&key, true, |_| 0).await;
        let (one, two) = (take().await.unwrap(), take().await.unwrap());
        assert!(matches!(take().await, Err(Refused::Streams(2))));
        // What does not stream is none.
        assert!(limits.take(&key, false, |_| 0).await.is_ok());
        drop(one);
        let three = take().await.unwrap();
        assert!(take().await.is_err());
        drop((two, three));
    }

    #[tokio::test]
    async fn a_call_without_a_request_left_has_no_stream() {
        let limits = KeyLimits::new(None);
        let key = key("a", 1, 1);
        assert!(passes(&limits, &key).await);
        assert!(matches!(limits.take(&key, true, |_| 0).await, Err(Refused::Rate(_))));
        assert_eq!(limits.0.keys.read().unwrap().known["a"].streams.here(), 0);
    }

    #[tokio::test]
    async fn idle_keys_are_forgotten() {
        let limits = KeyLimits::new(None);
        let count = || limits.0.keys.read().unwrap().known.len();
        for number in 0..LOOK_MIN {
            assert!(passes(&limits, &key(&number.to_string(), 5, 0)).await);
        }
        let running = limits.take(&key("0", 5, 1), true, |_| 0).await.unwrap();
        for known in limits.0.keys.read().unwrap().known.values().skip(10) {
            known.used_at.store(0, Relaxed);
        }
        let now = u64::try_from(IDLE.as_millis()).unwrap() + 1;
        limits.0.keys.read().unwrap().known["0"].used_at.store(0, Relaxed);
        limits.add(&"one more".into(), RateLimit::default(), now);
        assert!((1..=12).contains(&count()), "{}", count());
        assert!(limits.0.keys.read().unwrap().known.contains_key("0"));
        drop(running);
    }
}
