//! Every fault, whole and streamed: what the caller is told, and when.

use std::time::{Duration, SystemTime};

use alula_llm::{
    Accumulator, ChatEvent, ChatResponse, Deadlines, Error, ErrorKind, Http, Llm, Phase,
    testing::{FakeProvider, Fault},
};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout};

use super::{
    AT_ONCE, Adapter, BYTES_MAX, FAMILY, KEY, PATIENCE, PROTOCOLS, http, patient, request,
};

/// What the documentation of [`Fault`] says; the cases are made of it.
const TABLE: &str = include_str!("../../../src/testing/fake/faults.md");

pub(super) const SECOND: Duration = Duration::from_secs(1);
const TEXTS: [&str; 2] = ["Grüezi ", "mitenand ☀"];
/// How much later than its deadline a call may end.
pub(super) const SLACK: Duration = Duration::from_millis(100);
/// How often a call may be late before it is to blame.
pub(super) const TRIES: usize = 3;

/// The deadline that a case is to meet; the others are far away, however busy the machine is.
pub(super) const BRIEF: Duration = Duration::from_millis(300);

/// Each fault by its name in the table.
pub(super) fn faults() -> Vec<(&'static str, Fault)> {
    use Fault::*;

    let limited = || ErrorKind::RateLimited { retry_after: None };
    vec![
        ("Stall", Stall),
        ("StallAfter(0)", StallAfter(0)),
        ("StallAfter(1)", StallAfter(1)),
        ("Close", Close),
        ("CloseAfter(0)", CloseAfter(0)),
        ("CloseAfter(1)", CloseAfter(1)),
        ("Reset", Reset),
        ("ResetAfter(0)", ResetAfter(0)),
        ("ResetAfter(1)", ResetAfter(1)),
        ("SlowHeaders", SlowHeaders(3 * SECOND)),
        // The shortest answer, a count of some 20 bytes, takes longer than `BRIEF`.
        ("Drip", Drip(Duration::from_millis(30))),
        ("Status(400)", Status(400)),
        ("Status(401)", Status(401)),
        ("Status(402)", Status(402)),
        ("Status(403)", Status(403)),
        ("Status(404)", Status(404)),
        ("Status(408)", Status(408)),
        ("Status(422)", Status(422)),
        ("Status(429)", Status(429)),
        ("Status(500)", Status(500)),
        ("Status(502)", Status(502)),
        ("Status(503)", Status(503)),
        ("Status(504)", Status(504)),
        ("Status(529)", Status(529)),
        ("RetryAfter(429)", RetryAfter(429, 60 * SECOND)),
        ("RetryAfter(503)", RetryAfter(503, 60 * SECOND)),
        ("RetryAt(429)", RetryAt(429, SystemTime::UNIX_EPOCH)),
        ("Error(ContextTooLong)", Error(ErrorKind::ContextTooLong)),
        ("Error(QuotaExceeded)", Error(ErrorKind::QuotaExceeded)),
        ("Error(ContentFiltered)", Error(ErrorKind::ContentFiltered)),
        ("ErrorInBody(RateLimited)", ErrorInBody(limited())),
        ("ErrorInBody(Auth)", ErrorInBody(ErrorKind::Auth)),
        ("ErrorAfter(0)", ErrorAfter(0, ErrorKind::Overloaded { retry_after: None })),
        ("ErrorAfter(1)", ErrorAfter(1, ErrorKind::Overloaded { retry_after: None })),
        ("Redirect", Redirect("https://elsewhere.invalid/".to_owned())),
        ("NotJson", NotJson),
        ("NotEvents", NotEvents),
        ("Html", Html),
        ("NotUtf8", NotUtf8),
        ("Empty", Empty),
        ("Truncated", Truncated),
        ("ContentType", ContentType("text/plain".to_owned())),
        ("WrongLength", WrongLength),
        ("SplitUtf8", SplitUtf8),
        ("SplitInsideEvent", SplitInsideEvent),
        ("EveryByte", EveryByte),
        ("CrLf", CrLf),
        ("Comments", Comments),
        ("Pings", Pings),
        ("EmptyChunks", EmptyChunks),
        ("NoDone", NoDone),
        ("Duplicate", Duplicate),
        ("HugeLine", HugeLine(2 * BYTES_MAX)),
    ]
}

