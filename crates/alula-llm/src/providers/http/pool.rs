//! Connections that wait for their next call.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use hyper::{
    Uri,
    http::uri::{Authority, Scheme},
};
use tokio::{
    runtime::Handle,
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{http1::Link, http2::Shared};

/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(90);
/// How often the connections are closed that have been idle for longer.
const SWEEP: Duration = Duration::from_secs(15);

/// Where a connection leads to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Origin {
    is_https: bool,
    authority: Authority,
}

impl Origin {
    /// That of an address; none if it has no host.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        Some(Self { is_https: is_https(uri), authority: uri.authority()?.clone() })
    }

    fn is_of(&self, uri: &Uri) -> bool {
        self.is_https == is_https(uri) && uri.authority() == Some(&self.authority)
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// A connection for a call.
pub(super) enum Found {
    /// One by HTTP/1.1, which nobody else uses.
    Idle(Link),
    /// One by HTTP/2.
    Shared(Shared),
}

/// Connections that wait for their next call.
#[derive(Default)]
pub(super) struct Pool {
    /// Held for no more than a look. Nothing is closed meanwhile, which takes a system call.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Few: those that have been called of late. To compare their names is quicker than to hash
    /// one, and needs no key of one's own.
    hosts: Vec<Host>,
    /// Runs as long as there is a host.
    sweeper: Option<JoinHandle<()>>,
    /// When it came by.
    swept: Option<Instant>,
}

struct Host {
    origin: Origin,
    /// The longest idle one comes first, and the one that is taken next last: so those that are
    /// too many become old.
    idle: Vec<(Instant, Link)>,
    /// The connection by HTTP/2, and when it was last taken.
    shared: Option<(Instant, Shared)>,
    /// Tells those who have none of a connection that is there.
    freed: Arc<Notify>,
}

/// What is to be closed, where the pool is not locked.
type Old = (Vec<(Instant, Link)>, Option<Shared>);

impl Pool {
    /// A connection that is alive, as far as one can know.
    pub(super) fn take(&self, uri: &Uri) -> Option<Found> {
        loop {
            let (found, _old) = self.lock().take(uri);
            match found? {
                Found::Idle(mut link) => {
                    if link.is_alive() {
                        return Some(Found::Idle(link));
                    }
                }
                shared @ Found::Shared(_) => return Some(shared),
            }
        }
    }

    /// Keeps a connection for another call.
    pub(super) fn put(self: &Arc<Self>, link: Link) {
        let now = Instant::now();
        let origin = link.origin.clone();
        let _old = self.lock().with_host(self, &origin, now, |host| {
            host.idle.push((now, link));
            host.freed.notify_one();
            host.take_old(now)
        });
    }

    /// Tells of connections to there that may be taken from now on. It may be told of one that
    /// somebody else has taken.
    pub(super) fn freed(self: &Arc<Self>, origin: &Origin) -> Arc<Notify> {
        self.lock().with_host(self, origin, Instant::now(), |host| host.freed.clone())
    }

    /// Shares a connection, unless there is one already that is as good. The one that is shared.
    pub(super) fn share(self: &Arc<Self>, origin: &Origin, shared: Shared) -> Shared {
        let now = Instant::now();
        let (kept, _old) = self.lock().with_host(self, origin, now, |host| {
            let old = host.take_old(now);
            let (_, kept) = host.shared.get_or_insert((now, shared));
            host.freed.notify_waiters();
            (kept.clone(), old)
        });
        kept
    }

    /// Shares a connection no longer.
    pub(super) fn forget(&self, uri: &Uri, shared: &Shared) {
        let mut inner = self.lock();
        if let Some(host) = inner.host_of(uri) {
            host.shared.take_if(|(_, known)| known.is(shared));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is done while it is locked leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, uri: &Uri) -> (Option<Found>, Old) {
        let now = Instant::now();
        let Some(host) = self.host_of(uri) else { return (None, Old::default()) };
        let old = host.take_old(now);
        let shared = host.shared.as_mut().map(|(used, shared)| {
            *used = now;
            Found::Shared(shared.clone())
        });
        let found = shared.or_else(|| host.idle.pop().map(|(_, link)| Found::Idle(link)));
        (found, old)
    }

    fn host_of(&mut self, uri: &Uri) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|host| host.origin.is_of(uri))
    }

    /// Adds to a host, and sees to it that somebody looks after that.
    fn with_host<T>(
        &mut self,
        pool: &Arc<Pool>,
        origin: &Origin,
        now: Instant,
        add: impl FnOnce(&mut Host) -> T,
    ) -> T {
        self.have_swept(pool, now);
        if let Some(host) = self.hosts.iter_mut().find(|host| host.origin == *origin) {
            return add(host);
        }
        let origin = origin.clone();
        let mut host = Host { origin, idle: Vec::new(), shared: None, freed: Arc::default() };
        let added = add(&mut host);
        self.hosts.push(host);
        added
    }

    /// Has somebody close what is idle for too long, though nobody calls.
    fn have_swept(&mut self, pool: &Arc<Pool>, now: Instant) {
        // One whose runtime is gone has finished, too; one whose runtime nobody drives has not.
        let is_running = self.sweeper.as_ref().is_some_and(|sweeper| !sweeper.is_finished())
            && self.swept.is_some_and(|swept| now.saturating_duration_since(swept) <= 2 * SWEEP);
        if is_running || Handle::try_current().is_err() {
            return;
        }
        self.swept = Some(now);
        let pool = Arc::downgrade(pool);
        #[expect(clippy::disallowed_methods, reason = "it ends with the idle connections")]
        let sweeper = tokio::spawn(sweep(pool));
        self.sweeper = Some(sweeper);
    }

    /// Takes out what has been idle for too long or was closed by its server, and forgets hosts
    /// that nobody calls any more.
    fn sweep(&mut self) -> Vec<Old> {
        let now = Instant::now();
        self.swept = Some(now);
        let old = self.hosts.iter_mut().map(|host| host.sweep(now)).collect();
        self.hosts.retain(Host::is_needed);
        if self.hosts.is_empty() {
            self.sweeper = None;
        }
        old
    }
}

