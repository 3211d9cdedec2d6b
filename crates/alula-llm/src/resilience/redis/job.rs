//! What Redis is asked and told: each is one script, run in one piece.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use redis::{Cmd, Value};
use tokio::sync::oneshot;

use super::super::{
    shared::{Booking, Correction, Level, Member, News, Outcome, Ticket, TooLong, Turn, Verdict},
    window::WINDOW,
};

/// The largest number that Lua has exactly.
const NUMBER_MAX: u64 = 1 << 53;
/// How long a breaker remembers failures without any news.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// The scripts, in the order of [`Script`].
pub(super) const SCRIPTS: [&str; 7] = [
    include_str!("reserve.lua"),
    include_str!("correct.lua"),
    include_str!("admit.lua"),
    include_str!("tell.lua"),
    include_str!("renew.lua"),
    include_str!("join.lua"),
    include_str!("stay.lua"),
];

#[derive(Debug, Clone, Copy)]
enum Script {
    Reserve,
    Correct,
    Admit,
    Tell,
    Renew,
    Join,
    Stay,
}

/// The names under which Redis knows the scripts.
pub(super) type Hashes = [String; SCRIPTS.len()];

/// Something to do in Redis, with its key.
#[derive(Debug)]
pub(super) enum Job {
    Ask(Arc<str>, Ask),
    Correct(Arc<str>, Correction),
    Tell(Arc<str>, News),
    Renew(Arc<str>, Weak<u64>),
    Stay(Arc<str>, Vec<Member>),
    Leave(Arc<str>, Member),
}

/// Something that somebody waits for.
#[derive(Debug)]
pub(super) enum Ask {
    Turn { booking: Booking, reply: oneshot::Sender<Result<Turn, TooLong>> },
    Admission { ticket: Ticket, reply: oneshot::Sender<Verdict> },
    Join { member: Member, max: usize, reply: oneshot::Sender<bool> },
}