/// The fault with the date that it names a minute ahead: a case may have to wait for its turn.
pub(super) fn at_its_time(fault: &Fault) -> Fault {
    match fault {
        Fault::RetryAt(status, _) => Fault::RetryAt(*status, SystemTime::now() + 60 * SECOND),
        fault => fault.clone(),
    }
}

/// How a call ended.
#[derive(Debug)]
struct Ended {
    result: Result<ChatResponse, Error>,
    /// Whether the caller has seen a piece of the answer.
    begun: bool,
    after: Duration,
    /// The time since the last event, or since the call.
    silent: Duration,
}

impl Ended {
    fn timed_out(&self) -> bool {
        let kind = self.result.as_ref().map_err(Error::kind);
        matches!(kind, Err(ErrorKind::Timeout { .. }))
    }
}

/// Calls, and gives up on a call that hangs.
async fn call(llm: &Llm, streamed: bool) -> Option<Ended> {
    let started = Instant::now();
    let mut last = started;
    let mut begun = false;
    let result = async {
        if !streamed {
            return llm.chat(request()).await;
        }
        let mut events = llm.stream(request()).await?;
        let mut answer = Accumulator::new();
        while let Some(event) = events.next().await {
            let event = event?;
            begun |= matches!(event, ChatEvent::Text { .. });
            last = Instant::now();
            answer.push(event);
        }
        Ok(answer.finish())
    };
    let result = timeout(PATIENCE, result).await.ok()?;
    Some(Ended { result, begun, after: started.elapsed(), silent: last.elapsed() })
}

/// A fault, at one adapter.
struct Case {
    adapter: Adapter,
    name: &'static str,
    fault: Fault,
    streamed: bool,
    expected: String,
}

impl Case {
    /// What is wrong, if anything is.
    async fn run(&self, http: &Http) -> Option<String> {
        for _ in 0..TRIES {
            match self.try_once(http).await {
                Ok(late) if late <= SLACK => return None,
                // The machine may have been late and not the call, but not each time.
                Ok(_) => {}
                Err(failure) => return Some(failure),
            }
        }
        Some("ends too late".to_owned())
    }

    /// By how much the call missed its deadline, or what is wrong.
    async fn try_once(&self, http: &Http) -> Result<Duration, String> {
        let fake = FakeProvider::start().await;
        // The id of a request is shown in errors, so that a key in it would be too.
        let turn = fake.always().says(TEXTS).usage(12, 2).header("x-request-id", KEY);
        turn.then(at_its_time(&self.fault));
        let llm = self.adapter.llm(&fake, http, self.deadlines());
        let ended = call(&llm, self.streamed).await.ok_or("hangs")?;
        let found = self.outcome(&ended);
        if found != self.expected {
            return Err(format!("gives {found}, expected {}: {:?}", self.expected, ended.result));
        }
        let attempts = if is_tried_again(&ended) { 2 } else { 1 };
        let asked = fake.request_count();
        if asked < attempts && ended.timed_out() {
            // The machine was too busy to send what then was given up.
            return Ok(Duration::MAX);
        }
        if asked != attempts {
            return Err(format!("is asked {asked} times, not {attempts}"));
        }
        if let Err(error) = &ended.result {
            let shown = format!("{error} {error:?}");
            if shown.contains(KEY) {
                return Err(format!("shows the key: {shown}"));
            }
            if let ErrorKind::Timeout { phase } = error.kind() {
                let limit = format!(" within {:?}", limit(self.deadlines(), *phase));
                if !error.message().ends_with(&limit) {
                    return Err(format!("does not name the limit{limit}: {error}"));
                }
            }
            if ended.timed_out() && timeout(SECOND, fake.disconnected()).await.is_err() {
                return Err("keeps the connection open".to_owned());
            }
        }
        Ok(lateness(&ended, self.deadlines()))
    }

    fn deadlines(&self) -> Deadlines {
        match self.expected.as_str() {
            "`Timeout` (FirstToken)" => patient().first_token(BRIEF),
            "`Timeout` (Idle)" => patient().idle(BRIEF),
            "`Timeout` (Total)" => patient().total(BRIEF),
            _ => patient(),
        }
    }

