mod held;

use std::time::Duration;

use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::time::{Instant, timeout_at};

use self::held::Held;
use crate::{Error, ErrorKind, Phase, Result, stream::Piece};

/// How long the phases of a call may take; `Duration::MAX` sets no limit.
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::Deadlines;
///
/// let deadlines = Deadlines::default().first_token(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// To open a connection, for the providers that share their connections. 5 s.
    ///
    /// A provider with an [`Http`](crate::Http) of its own goes by that one's
    /// [`connect_timeout`](crate::HttpLimits#structfield.connect_timeout).
    pub connect: Duration,
    /// From the call to the first content of a stream, connecting included. 10 s.
    ///
    /// Only the time that is spent waiting for the provider counts.
    /// Comments, pings and deltas without content do not count as content.
    pub first_token: Duration,
    /// For the whole answer of one target that does not stream, however often it is asked, while
    /// another one is left to ask. 2 min.
    ///
    /// The last one has what is left of the total, and so has one beside which all others have an
    /// open breaker. [`Route::answer`](crate::Route::answer) sets it for one route.
    pub answer: Duration,
    /// Between two signs of life of a stream, pings included. 60 s.
    pub idle: Duration,
    /// For the whole call. 10 min.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

impl Deadlines {
    /// Sets how long it may take to open a connection.
    #[must_use]
    pub fn connect(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// Sets how long the first content of a stream may take.
    #[must_use]
    pub fn first_token(mut self, first_token: Duration) -> Self {
        self.first_token = first_token;
        self
    }

    /// Sets how long the whole answer of a target may take while another one is left to ask.
    #[must_use]
    pub fn answer(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }

    /// Sets how long a stream may show no sign of life.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets how long the whole call may take.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// The error of a call whose time is over before any provider was asked.
    pub(crate) fn missed_total(&self) -> Error {
        let message = format!("no turn came within {:?}", self.total);
        Error::new(ErrorKind::Timeout { phase: Phase::Total }, message)
    }

    fn error(&self, phase: Phase, provider: &str) -> Error {
        let (limit, what) = match phase {
            Phase::Connect => (self.connect, "no connection"),
            Phase::FirstToken => (self.first_token, "no first token"),
            Phase::Answer => (self.answer, "no whole answer"),
            Phase::Idle => (self.idle, "nothing more of the stream"),
            Phase::Total => (self.total, "no whole answer"),
        };
        Error::new(ErrorKind::Timeout { phase }, format!("{what} came within {limit:?}"))
            .with_provider(provider)
    }
}

/// Where one attempt is with the deadlines of its call. One that is too far away for the clock is
/// none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    /// As they were set, which is how errors tell them.
    deadlines: Deadlines,
    total: Option<Instant>,
    /// What is left of the target's own time: of the wait for the first content, until it comes, or
    /// for the whole answer where that does not stream. Only waiting uses it up: a consumer that
    /// reads slowly is not the provider's silence.
    first: Option<Duration>,
    /// The provider has begun to answer, so that silence counts as idle.
    open: bool,
}

impl Watch {
    /// An attempt of a call that ends at `total`, for which `first` is left of its target's time.
    pub(crate) fn new(
        deadlines: Deadlines,
        total: Option<Instant>,
        first: Option<Duration>,
    ) -> Self {
        Self { deadlines, total, first, open: false }
    }

    /// Holds a call without streaming to the time of its target and to the total.
    pub(crate) async fn whole<T>(
        self,
        provider: &str,
        call: BoxFuture<'_, Result<T>>,
    ) -> Result<T> {
        let answer = self.first.and_then(|left| Instant::now().checked_add(left));
        let at = earliest([(self.total, Phase::Total), (answer, Phase::Answer)]);
        within(at, call).await.unwrap_or_else(|phase| Err(self.deadlines.error(phase, provider)))
    }

