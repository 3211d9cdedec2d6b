//! Sessions, which only clients of 2025-11-25 and before have.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    context::Outbox,
    message::{Capabilities, ClientInfo, Id, Level, request},
};
use crate::error::{HttpError, Result};

/// How often at most it is looked which sessions nobody uses.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

const LEVELS: [Level; 8] = [
    Level::Debug,
    Level::Info,
    Level::Notice,
    Level::Warning,
    Level::Error,
    Level::Critical,
    Level::Alert,
    Level::Emergency,
];

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of a client between its requests.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) capabilities: Capabilities,
    pub(super) client: Option<ClientInfo>,
    /// Whose it is: nobody else's requests belong to it.
    owner: Option<String>,
    /// A position in `LEVELS`.
    level: AtomicU8,
    subscriptions: Mutex<HashSet<String>>,
    /// The questions that the client has not answered yet.
    asked: Mutex<HashMap<Id, oneshot::Sender<Result<Value, Value>>>>,
    next_id: AtomicU64,
    /// The calls that go on, so that the client may cancel them.
    running: Mutex<HashMap<Id, CancellationToken>>,
    /// The stream that tells of changes; a new one ends the one before.
    stream: Mutex<CancellationToken>,
    /// How many streams of changes have not ended yet.
    streams: AtomicUsize,
    used: Mutex<Instant>,
    ended: CancellationToken,
}

impl Session {
    pub(super) fn new(
        capabilities: Capabilities,
        client: Option<ClientInfo>,
        owner: Option<String>,
    ) -> Self {
        Self {
            capabilities,
            client,
            owner,
            level: AtomicU8::new(Level::Info as u8),
            subscriptions: Mutex::default(),
            asked: Mutex::default(),
            next_id: AtomicU64::new(1),
            running: Mutex::default(),
            stream: Mutex::default(),
            streams: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn level(&self) -> Level {
        let at = usize::from(self.level.load(Ordering::Relaxed));
        LEVELS.get(at).copied().unwrap_or(Level::Info)
    }

    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether the client is told of changes of a resource from now on; at most so many of them.
    pub(super) fn subscribe(&self, uri: String, max: usize) -> bool {
        let mut subscriptions = locked(&self.subscriptions);
        if subscriptions.len() >= max && !subscriptions.contains(&uri) {
            return false;
        }
        subscriptions.insert(uri);
        true
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        locked(&self.subscriptions).remove(uri);
    }

    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        locked(&self.subscriptions).contains(uri)
    }

    /// Asks the client and waits for what it says.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: &Value,
        out: &Outbox,
        within: Duration,
    ) -> Result<Value> {
        let id = Id::of_number(self.next_id.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        locked(&self.asked).insert(id.clone(), answer);
        let _forget = Forget { session: self, id: &id };
        if !out.send(request(&id, method, params)).await {
            return Err(HttpError::bad_request("The client takes no questions with this request"));
        }
        let answered = tokio::select! {
            answered = tokio::time::timeout(within, answered) => answered,
            () = self.ended.cancelled() => Ok(Ok(Err(Value::Null))),
        };
        match answered {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Ok(Err(error))) => {
                let message = error.get("message").and_then(Value::as_str).unwrap_or("it is gone");
                let text = format!("The client did not answer `{method}`: {message}");
                Err(HttpError::bad_request(text))
            }
            Ok(Err(_)) | Err(_) => {
                Err(HttpError::new(408, format!("The client has not answered `{method}` in time")))
            }
        }
    }

    /// Takes the answer of the client to a question.
    pub(super) fn answer(&self, id: &Id, result: Result<Value, Value>) {
        if let Some(asked) = locked(&self.asked).remove(id) {
            // Who asked may have gone.
            let _ = asked.send(result);
        }
    }

    /// Notes a call that goes on, for as long as the guard lives; the token says that it is
    /// cancelled.
    pub(super) fn begin(self: &Arc<Self>, id: &Id) -> Running {
        let token = self.ended.child_token();
        locked(&self.running).insert(id.clone(), token.clone());
        Running { session: self.clone(), id: id.clone(), token }
    }

    pub(super) fn cancel(&self, id: &Id) {
        if let Some(token) = locked(&self.running).remove(id) {
            token.cancel();
        }
    }

