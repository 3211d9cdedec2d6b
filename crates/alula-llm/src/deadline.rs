use std::time::Duration;

use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::time::{Instant, timeout_at};

use crate::{ChatEvent, ChatResponse, ChatStream, Error, ErrorKind, Phase, Result};

/// How long the phases of a call may take.
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::Deadlines;
///
/// let deadlines = Deadlines { first_token: Duration::from_secs(30), ..Deadlines::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// To open a connection. 5 s.
    pub connect: Duration,
    /// From the call to the first content of a stream, connecting included. 10 s.
    ///
    /// Comments, pings and deltas without content do not count as content.
    pub first_token: Duration,
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
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

impl Deadlines {
    /// Holds a call without streaming to the total.
    pub(crate) async fn whole(
        self,
        provider: &str,
        call: BoxFuture<'_, Result<ChatResponse>>,
    ) -> Result<ChatResponse> {
        let at = Instant::now() + self.total;
        timeout_at(at, call).await.unwrap_or_else(|_| Err(self.error(Phase::Total, provider)))
    }

    /// Holds a streaming call, and then its stream, to all deadlines.
    pub(crate) async fn stream(
        self,
        provider: &str,
        call: BoxFuture<'_, Result<ChatStream>>,
    ) -> Result<ChatStream> {
        let started = Instant::now();
        let first = Some(started + self.first_token);
        let mut watch = Watch { deadlines: self, total: started + self.total, first, open: false };
        let (at, phase) = watch.next();
        let events = match timeout_at(at, call).await {
            Ok(events) => events?,
            Err(_) => return Err(self.error(phase, provider)),
        };
        watch.open = true;
        let state = Some((watch, events, provider.to_owned()));
        Ok(ChatStream::new(stream::unfold(state, |state| async {
            let (mut watch, mut events, provider) = state?;
            let (at, phase) = watch.next();
            let missed = match timeout_at(at, events.next()).await {
                Ok(item) => {
                    let item = item?;
                    match watch.missed(&item) {
                        None => return Some((item, Some((watch, events, provider)))),
                        Some(phase) => phase,
                    }
                }
                Err(_) => phase,
            };
            Some((Err(watch.deadlines.error(missed, &provider)), None))
        })))
    }

    fn error(&self, phase: Phase, provider: &str) -> Error {
        let (limit, what) = match phase {
            Phase::Connect => (self.connect, "no connection"),
            Phase::FirstToken => (self.first_token, "no first token"),
            Phase::Idle => (self.idle, "nothing more of the stream"),
            Phase::Total => (self.total, "no whole answer"),
        };
        Error::new(ErrorKind::Timeout { phase }, format!("{what} came within {limit:?}"))
            .with_provider(provider)
    }
}

/// The deadlines of one call as points in time.
#[derive(Debug, Clone, Copy)]
struct Watch {
    deadlines: Deadlines,
    total: Instant,
    /// Until the first content.
    first: Option<Instant>,
    /// The provider has begun to answer, so that silence counts as idle.
    open: bool,
}

impl Watch {
    /// The deadline that passes first. Idle time counts from now: a consumer that reads slowly
    /// is not the provider's silence.
    fn next(&self) -> (Instant, Phase) {
        let total = (self.total, Phase::Total);
        let first = self.first.map(|at| (at, Phase::FirstToken));
        let idle = self.open.then(|| (Instant::now() + self.deadlines.idle, Phase::Idle));
        [first, idle].into_iter().flatten().fold(total, |earliest, deadline| {
            if deadline.0 < earliest.0 { deadline } else { earliest }
        })
    }

    /// Notes an item, and says which deadline it missed: a provider that always has something
    /// to send is never waited for.
    fn missed(&mut self, item: &Result<ChatEvent>) -> Option<Phase> {
        let now = Instant::now();
        match item {
            Ok(event) if event.is_content() || matches!(event, ChatEvent::Stop { .. }) => {
                self.first = None;
            }
            Err(_) => return None,
            Ok(_) => {}
        }
        if self.first.is_some_and(|at| now > at) {
            return Some(Phase::FirstToken);
        }
        (now > self.total).then_some(Phase::Total)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future};
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn deadlines() -> Deadlines {
        Deadlines {
            connect: SECOND,
            first_token: 10 * SECOND,
            idle: 4 * SECOND,
            total: 599 * SECOND,
        }
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
        let items: Vec<_> = deadlines().stream("x", call).await.unwrap().collect().await;
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
        let error = deadlines().stream("x", future::pending().boxed()).await.unwrap_err();
        assert_eq!(error.kind(), &timeout(Phase::FirstToken));
        assert_eq!(error.to_string(), "x: no first token came within 10s");
        assert_eq!(started.elapsed(), 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_streamed_meets_only_the_total() {
        let error = deadlines().whole("x", future::pending().boxed()).await.unwrap_err();
        assert_eq!(error.kind(), &timeout(Phase::Total));
    }

    /// Such a provider is never waited for, so that no timer gets a turn.
    #[tokio::test(start_paused = true)]
    async fn a_provider_that_always_has_something_to_send_is_held_to_the_deadlines_too() {
        let now = Instant::now();
        let (first, total) = (Some(now + 10 * SECOND), now + 20 * SECOND);
        let mut watch = Watch { deadlines: deadlines(), total, first, open: true };
        assert_eq!(watch.missed(&Ok(ChatEvent::Ping)), None);
        tokio::time::advance(11 * SECOND).await;
        assert_eq!(watch.missed(&Ok(ChatEvent::Ping)), Some(Phase::FirstToken));
        assert_eq!(watch.missed(&Ok(text())), None);
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(watch.missed(&Ok(text())), Some(Phase::Total));
    }
}