    /// Holds a streaming call, and then its stream, to all deadlines.
    pub(crate) async fn stream<T: Piece, S>(
        mut self,
        provider: &str,
        call: BoxFuture<'_, Result<S>>,
    ) -> Result<Held<T>>
    where
        S: Into<BoxStream<'static, Result<T>>>,
    {
        let pieces = match self.wait(call).await {
            Ok(pieces) => pieces?.into(),
            Err(phase) => return Err(self.deadlines.error(phase, provider)),
        };
        self.open = true;
        Ok(Held::new(self, provider, pieces))
    }

    /// Waits for the provider, or until a deadline passes. What is there already is taken even
    /// then.
    async fn wait<F: Future>(&mut self, future: F) -> Result<F::Output, Phase> {
        let started = Instant::now();
        let outcome = within(self.next(started), future).await;
        self.first = self.first.map(|left| left.saturating_sub(started.elapsed()));
        outcome
    }

    /// The deadline that passes first for a wait that begins now.
    fn next(&self, now: Instant) -> Option<(Instant, Phase)> {
        let first = self.first.and_then(|left| now.checked_add(left));
        let idle = self.open.then_some(self.deadlines.idle).and_then(|idle| now.checked_add(idle));
        earliest([(self.total, Phase::Total), (first, Phase::FirstToken), (idle, Phase::Idle)])
    }

    /// Notes an item that was waited for since then, and says whether it came after the total: a
    /// provider that always has something to send is never waited for.
    fn came<T: Piece>(&mut self, item: &Result<T>, since: Instant) -> Option<Phase> {
        let now = Instant::now();
        self.first = self.first.map(|left| left.saturating_sub(now.duration_since(since)));
        let piece = item.as_ref().ok()?;
        if self.first.is_some() && piece.answers() {
            self.first = None;
        }
        self.total.is_some_and(|at| now > at).then_some(Phase::Total)
    }
}

/// The deadline that passes first, of those that are set.
fn earliest<const N: usize>(deadlines: [(Option<Instant>, Phase); N]) -> Option<(Instant, Phase)> {
    let set = deadlines.into_iter().filter_map(|(at, phase)| Some((at?, phase)));
    set.min_by_key(|(at, _)| *at)
}