    /// Begins the stream of changes, which lasts until the guard says so; the one before ends.
    pub(super) fn open_stream(self: &Arc<Self>) -> OpenStream {
        let token = self.ended.child_token();
        let before = std::mem::replace(&mut *locked(&self.stream), token.clone());
        before.cancel();
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream { session: self.clone(), ended: token }
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    fn touch(&self) {
        *locked(&self.used) = Instant::now();
    }

    /// Whether nobody has used it for so long, and nothing goes on in it.
    fn is_idle(&self, max: Duration) -> bool {
        locked(&self.running).is_empty()
            && self.streams.load(Ordering::Relaxed) == 0
            && locked(&self.used).elapsed() >= max
    }
}

/// The stream of changes of a session.
#[derive(Debug)]
pub(super) struct OpenStream {
    pub(super) session: Arc<Session>,
    /// Another one has taken its place, or the session has ended.
    pub(super) ended: CancellationToken,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.session.streams.fetch_sub(1, Ordering::Relaxed);
        self.session.touch();
    }
}

/// A call that goes on.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    id: Id,
    pub(super) token: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        locked(&self.session.running).remove(&self.id);
        self.session.touch();
    }
}

/// Forgets a question that nobody waits for any more.
struct Forget<'a> {
    session: &'a Session,
    id: &'a Id,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        locked(&self.session.asked).remove(self.id);
    }
}

/// The sessions of a process.
#[derive(Debug)]
pub(super) struct Sessions {
    known: Mutex<Known>,
    count_max: usize,
    owner_max: usize,
    idle_max: Duration,
}

#[derive(Debug)]
struct Known {
    sessions: HashMap<String, Arc<Session>>,
    /// How many of them each owner has.
    owned: HashMap<String, usize>,
    swept: Instant,
}

impl Sessions {
    /// So many at most, and so many of one owner.
    pub(super) fn new(count_max: usize, owner_max: usize, idle_max: Duration) -> Self {
        let (sessions, owned) = (HashMap::new(), HashMap::new());
        let known = Known { sessions, owned, swept: Instant::now() };
        Self { known: Mutex::new(known), count_max, owner_max, idle_max }
    }

    /// Keeps a session, and gives its id, which nobody can guess; nothing if there are too many in
    /// which something goes on.
    pub(super) fn add(&self, session: Arc<Session>) -> Option<String> {
        let id = secret_id()?;
        let mut known = locked(&self.known);
        if known.swept.elapsed() >= SWEEP_INTERVAL.min(self.idle_max) {
            known.sweep(self.idle_max);
        }
        let owner = session.owner.as_deref();
        if known.count_of(owner) >= self.owner_max {
            // It is at the cost of nobody else.
            known.make_room(1, |one| one.owner.as_deref() == owner);
        }
        if known.sessions.len() >= self.count_max {
            known.make_room(self.count_max / 16 + 1, |_| true);
        }
        if known.sessions.len() >= self.count_max || known.count_of(owner) >= self.owner_max {
            return None;
        }
        known.keep(id.clone(), session);
        Some(id)
    }

    /// The session of an id, if it is this owner's.
    pub(super) fn find(&self, id: &str, owner: Option<&str>) -> Option<Arc<Session>> {
        let mut known = locked(&self.known);
        let session = known.sessions.get(id)?.clone();
        if session.is_idle(self.idle_max) {
            known.end(id);
            return None;
        }
        session.touch();
        (session.owner.as_deref() == owner).then_some(session)
    }

    /// Ends a session, with all that goes on in it.
    pub(super) fn remove(&self, id: &str) {
        locked(&self.known).end(id);
    }
}

impl Known {
    fn count_of(&self, owner: Option<&str>) -> usize {
        owner.and_then(|owner| self.owned.get(owner)).copied().unwrap_or_default()
    }

    fn keep(&mut self, id: String, session: Arc<Session>) {
        if let Some(owner) = &session.owner {
            *self.owned.entry(owner.clone()).or_default() += 1;
        }
        self.sessions.insert(id, session);
    }

