//! How many calls one's own callers may have under way at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::shared::{Member, Shared};

/// Holds one caller to so many calls at a time, without a wait.
///
/// Clones count together; with [`shared`](Self::shared) all processes do.
///
/// ```
/// use alula_llm::Concurrency;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let streams = Concurrency::new();
/// let first = streams.begin(1).await.expect("there is room");
/// assert!(streams.begin(1).await.is_none());
/// drop(first);
/// assert!(streams.begin(1).await.is_some());
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Concurrency {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many this process has, also those that wait for the word of the others.
    here: AtomicUsize,
    shared: Option<Shared>,
}

/// A call that is under way. Dropping it makes room for another one.
///
/// ```
/// use alula_llm::{Concurrency, ConcurrencyPermit};
///
/// /// A stream keeps its permit until it ends.
/// struct Stream {
///     permit: ConcurrencyPermit,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let streams = Concurrency::new();
/// let stream = streams.begin(5).await.map(|permit| Stream { permit });
/// assert_eq!(streams.here(), 1);
/// drop(stream);
/// assert_eq!(streams.here(), 0);
/// # }
/// ```
#[derive(Debug)]
pub struct ConcurrencyPermit {
    inner: Arc<Inner>,
    /// What the shared state may know it by.
    member: Option<Member>,
}

impl Concurrency {
    /// Counts the calls of this process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the calls of all processes that have the same Redis and prefix, by their name.
    ///
    /// While Redis is away each process counts its own, and tells of them as soon as it is back.
    /// Those of a process that was killed count until the end of its
    /// [lease](super::Redis::lease).
    #[cfg(feature = "redis")]
    pub fn shared(redis: &super::Redis, name: &str) -> Self {
        let shared = Some(redis.clone().open().of(&format!("concurrency:{name}")));
        Self { inner: Arc::new(Inner { shared, ..Inner::default() }) }
    }

    /// Begins a call if there are fewer than so many. A process never has more than that itself.
    pub async fn begin(&self, max: usize) -> Option<ConcurrencyPermit> {
        let mut permit = self.begin_here(max)?;
        if let Some(Shared { store, key }) = &self.inner.shared {
            // Whoever leaves while the store thinks gives back what it may have got.
            let member = store.new_member();
            permit.member = Some(member);
            if store.join(key, member, max).await == Some(false) {
                permit.member = None;
                return None;
            }
            store.stay(key, member);
        }
        Some(permit)
    }

    fn begin_here(&self, max: usize) -> Option<ConcurrencyPermit> {
        let next = |here: usize| (here < max).then_some(here + 1);
        self.inner.here.fetch_update(Relaxed, Relaxed, next).ok()?;
        Some(ConcurrencyPermit { inner: self.inner.clone(), member: None })
    }

    /// How many calls this process has under way.
    pub fn here(&self) -> usize {
        self.inner.here.load(Relaxed)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.inner.here.fetch_sub(1, Relaxed);
        if let (Some(Shared { store, key }), Some(member)) = (&self.inner.shared, self.member) {
            store.leave(key, member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_are_over_make_room() {
        let calls = Concurrency::new();
        assert!(calls.begin(0).await.is_none());
        let [one, two] = [calls.begin(2).await.unwrap(), calls.begin(2).await.unwrap()];
        assert!(calls.begin(2).await.is_none());
        // The limit may be another one by now.
        let three = calls.clone().begin(3).await.unwrap();
        drop((one, three));
        assert_eq!(calls.here(), 1);
        assert!(calls.begin(1).await.is_none());
        drop(two);
        assert!(calls.begin(1).await.is_some());
        assert_eq!(calls.here(), 0);
    }
}
