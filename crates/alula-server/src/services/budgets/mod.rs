//! What keys may spend: set aside before a call, and settled after it.
//!
//! The database adds up, for all processes. Each call is a row there until it is settled; its
//! process says every few seconds that it is still there. Whoever is not heard of within the lease is
//! taken for gone, and its calls are charged with all that was set aside for them: the provider may
//! have charged as much.

mod period;
mod settling;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicI64},
    time::Duration,
};

use alula_llm::{CallRecord, CallSize, Llm, MicroUsd, ModelSize, Outcome};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use self::period::Span;
use super::keys::Budget;
use crate::{
    db::{Db, DbError, Reservation, Spend},
    time::Timestamp,
};

/// How budgets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetSettings {
    /// How long a process is believed to make its calls without a word.
    pub(crate) lease: Duration,
    /// How large a model is of which that is not known.
    pub(crate) unknown_model: ModelSize,
    /// Whether a key with a budget may ask models whose price nobody knows, as if they cost nothing.
    pub(crate) allows_unknown_prices: bool,
}

/// The budgets of all keys. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Budgets(Arc<Inner>);

struct Inner {
    db: Db,
    settings: BudgetSettings,
    /// The name of this process.
    process: String,
    /// The calls of this process that the database knows as under way, with what they cost once that
    /// is known.
    calls: Mutex<HashMap<Arc<str>, Option<u64>>>,
    /// There is something to be settled.
    news: Notify,
    /// When periods that are over were forgotten last.
    forgot_at: AtomicI64,
}

/// Why there is no money for a call.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It might cost more than is left.
    Exhausted { most: MicroUsd, budget: Budget, spend: Spend },
    /// Nobody can say what it costs at this target, `provider/model`.
    UnknownPrice(String),
    /// Nobody can say what is left.
    Away(DbError),
}

impl Budgets {
    pub(crate) fn new(db: Db, settings: BudgetSettings) -> Self {
        let process = Uuid::now_v7().simple().to_string();
        let (calls, news, forgot_at) = (Mutex::default(), Notify::new(), AtomicI64::new(0));
        Self(Arc::new(Inner { db, settings, process, calls, news, forgot_at }))
    }

    /// Sets aside the most that a call may cost; nothing if that is nothing, or if nobody can be
    /// asked for the model.
    pub(crate) async fn reserve(
        &self,
        key: &Arc<str>,
        budget: Budget,
        llm: &Llm,
        (model, size): (&str, CallSize),
    ) -> Result<Option<Hold>, Refused> {
        let BudgetSettings { unknown_model, allows_unknown_prices, .. } = self.0.settings;
        let Ok(ceiling) = llm.known_cost_ceiling(model, &size, unknown_model) else {
            return Ok(None);
        };
        let most = ceiling.known;
        match ceiling.unpriced {
            Some(target) if !allows_unknown_prices => return Err(Refused::UnknownPrice(target)),
            // What it costs may be known in the end: a provider may say so itself.
            Some(_) => {}
            None if most.get() == 0 => return Ok(None),
            None => {}
        }
        let now = Timestamp::now();
        let period = Span::of(budget.period, now);
        let id: Arc<str> = Uuid::now_v7().simple().to_string().into();
        // It is known here first, so that it is given back if the caller leaves meanwhile.
        self.0.calls().insert(id.clone(), None);
        let hold = Hold { budgets: self.clone(), id: Some(id.clone()), most, size };
        let reservation = Reservation {
            id: &id,
            process: &self.0.process,
            key,
            period: period.name(),
            amount: signed(most.get()),
            expires_at: self.0.expires_at(now),
        };
        match self.0.db.reserve(reservation, signed(budget.micro_usd)).await {
            Ok(Ok(())) => Ok(Some(hold)),
            Ok(Err(spend)) => {
                hold.forget();
                Err(Refused::Exhausted { most, budget, spend })
            }
            // Perhaps it was noted all the same; then it is given back.
            Err(error) => Err(Refused::Away(error)),
        }
    }
}

impl Inner {
    fn calls(&self) -> MutexGuard<'_, HashMap<Arc<str>, Option<u64>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expires_at(&self, now: Timestamp) -> i64 {
        let lease = i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX);
        now.as_millis().saturating_add(lease)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Money that is set aside for a call. Dropping it says that the call was not made.
#[derive(Debug)]
pub(crate) struct Hold {
    budgets: Budgets,
    /// Nothing once it is settled.
    id: Option<Arc<str>>,
    most: MicroUsd,
    size: CallSize,
}

impl Hold {
    /// Settles what became of the call.
    pub(crate) fn settle(mut self, record: &CallRecord, llm: &Llm) {
        let cost = self.cost(record, llm);
        self.end(cost.get());
    }

    /// What a call costs of which this is known: what the provider has said, and what it has not
    /// said is taken for the most that it can be.
    fn cost(&self, record: &CallRecord, llm: &Llm) -> MicroUsd {
        // Nobody has worked on it.
        if record.is_cached || record.refusals == record.attempts {
            return MicroUsd::default();
        }
        let known = record.cost.map(|cost| cost.total());
        match (&record.outcome, known) {
            (Outcome::Answered, Some(cost)) => cost,
            (_, None) if self.is_free(record, llm) => MicroUsd::default(),
            (_, None) => self.most,
            // It broke off: the prompt is counted, the answer may not be.
            (_, Some(cost)) => (cost + self.answer(record, llm)).min(self.most).max(cost),
        }
    }

    /// Whether the only one that has worked on it answered, has no price and is taken for free.
    fn is_free(&self, record: &CallRecord, llm: &Llm) -> bool {
        let BudgetSettings { unknown_model, allows_unknown_prices, .. } = self.budgets.0.settings;
        let (Some(provider), Some(model)) = (&record.provider, &record.model) else { return false };
        let has_price = || {
            let target = format!("{provider}/{model}");
            llm.cost_ceiling(&target, &self.size, unknown_model).is_ok()
        };
        let is_only_one = record.attempts == record.refusals.saturating_add(1);
        let has_answered = is_only_one && record.outcome == Outcome::Answered;
        allows_unknown_prices && has_answered && !has_price()
    }

    /// The most that the answer alone can cost.
    fn answer(&self, record: &CallRecord, llm: &Llm) -> MicroUsd {
        let (Some(provider), Some(model)) = (&record.provider, &record.model) else {
            return self.most;
        };
        let mut size = CallSize::of_tokens(0, 0);
        (size.output, size.answers) = (self.size.output, self.size.answers);
        let unknown = self.budgets.0.settings.unknown_model;
        llm.cost_ceiling(&format!("{provider}/{model}"), &size, unknown).unwrap_or(self.most)
    }

    /// Forgets it: the database does not know it.
    fn forget(mut self) {
        if let Some(id) = self.id.take() {
            self.budgets.0.calls().remove(&id);
        }
    }

    fn end(&mut self, cost: u64) {
        let Some(id) = self.id.take() else { return };
        if let Some(known) = self.budgets.0.calls().get_mut(&id) {
            *known = Some(cost);
        }
        self.budgets.0.news.notify_one();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(0);
    }
}

/// As the database has it.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