    /// Ends a session, with all that goes on in it.
    fn end(&mut self, id: &str) {
        let Some(session) = self.sessions.remove(id) else { return };
        session.end();
        let Some(owner) = &session.owner else { return };
        if let Some(count) = self.owned.get_mut(owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.owned.remove(owner);
            }
        }
    }

    /// Ends those that nobody has used for longest, so that those who only begin new ones keep
    /// nobody out. Several at once, as all have to be looked at.
    fn make_room(&mut self, count: usize, among: impl Fn(&Session) -> bool) {
        let free = self.sessions.iter();
        let free = free.filter(|(_, one)| among(one) && one.is_idle(Duration::ZERO));
        let mut free: Vec<_> = free.map(|(id, one)| (*locked(&one.used), id.clone())).collect();
        free.sort_unstable();
        for (_, id) in free.into_iter().take(count) {
            self.end(&id);
        }
    }

    fn sweep(&mut self, idle_max: Duration) {
        self.swept = Instant::now();
        let idle = self.sessions.iter().filter(|(_, session)| session.is_idle(idle_max));
        let idle: Vec<_> = idle.map(|(id, _)| id.clone()).collect();
        idle.iter().for_each(|id| self.end(id));
    }
}

/// 128 bits in hexadecimal that nobody can guess; nothing if the system has none.
fn secret_id() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(owner: Option<&str>) -> Arc<Session> {
        let owner = owner.map(str::to_owned);
        Arc::new(Session::new(Capabilities::default(), None, owner))
    }

    #[test]
    fn a_session_is_its_owners() {
        let sessions = Sessions::new(10, 10, Duration::from_secs(60));
        let id = sessions.add(session(Some("ada"))).unwrap();
        assert_eq!(id.len(), 32);
        assert!(sessions.find(&id, Some("ada")).is_some());
        assert!(sessions.find(&id, Some("eve")).is_none());
        assert!(sessions.find(&id, None).is_none());
        sessions.remove(&id);
        assert!(sessions.find(&id, Some("ada")).is_none());
    }

    #[test]
    fn sessions_are_bounded_in_number_and_in_time() {
        let sessions = Sessions::new(1, 1, Duration::ZERO);
        let busy = session(None);
        let stream = busy.open_stream();
        let id = sessions.add(busy).unwrap();
        assert!(sessions.find(&id, None).is_some(), "it has a stream");
        assert!(sessions.add(session(None)).is_none(), "there are too many");
        drop(stream);
        assert!(sessions.add(session(None)).is_some(), "nobody uses the first one");
        assert!(sessions.find(&id, None).is_none());
    }

    #[test]
    fn the_session_that_was_idle_for_longest_makes_room() {
        let sessions = Sessions::new(2, 2, Duration::from_secs(60));
        let [first, second] = [(); 2].map(|()| sessions.add(session(None)).unwrap());
        std::thread::sleep(Duration::from_millis(2));
        assert!(sessions.find(&first, None).is_some(), "it was used later");
        assert!(sessions.add(session(None)).is_some());
        assert!(sessions.find(&second, None).is_none());
        assert!(sessions.find(&first, None).is_some());
    }

    #[test]
    fn an_owner_with_too_many_sessions_is_at_the_cost_of_nobody_else() {
        let sessions = Sessions::new(10, 2, Duration::from_secs(60));
        let adas = sessions.add(session(Some("ada"))).unwrap();
        let anybodys = sessions.add(session(None)).unwrap();
        let eves = [(); 4].map(|()| sessions.add(session(Some("eve"))).unwrap());
        let has = |id: &str, owner| sessions.find(id, owner).is_some();
        let left = eves.iter().filter(|id| has(id, Some("eve"))).count();
        assert_eq!(left, 2, "the last ones take the place of the first ones");
        assert!(has(&adas, Some("ada")) && has(&anybodys, None));
        // Where something goes on in all of them, there is no place.
        let busy = sessions.find(&eves[2], Some("eve")).zip(sessions.find(&eves[3], Some("eve")));
        let streams = busy.map(|(one, other)| (one.open_stream(), other.open_stream())).unwrap();
        assert!(sessions.add(session(Some("eve"))).is_none());
        assert!(sessions.add(session(Some("ada"))).is_some());
        drop(streams);
        sessions.remove(&eves[2]);
        assert!(sessions.add(session(Some("eve"))).is_some());
    }

    #[test]
    fn a_new_stream_ends_the_one_before() {
        let session = session(None);
        let first = session.open_stream();
        let second = session.open_stream();
        assert!(first.ended.is_cancelled() && !second.ended.is_cancelled());
        session.end();
        assert!(second.ended.is_cancelled());
    }

    #[test]
    fn a_call_can_be_cancelled_while_it_goes_on() {
        let session = session(None);
        let id = Id::of_number(1);
        let running = session.begin(&id);
        session.cancel(&id);
        assert!(running.token.is_cancelled());
        let other = session.begin(&Id::of_number(2));
        session.cancel(&id);
        assert!(!other.token.is_cancelled());
    }
}