impl Job {
    /// Whether it is still of use to anybody.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::Ask(_, Ask::Turn { reply, .. }) => !reply.is_closed(),
            Self::Ask(_, Ask::Admission { reply, .. }) => !reply.is_closed(),
            Self::Ask(_, Ask::Join { reply, .. }) => !reply.is_closed(),
            Self::Renew(_, ticket) => ticket.strong_count() > 0,
            Self::Correct(..) | Self::Tell(..) | Self::Stay(..) | Self::Leave(..) => true,
        }
    }

    pub(super) fn key(&self) -> &str {
        match self {
            Self::Ask(key, _) | Self::Correct(key, _) | Self::Tell(key, _) => key,
            Self::Renew(key, _) | Self::Stay(key, _) | Self::Leave(key, _) => key,
        }
    }

    /// Whether it tells what does not bear to be told twice.
    pub(super) fn is_report(&self) -> bool {
        matches!(self, Self::Correct(..) | Self::Tell(..))
    }

    /// The command that does it. What is held in Redis is so for this lease.
    pub(super) fn command(&self, hashes: &Hashes, lease: Duration) -> Cmd {
        match self {
            Self::Ask(key, Ask::Turn { booking, .. }) => reserve(hashes, key, booking),
            Self::Ask(key, Ask::Admission { ticket, .. }) => {
                let mut command = run(hashes, Script::Admit, key);
                command.arg(ticket.number()).arg(micros(lease));
                command
            }
            Self::Correct(key, correction) => correct(hashes, key, correction),
            Self::Tell(key, news) => tell(hashes, key, news),
            Self::Renew(key, ticket) => {
                let mut command = run(hashes, Script::Renew, key);
                let number = ticket.upgrade().map(|number| *number);
                command.arg(number.unwrap_or_default()).arg(micros(lease));
                command
            }
            Self::Ask(key, Ask::Join { member, max, .. }) => {
                let mut command = run(hashes, Script::Join, key);
                command.arg(name(*member)).arg(*max).arg(micros(lease));
                command
            }
            Self::Stay(key, members) => {
                let mut command = run(hashes, Script::Stay, key);
                command.arg(micros(lease));
                members.iter().for_each(|member| _ = command.arg(name(*member)));
                command
            }
            Self::Leave(key, member) => {
                let mut command = redis::cmd("ZREM");
                command.arg(&**key).arg(name(*member));
                command
            }
        }
    }

    /// Hands over the answer. What is to be done next, if there is something: undo what nobody
    /// waits for any more, or keep a right that was given.
    pub(super) fn answer(self, answer: &Value) -> Option<Self> {
        let (key, ask, numbers) = match (self, answer) {
            (Self::Ask(key, ask), Value::Array(numbers)) => (key, ask, numbers),
            (Self::Renew(key, ticket), Value::Int(1)) => return Some(Self::Renew(key, ticket)),
            _ => return None,
        };
        let number = |index: usize| match numbers.get(index) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let duration = |index| number(index).map(Duration::from_micros);
        match ask {
            Ask::Turn { booking, reply } => {
                let (wait, more_after, all_after) = (duration(1)?, duration(4)?, duration(5)?);
                let (requests, tokens) = (number(2)?, number(3)?);
                let level = Level { requests, tokens, more_after, all_after };
                let turn = match number(0)? {
                    0 => Err((wait, level)),
                    _ => Ok(Turn { wait, slot: number(6)?, level }),
                };
                let Turn { slot, .. } = reply.send(turn).err()?.ok()?;
                let Booking { tokens: booked, unit, .. } = booking;
                Some(Self::Correct(key, Correction { slot, booked, used: None, unit }))
            }
            Ask::Join { reply, .. } => {
                // Who does not wait for it any more says itself that it leaves.
                let _ = reply.send(number(0)? == 1);
                None
            }
            Ask::Admission { ticket, reply } => {
                let verdict = match number(0)? {
                    0 => Verdict::Closed { failures: number(1)?.try_into().unwrap_or(u32::MAX) },
                    1 => Verdict::Probe { pause: duration(1)?, ticket: ticket.clone() },
                    _ => Verdict::Open { left: duration(1)?, pause: duration(2)? },
                };
                let is_probe = matches!(verdict, Verdict::Probe { .. });
                let has_left = reply.send(verdict).is_err();
                match (is_probe, has_left) {
                    (false, _) => None,
                    (true, false) => Some(Self::Renew(key, ticket.downgrade())),
                    (true, true) => Some(Self::Tell(key, News::left(&ticket))),
                }
            }
        }
    }
}

fn reserve(hashes: &Hashes, key: &str, booking: &Booking) -> Cmd {
    let mut command = run(hashes, Script::Reserve, key);
    for limit in [booking.requests_max, booking.tokens_max] {
        match limit {
            Some(limit) => command.arg(limit.min(NUMBER_MAX)),
            None => command.arg(-1),
        };
    }
    command.arg(booking.tokens.min(NUMBER_MAX));
    for duration in [booking.wait_min, booking.wait_max, booking.unit] {
        command.arg(micros(duration));
    }
    command.arg(WINDOW);
    command
}

fn correct(hashes: &Hashes, key: &str, correction: &Correction) -> Cmd {
    let mut command = run(hashes, Script::Correct, key);
    command.arg(correction.slot).arg(u64::from(correction.used.is_none()));
    command.arg(correction.booked.min(NUMBER_MAX));
    command.arg(correction.used.unwrap_or_default().min(NUMBER_MAX));
    command.arg(micros(correction.unit)).arg(WINDOW);
    command
}

fn tell(hashes: &Hashes, key: &str, news: &News) -> Cmd {
    let mut command = run(hashes, Script::Tell, key);
    command.arg(match news.outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Left => "left",
    });
    match news.ticket {
        Some(ticket) => command.arg(ticket),
        None => command.arg(""),
    };
    command.arg(news.policy.failures);
    for duration in [news.policy.pause, news.policy.pause_max, MEMORY] {
        command.arg(micros(duration));
    }
    command
}

fn run(hashes: &Hashes, script: Script, key: &str) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(hashes.get(script as usize)).arg(1).arg(key);
    command
}

fn name(member: Member) -> String {
    format!("{:x}-{:x}", member.process, member.number)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(NUMBER_MAX)
}