/// Runs as long as there is something that may be closed. It keeps nothing open itself.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut inner = pool.lock();
        let old = inner.sweep();
        let is_done = inner.sweeper.is_none();
        drop(inner);
        drop(old);
        if is_done {
            return;
        }
    }
}

impl Host {
    fn is_needed(&self) -> bool {
        let has_waiters = Arc::strong_count(&self.freed) > 1;
        !self.idle.is_empty() || self.shared.is_some() || has_waiters
    }

    fn sweep(&mut self, now: Instant) -> Old {
        let (mut closed, shared) = self.take_old(now);
        closed.extend(self.idle.extract_if(.., |(_, link)| !link.is_alive()));
        (closed, shared)
    }

    /// What has been idle for too long, or is closed.
    fn take_old(&mut self, now: Instant) -> Old {
        let is_old = |since: Instant| now.saturating_duration_since(since) > IDLE;
        let shared = self.shared.take_if(|(used, shared)| is_old(*used) || !shared.is_ready());
        let old = self.idle.partition_point(|(since, _)| is_old(*since));
        (self.idle.drain(..old).collect(), shared.map(|(_, shared)| shared))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use tokio::{
        io::{AsyncReadExt, DuplexStream, duplex},
        runtime::Builder,
    };

    use super::{super::http1::Connection, *};

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    /// Puts a connection to this address into the pool. The other end of it.
    fn put(pool: &Arc<Pool>, to: &str) -> DuplexStream {
        let (near, far) = duplex(64);
        pool.put(Connection::new(near, Origin::of(&uri(to)).unwrap(), Weak::new()));
        far
    }

    fn is_closed(far: &mut DuplexStream) -> bool {
        let mut end = [0];
        let mut read = std::pin::pin!(far.read(&mut end));
        let cx = &mut Context::from_waker(Waker::noop());
        matches!(read.as_mut().poll(cx), Poll::Ready(Ok(0)))
    }

    #[tokio::test]
    async fn each_address_has_its_own_connections() {
        let pool = Arc::default();
        let _far = put(&pool, "http://Host.example:1234/x");
        for other in ["https://host.example:1234", "http://host.example", "http://host:1234"] {
            assert!(pool.take(&uri(other)).is_none(), "{other}");
        }
        assert!(pool.take(&uri("http://hOST.example:1234/y?z")).is_some());
        assert!(pool.take(&uri("http://host.example:1234/x")).is_none());
    }

    #[tokio::test]
    async fn the_one_that_was_used_last_is_taken_first() {
        let pool = Arc::default();
        let mut far = ["http://a/", "http://a/", "http://a/"].map(|to| put(&pool, to));
        for left in (1..=3).rev() {
            // It is closed as soon as it is dropped.
            assert!(pool.take(&uri("http://a")).is_some());
            assert!(is_closed(&mut far[left - 1]));
            assert!(!far[..left - 1].iter_mut().any(is_closed));
        }
        assert!(pool.take(&uri("http://a")).is_none());
    }

    #[tokio::test]
    async fn a_dead_connection_is_not_taken() {
        use tokio::io::AsyncWriteExt;

        let pool = Arc::default();
        let mut alive = put(&pool, "http://a");
        let mut talks = put(&pool, "http://a");
        drop(put(&pool, "http://a"));
        talks.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        let taken = pool.take(&uri("http://a"));
        assert!(taken.is_some() && is_closed(&mut talks) && !is_closed(&mut alive));
        assert!(pool.take(&uri("http://a")).is_none());
    }

    #[tokio::test]
    async fn none_of_many_dead_connections_is_taken() {
        // More than a task may look at before it has to let others have their turn.
        let pool = Arc::default();
        (0..500).for_each(|_| drop(put(&pool, "http://a")));
        assert!(pool.take(&uri("http://a")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_its_server_has_closed_is_not_kept_until_it_is_old() {
        let pool = Arc::default();
        let mut alive = put(&pool, "http://a");
        drop(put(&pool, "http://a"));
        drop(put(&pool, "http://b"));
        sleep(SWEEP + SWEEP / 2).await;
        assert_eq!(pool.lock().hosts.iter().map(|host| host.idle.len()).collect::<Vec<_>>(), [1]);
        assert!(!is_closed(&mut alive));
    }

    #[test]
    fn a_sweeper_whose_runtime_stands_still_is_replaced() {
        let pool = Arc::<Pool>::default();
        let runtime = || {
            let mut builder = Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        };
        let still = runtime();
        let mut far = still.block_on(async { put(&pool, "http://a") });
        runtime().block_on(async {
            sleep(3 * SWEEP).await;
            let mut other = put(&pool, "http://b");
            sleep(IDLE + 2 * SWEEP).await;
            assert!(is_closed(&mut far) && is_closed(&mut other));
        });
        drop(still);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_closed() {
        let pool = Arc::default();
        let mut far = put(&pool, "http://a");
        sleep(IDLE - SWEEP).await;
        let mut later = put(&pool, "http://b");
        assert!(!is_closed(&mut far));
        sleep(3 * SWEEP).await;
        assert!(is_closed(&mut far) && !is_closed(&mut later));
        assert_eq!(pool.lock().hosts.len(), 1);
        sleep(IDLE).await;
        assert!(is_closed(&mut later));
        // And nobody is left to look after it, until there is something again.
        assert!(pool.lock().hosts.is_empty() && pool.lock().sweeper.is_none());
        let mut again = put(&pool, "http://a");
        sleep(IDLE + 2 * SWEEP).await;
        assert!(is_closed(&mut again));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_connection_is_not_taken() {
        let pool = Arc::<Pool>::default();
        let mut far = put(&pool, "http://a");
        // As on a runtime that was busy with something else.
        pool.lock().sweeper.take().unwrap().abort();
        sleep(IDLE + SWEEP).await;
        assert!(!is_closed(&mut far));
        assert!(pool.take(&uri("http://a")).is_none());
        assert!(is_closed(&mut far));
    }

    #[test]
    fn a_sweeper_whose_runtime_is_gone_is_replaced() {
        let pool = Arc::<Pool>::default();
        let runtime = || Builder::new_current_thread().enable_time().start_paused(true).build();
        let mut far = runtime().unwrap().block_on(async { put(&pool, "http://a") });
        runtime().unwrap().block_on(async {
            let mut other = put(&pool, "http://b");
            sleep(IDLE + 2 * SWEEP).await;
            assert!(is_closed(&mut far) && is_closed(&mut other));
        });
    }

    #[tokio::test]
    async fn a_pool_that_is_gone_has_closed_everything() {
        let pool = Arc::default();
        let mut far = put(&pool, "http://a");
        drop(pool);
        assert!(is_closed(&mut far));
    }
}
