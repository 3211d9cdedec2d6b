//! The money of a key that this process may spend by itself.
//!
//! It is set aside in the database before it is spent, and given up here before it is given back
//! there. So at any moment the database counts at least what this process may still spend, whatever
//! becomes of the process or of an answer on its way.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{Span, signed};
use crate::{
    db::{Answer, IDLE_SHARE, Report, Spend},
    services::keys::Budget,
    time::Timestamp,
};

/// How long what no call has used stays set aside.
const IDLE: Duration = Duration::from_secs(2);

/// Part of the budget of a key in one period.
#[derive(Debug)]
pub(super) struct Slice {
    /// Its name in the database.
    id: String,
    pub(super) key: Arc<str>,
    pub(super) span: Span,
    money: Mutex<Money>,
    /// Whoever asks the database about it has this, which tells when the last failure was.
    pub(super) asking: tokio::sync::Mutex<Option<Instant>>,
}

/// All sums in micro-dollars.
#[derive(Debug)]
struct Money {
    /// What calls have cost.
    spent: u64,
    /// For calls under way.
    held: u64,
    /// For the call that is being asked for. Of one that was given up this is given back.
    claimed: u64,
    /// For the next calls.
    room: u64,
    /// The most that may stay in `room`.
    room_max: u64,
    /// What to ask for beyond what a call needs: the more the oftener it is asked.
    likes: u64,
    /// How many calls are under way.
    calls: usize,
    /// The budget by which all this was set aside.
    limit: u64,
    /// Calls may be paid without asking.
    is_open: bool,
    /// Something was granted before.
    is_known: bool,
    is_over: bool,
    /// What the database knows for certain: what calls have cost, and what is set aside.
    told: Option<(i64, i64)>,
    /// When the database last said how it stands with the budget.
    heard_at: Instant,
    used_at: Instant,
}

/// Which slices are to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Those with more room than they may have.
    Excess,
    /// Those of which the database does not know all, and those that nobody uses.
    News,
    /// All: nothing is kept but for calls under way.
    End,
}

/// Who reports, and until when that is to be believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reporter<'a> {
    pub(super) process: &'a str,
    pub(super) expires_at: i64,
}

impl Slice {
    pub(super) fn new(key: Arc<str>, span: Span) -> Self {
        let money = Money {
            spent: 0,
            held: 0,
            claimed: 0,
            room: 0,
            room_max: 0,
            likes: 0,
            calls: 0,
            limit: 0,
            is_open: false,
            is_known: false,
            is_over: false,
            told: None,
            heard_at: Instant::now(),
            used_at: Instant::now(),
        };
        let id = Uuid::now_v7().simple().to_string();
        Self { id, key, span, money: Mutex::new(money), asking: tokio::sync::Mutex::default() }
    }

    /// Pays a call of what is there, if that is enough.
    pub(super) fn pay(&self, most: u64, budget: Budget) -> bool {
        let mut money = self.money();
        let is_enough = money.room >= most && money.limit == budget.micro_usd;
        let is_paid = money.is_open && is_enough;
        if is_paid {
            money.room -= most;
            money.begin(most);
        }
        is_paid
    }

    /// Asks for what a call needs beyond what is there. If the budget is not what it was, no more of
    /// it stays than the call may cost.
    pub(super) fn ask<'a>(&'a self, most: u64, budget: Budget, by: Reporter<'a>) -> Report<'a> {
        let mut money = self.money();
        money.claimed = money.room.min(most);
        money.room -= money.claimed;
        if money.limit != budget.micro_usd {
            (money.limit, money.room, money.is_open) = (budget.micro_usd, 0, false);
        }
        let (claimed, likes) = (money.claimed, money.likes);
        Report {
            needs: signed(most - claimed),
            yields: signed(claimed),
            likes: signed(likes),
            ..self.report(&mut money, by)
        }
    }