/// Polls the future first and the clock after it.
pub(crate) async fn within<F: Future>(
    at: Option<(Instant, Phase)>,
    future: F,
) -> Result<F::Output, Phase> {
    match at {
        Some((at, phase)) => timeout_at(at, future).await.map_err(|_| phase),
        None => Ok(future.await),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, future, stream};
    use tokio::time::sleep;

    use super::*;
    use crate::{ChatEvent, ChatStream};

    const SECOND: Duration = Duration::from_secs(1);

    fn deadlines() -> Deadlines {
        Deadlines {
            connect: SECOND,
            first_token: 10 * SECOND,
            answer: 120 * SECOND,
            idle: 4 * SECOND,
            total: 599 * SECOND,
        }
    }

    fn watch() -> Watch {
        let deadlines = deadlines();
        let total = Instant::now() + deadlines.total;
        Watch::new(deadlines, Some(total), Some(deadlines.first_token))
    }

    fn text() -> ChatEvent {
        ChatEvent::Text { choice: 0, part: 0, text: "a".to_owned() }
    }

    /// Streams events, each so many seconds after the one before, and then hangs.
    async fn run(events: Vec<(u32, ChatEvent)>) -> (usize, ErrorKind, u64) {
        let started = Instant::now();
        let events = stream::iter(events).then(|(seconds, event)| async move {
            sleep(seconds * SECOND).await;
            Ok(event)
        });
        let stream = ChatStream::new(events.chain(stream::once(future::pending())));
        let call = async { Ok(stream) }.boxed();
        let items: Vec<_> = watch().stream("x", call).await.unwrap().collect().await;
        let error = items.last().unwrap().as_ref().unwrap_err();
        (items.len() - 1, error.kind().clone(), started.elapsed().as_secs())
    }

    fn timeout(phase: Phase) -> ErrorKind {
        ErrorKind::Timeout { phase }
    }

    #[tokio::test(start_paused = true)]
    async fn pings_do_not_put_off_the_first_token() {
        let pings = vec![(3, ChatEvent::Ping); 9];
        assert_eq!(run(pings).await, (3, timeout(Phase::FirstToken), 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_idle_after_content() {
        assert_eq!(run(vec![(3, text())]).await, (1, timeout(Phase::Idle), 7));
    }

    #[tokio::test(start_paused = true)]
    async fn pings_keep_a_stream_alive_after_content() {
        let mut events = vec![(1, text())];
        events.extend(vec![(3, ChatEvent::Ping); 10]);
        assert_eq!(run(events).await, (11, timeout(Phase::Idle), 35));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_never_ends_meets_the_total() {
        let events = vec![(2, text()); 1000];
        assert_eq!(run(events).await, (299, timeout(Phase::Total), 599));
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_never_come_are_a_missing_first_token() {
        let started = Instant::now();
        let never = future::pending::<Result<ChatStream>>().boxed();
        let Err(error) = watch().stream("x", never).await else { panic!("it began") };
        assert_eq!(error.kind(), &timeout(Phase::FirstToken));
        assert_eq!(error.to_string(), "x: no first token came within 10s");
        assert_eq!(started.elapsed(), 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_streamed_meets_the_time_of_its_target_or_the_total() {
        for (left, phase, seconds) in
            [(None, Phase::Total, 599), (Some(120 * SECOND), Phase::Answer, 120)]
        {
            let started = Instant::now();
            let watch = Watch { first: left, ..watch() };
            let never = future::pending::<Result<()>>().boxed();
            let error = watch.whole("x", never).await.unwrap_err();
            assert_eq!(error.kind(), &timeout(phase));
            assert_eq!(error.to_string(), format!("x: no whole answer came within {seconds}s"));
            assert_eq!(started.elapsed(), seconds * SECOND);
        }
    }

    /// Such a provider is never waited for, so that no timer gets a turn.
    #[tokio::test(start_paused = true)]
    async fn a_provider_that_always_has_something_to_send_is_held_to_the_total() {
        let mut watch = watch();
        tokio::time::advance(598 * SECOND).await;
        assert_eq!(watch.came(&Ok(text()), Instant::now()), None);
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(watch.came(&Ok(text()), Instant::now()), Some(Phase::Total));
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_that_reads_slowly_is_not_the_providers_silence() {
        // The text takes its provider a second more, after two events that are there at once.
        let early = stream::iter(vec![Ok(ChatEvent::Ping), Ok(ChatEvent::Ping)]);
        let late = stream::once(sleep(SECOND).map(|()| Ok(text())));
        let call = async { Ok(ChatStream::new(early.chain(late))) }.boxed();
        let mut events = watch().stream("x", call).await.unwrap();
        for expected in [ChatEvent::Ping, ChatEvent::Ping, text()] {
            sleep(20 * SECOND).await;
            assert_eq!(events.next().await.unwrap().unwrap(), expected);
        }
        assert!(events.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_the_clock_is_none() {
        let never = Duration::MAX;
        let deadlines = Deadlines {
            connect: never,
            first_token: never,
            answer: never,
            idle: never,
            total: never,
        };
        let year = 365 * 24 * 3600 * SECOND;
        let answer = async {
            sleep(year).await;
            Ok(())
        };
        let total = Instant::now().checked_add(never);
        let watch = Watch::new(deadlines, total, Some(never));
        assert!(watch.whole("x", answer.boxed()).await.is_ok());
        let late = stream::once(sleep(year).map(|()| Ok(text())));
        let call = async { Ok(ChatStream::new(late)) }.boxed();
        let items: Vec<_> = watch.stream("x", call).await.unwrap().collect().await;
        assert!(matches!(items[..], [Ok(_)]));
    }
}
