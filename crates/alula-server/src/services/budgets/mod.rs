//! What keys may spend: set aside before a call, and settled after it.
//!
//! The database adds up, for all processes. A process sets aside a [`Slice`] of a budget there, a row
//! for itself, and pays calls from it in memory; what they cost is reported every second. It says
//! again and again that it is still there. Whoever is not heard of within the lease is taken for
//! gone, and all that it has set aside is charged: providers may have charged as much.

mod period;
mod settling;
mod slice;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicI64},
    time::Duration,
};

use alula_llm::{CallRecord, CallSize, Llm, MicroUsd, ModelSize, Outcome};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use uuid::Uuid;

pub(crate) use self::period::Span;
use self::slice::{Reporter, Slice};
use super::keys::Budget;
use crate::{
    db::{Answer, Db, DbError, Spend},
    time::Timestamp,
};

/// How long the database is waited for. What it is told may be told again.
const ANSWER_MAX: Duration = Duration::from_secs(5);

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
    /// The slices of each key: one of each period that calls under way began in.
    slices: RwLock<HashMap<Arc<str>, Vec<Arc<Slice>>>>,
    /// A slice has more room than it may have.
    excess: Notify,
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
        let (slices, excess, forgot_at) = (RwLock::default(), Notify::new(), AtomicI64::new(0));
        Self(Arc::new(Inner { db, settings, process, slices, excess, forgot_at }))
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
        let slice = self.0.pay(key, budget, most, Timestamp::now()).await?;
        Ok(Some(Hold { budgets: self.clone(), slice: Some(slice), most, size }))
    }
}

impl Inner {
    /// Pays the most that a call may cost. The database is asked if what is set aside is too little.
    async fn pay(
        &self,
        key: &Arc<str>,
        budget: Budget,
        most: MicroUsd,
        now: Timestamp,
    ) -> Result<Arc<Slice>, Refused> {
        let slice = self.slice(key, budget, now);
        if slice.pay(most.get(), budget) {
            return Ok(slice);
        }
        // In a box, for which all other calls need no room: it is larger than what they are.
        Box::pin(self.pay_by_database(key, budget, most, now)).await
    }

    async fn pay_by_database(
        &self,
        key: &Arc<str>,
        budget: Budget,
        most: MicroUsd,
        now: Timestamp,
    ) -> Result<Arc<Slice>, Refused> {
        let mut came = None;
        loop {
            let slice = self.slice(key, budget, now);
            if slice.pay(most.get(), budget) {
                return Ok(slice);
            }
            let came = *came.get_or_insert_with(Instant::now);
            let mut failed_at = slice.asking.lock().await;
            // Whoever was before may have got enough for this call as well, or have asked in vain.
            if slice.pay(most.get(), budget) {
                drop(failed_at);
                return Ok(slice);
            }
            if failed_at.is_some_and(|moment| moment >= came) {
                return Err(Refused::Away(DbError::TooSlow(came.elapsed())));
            }
            if slice.is_over() {
                continue;
            }
            match self.ask(&slice, budget, most.get()).await {
                Ok(Answer::Granted { .. }) => {
                    drop(failed_at);
                    return Ok(slice);
                }
                Ok(Answer::Refused(spend)) => {
                    return Err(Refused::Exhausted { most, budget, spend });
                }
                Ok(Answer::Gone) => self.remove(&slice),
                Err(error) => {
                    *failed_at = Some(Instant::now());
                    return Err(Refused::Away(error));
                }
            }
        }
    }

    /// Asks the database to set aside what a call needs.
    async fn ask(&self, slice: &Slice, budget: Budget, most: u64) -> Result<Answer, DbError> {
        let report = slice.ask(most, budget, self.reporter(Timestamp::now()));
        let answers = in_time(self.db.report(&[report])).await?;
        let answer = answers.into_iter().next().unwrap_or(Answer::Gone);
        slice.hear(&report, answer, Some(most));
        Ok(answer)
    }

    /// What is set aside for a key now, which may be nothing yet.
    fn slice(&self, key: &Arc<str>, budget: Budget, now: Timestamp) -> Arc<Slice> {
        let is_it =
            |slice: &&Arc<Slice>| slice.span.is_still(budget.period, now) && !slice.is_over();
        let find = |of_key: &Vec<Arc<Slice>>| of_key.iter().find(is_it).cloned();
        let slices = self.slices.read().unwrap_or_else(PoisonError::into_inner);
        let found = slices.get(key).and_then(find);
        drop(slices);
        found.unwrap_or_else(|| {
            let mut slices = self.slices.write().unwrap_or_else(PoisonError::into_inner);
            let of_key = slices.entry(key.clone()).or_default();
            find(of_key).unwrap_or_else(|| {
                let slice = Arc::new(Slice::new(key.clone(), Span::of(budget.period, now)));
                of_key.push(slice.clone());
                slice
            })
        })
    }

    /// Forgets a slice that is over.
    fn remove(&self, slice: &Arc<Slice>) {
        let mut slices = self.slices.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_key) = slices.get_mut(&slice.key) {
            of_key.retain(|other| !Arc::ptr_eq(other, slice));
            if of_key.is_empty() {
                slices.remove(&slice.key);
            }
        }
    }

    fn reporter(&self, now: Timestamp) -> Reporter<'_> {
        Reporter { process: &self.process, expires_at: self.expires_at(now) }
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
    /// What it was paid from; nothing once it is settled.
    slice: Option<Arc<Slice>>,
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

    fn end(&mut self, cost: u64) {
        let Some(slice) = self.slice.take() else { return };
        if slice.end(self.most.get(), cost) {
            self.budgets.0.excess.notify_one();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(0);
    }
}

/// What the database says to this, or that it has said nothing within [`ANSWER_MAX`].
async fn in_time<T>(asked: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    timeout(ANSWER_MAX, asked).await.unwrap_or(Err(DbError::TooSlow(ANSWER_MAX)))
}

/// As the database has it.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