    /// What to say without being asked for money. What is given back is not spent from here on.
    pub(super) fn tell<'a>(
        &'a self,
        due: Due,
        now: Timestamp,
        by: Reporter<'a>,
    ) -> Option<Report<'a>> {
        let mut money = self.money();
        let is_idle = due == Due::End || self.span.is_over(now) || money.used_at.elapsed() >= IDLE;
        let room = if is_idle { 0 } else { money.room.min(money.room_max) };
        if due == Due::Excess && !money.has_excess() {
            return None;
        }
        (money.claimed, money.room) = (0, room);
        let is_last = is_idle && money.calls == 0;
        // Whoever has something set aside learns in time that others need it more.
        let is_recent = money.room == 0 || money.heard_at.elapsed() < IDLE;
        if !is_last && is_recent && money.told == Some(money.sums()) {
            return None;
        }
        // Whoever comes now waits for the answer, and begins another one.
        money.is_open &= !is_last;
        Some(Report { is_last, ..self.report(&mut money, by) })
    }

    fn report<'a>(&'a self, money: &mut Money, by: Reporter<'a>) -> Report<'a> {
        let (spent, keeps) = money.sums();
        // Until the answer is there, nobody knows.
        money.told = None;
        Report {
            id: &self.id,
            process: by.process,
            key: &self.key,
            period: self.span.name(),
            limit: signed(money.limit),
            spent,
            keeps,
            needs: 0,
            yields: 0,
            likes: 0,
            expires_at: by.expires_at,
            is_known: money.is_known,
            is_last: false,
        }
    }

    /// Takes the answer to a report, and pays the call that asked if it may be made.
    pub(super) fn hear(&self, report: &Report<'_>, answer: Answer, call: Option<u64>) {
        let mut money = self.money();
        let claimed = std::mem::take(&mut money.claimed);
        money.heard_at = Instant::now();
        match answer {
            Answer::Granted { more, spend } => {
                money.is_known = true;
                money.told = Some((report.spent, report.keeps.saturating_add(more)));
                money.room = money.room.saturating_add(claimed).saturating_add(unsigned(more));
                if let Some(most) = call {
                    money.room = money.room.saturating_sub(most);
                    money.begin(most);
                    money.likes = money.likes.saturating_mul(2).max(most);
                }
                money.see(spend);
            }
            Answer::Refused(spend) => {
                money.told = Some((report.spent, report.keeps.saturating_sub(report.yields)));
                money.see(spend);
            }
            Answer::Gone => money.is_over = true,
        }
        money.is_over |= report.is_last;
        money.is_open &= !money.is_over;
    }

    /// Ends a call. Says whether there is more room than there may be.
    ///
    /// One that has cost more than it could is paid by the next ones. If there is not so much, they
    /// wait for the database to say what is left.
    pub(super) fn end(&self, most: u64, cost: u64) -> bool {
        let mut money = self.money();
        money.calls = money.calls.saturating_sub(1);
        money.held = money.held.saturating_sub(most);
        money.spent = money.spent.saturating_add(cost);
        money.room = money.room.saturating_add(most.saturating_sub(cost));
        let over = cost.saturating_sub(most);
        money.is_open &= over <= money.room;
        money.room = money.room.saturating_sub(over);
        money.used_at = Instant::now();
        money.has_excess()
    }

    /// Whether there is more room than there may be.
    pub(super) fn has_excess(&self) -> bool {
        self.money().has_excess()
    }

    /// Whether it is to be replaced.
    pub(super) fn is_over(&self) -> bool {
        self.money().is_over
    }

    /// As if no call had used it for long.
    #[cfg(test)]
    pub(super) fn grow_idle(&self) {
        self.money().used_at -= IDLE;
    }

    /// As if the database had said nothing for long.
    #[cfg(test)]
    pub(super) fn grow_deaf(&self) {
        self.money().heard_at -= IDLE;
    }

    fn money(&self) -> MutexGuard<'_, Money> {
        self.money.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Money {
    fn begin(&mut self, most: u64) {
        self.held = self.held.saturating_add(most);
        self.calls += 1;
        self.used_at = Instant::now();
    }

    /// What calls have cost, and what is set aside.
    fn sums(&self) -> (i64, i64) {
        let set_aside = self.held.saturating_add(self.claimed).saturating_add(self.room);
        (signed(self.spent), signed(set_aside))
    }

    fn has_excess(&self) -> bool {
        self.room > self.room_max
    }

    /// Sees how it stands with the budget.
    fn see(&mut self, spend: Spend) {
        let taken = spend.spent.saturating_add(spend.reserved);
        let left = signed(self.limit).saturating_sub(taken).saturating_add(signed(self.room));
        self.is_open = left >= 0;
        self.room_max = unsigned(left / IDLE_SHARE);
    }
}

/// What is below 0 is nothing.
fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}

#[cfg(test)]
mod tests;