    fn outcome(&self, ended: &Ended) -> String {
        let error = match &ended.result {
            Ok(answer) => {
                let [first, second] = TEXTS;
                let expected = match self.fault {
                    Fault::Duplicate if self.streamed => format!("{first}{first}{second}"),
                    _ => format!("{first}{second}"),
                };
                let text = answer.text();
                return if text == expected { "the answer".to_owned() } else { text };
            }
            Err(error) => error,
        };
        if let Fault::RetryAfter(..) | Fault::RetryAt(..) = self.fault {
            let wait = error.retry_after().unwrap_or_default();
            if !(50 * SECOND..=60 * SECOND).contains(&wait) {
                return format!("{error:?}, which says to wait {wait:?}");
            }
        }
        match error.kind() {
            ErrorKind::Timeout { phase } => format!("`Timeout` ({phase:?})"),
            kind => {
                let kind = format!("{kind:?}");
                format!("`{}`", kind.split(' ').next().unwrap_or_default())
            }
        }
    }
}

/// What may pass, as long as the caller has seen nothing of an answer, and nobody said to wait.
fn is_tried_again(ended: &Ended) -> bool {
    let Err(error) = &ended.result else { return false };
    let may_pass = error.is_retryable() && error.retry_after().is_none();
    may_pass && !ended.timed_out() && !ended.begun
}

/// By how much a call has missed its deadline.
fn lateness(ended: &Ended, deadlines: Deadlines) -> Duration {
    let phase = match ended.result.as_ref().map_err(Error::kind) {
        Err(ErrorKind::Timeout { phase }) => *phase,
        _ => Phase::Total,
    };
    let took = if phase == Phase::Idle { ended.silent } else { ended.after };
    took.saturating_sub(limit(deadlines, phase))
}

pub(super) fn limit(deadlines: Deadlines, phase: Phase) -> Duration {
    match phase {
        Phase::FirstToken => deadlines.first_token,
        Phase::Idle => deadlines.idle,
        _ => deadlines.total,
    }
}

/// What the table says of each fault: whole and streamed.
pub(super) fn expected(adapter: Adapter, fault: &str) -> [String; 2] {
    let row = TABLE.lines().find(|line| line.starts_with(&format!("| `{fault}` |")));
    let format = adapter.format();
    let cells: Vec<&str> = row.unwrap().split('|').map(str::trim).collect();
    [cells[2], cells[3]].map(|cell| {
        let mut outcomes = cell.split("; ");
        let usual = outcomes.next().unwrap_or_default();
        let of_adapter = outcomes.find_map(|outcome| {
            let (who, outcome) = outcome.split_once(": ")?;
            who.split(", ").any(|name| name == format).then_some(outcome)
        });
        of_adapter.unwrap_or(usual).to_owned()
    })
}

fn cases(adapters: &[Adapter], faults: &[(&'static str, Fault)]) -> Vec<Case> {
    let pairs =
        adapters.iter().flat_map(|adapter| faults.iter().map(move |fault| (*adapter, fault)));
    let cases = pairs.flat_map(|(adapter, (name, fault))| {
        let [whole, streamed] = expected(adapter, name);
        [(false, whole), (true, streamed)].map(|(streamed, expected)| Case {
            adapter,
            name,
            fault: fault.clone(),
            streamed,
            expected,
        })
    });
    cases.collect()
}

async fn check(cases: Vec<Case>) {
    let http = http();
    let failures = stream::iter(&cases).map(|case| async {
        let failure = case.run(&http).await?;
        let how = if case.streamed { "streamed" } else { "whole" };
        Some(format!("{} {} {how} {failure}", case.adapter.name, case.name))
    });
    let failures: Vec<String> =
        failures.buffer_unordered(AT_ONCE).filter_map(|it| async { it }).collect().await;
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_fails_as_it_is_documented() {
    check(cases(&PROTOCOLS, &faults())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_compatible_server_fails_as_it_is_documented() {
    check(cases(&FAMILY, &faults())).await;
}

/// The largest line of the default limits is not an answer but an error.
#[tokio::test]
async fn a_huge_line_is_not_taken() {
    let fake = FakeProvider::start().await;
    fake.turn().says(TEXTS).then(Fault::HugeLine(10 << 20));
    let llm = Llm::builder().provider(fake.openai()).build().unwrap();
    let error = call(&llm, true).await.unwrap().result.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge);
}

/// No fault is missing in the table, and none too many is there.
#[test]
fn the_table_has_each_fault() {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<&str> = rows.map(|(name, _)| name).collect();
    let names: Vec<&str> = faults().into_iter().map(|(name, _)| name).collect();
    assert_eq!(rows, names);
}
