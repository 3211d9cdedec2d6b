//! What is done behind the back of calls: settling them, and looking after leases.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{Budgets, Span, signed};
use crate::{db::DbError, services::keys::Period, time::Timestamp};

/// The most calls in one transaction.
const BATCH_MAX: usize = 200;
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// How long a process that was taken for gone may come back and say what its calls cost.
const CHARGED_KEPT_MILLIS: i64 = DAY_MILLIS;
/// How long what was spent on a day or in a month is kept: two months after it.
const PERIODS_KEPT_MILLIS: i64 = 62 * DAY_MILLIS;
const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;
/// How long the end of the program waits for the last calls to be settled.
const CLOSE_MAX: Duration = Duration::from_secs(5);

impl Budgets {
    /// Settles calls and keeps leases, for ever.
    pub(crate) async fn run(self) {
        // Two chances are missed before the lease is over.
        let pause = self.0.settings.lease / 3;
        let mut next = Instant::now();
        let mut was_away = false;
        loop {
            let woken = self.has_news_before(next).await;
            let done = match woken {
                true => self.settle_all().await,
                false => self.look_after_leases().await,
            };
            match done {
                Ok(()) => {
                    if std::mem::take(&mut was_away) {
                        tracing::info!("what calls cost is settled again");
                    }
                    if !woken {
                        next = Instant::now() + pause;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut was_away, true) {
                        tracing::warn!(%error, "what calls cost cannot be settled yet");
                    }
                    sleep(RETRY).await;
                    next = Instant::now();
                }
            }
        }
    }

    /// Waits for something to be settled until it is time to look after leases, which are not kept
    /// waiting by calls that end all the time.
    pub(super) async fn has_news_before(&self, next: Instant) -> bool {
        Instant::now() < next && timeout_at(next, self.0.news.notified()).await.is_ok()
    }

    /// Settles what is left, when no call is made any more.
    pub(crate) async fn close(&self) {
        let ends = Instant::now() + CLOSE_MAX;
        while let Err(error) = self.settle_all().await {
            if Instant::now() + RETRY > ends {
                let calls = self.0.calls().len();
                tracing::warn!(%error, calls, "the budgets are charged with the most that calls cost");
                return;
            }
            sleep(RETRY).await;
        }
    }

    pub(super) async fn look_after_leases(&self) -> Result<(), DbError> {
        // Those that could not be settled before.
        self.settle_all().await?;
        let inner = &*self.0;
        let now = Timestamp::now();
        inner.db.renew(&inner.process, inner.expires_at(now)).await?;
        self.give_back_strays().await?;
        let now = now.as_millis();
        for lapsed in inner.db.charge_lapsed(now, signed(BATCH_MAX as u64)).await? {
            let (key, period, micro_usd) = (lapsed.key, lapsed.period, lapsed.amount);
            tracing::warn!(
                key,
                period,
                micro_usd,
                "the process of a call is gone: the budget is charged with the most that it may cost"
            );
        }
        inner.db.forget_charged(now.saturating_sub(CHARGED_KEPT_MILLIS)).await?;
        self.forget_periods(now).await
    }

    /// Forgets periods that are long over, once a day.
    async fn forget_periods(&self, now: i64) -> Result<(), DbError> {
        if now.saturating_sub(self.0.forgot_at.load(Relaxed)) < DAY_MILLIS {
            return Ok(());
        }
        let oldest = Timestamp::from_millis(now.saturating_sub(PERIODS_KEPT_MILLIS));
        self.0.db.forget_periods(Span::of(Period::Month, oldest).name()).await?;
        self.0.forgot_at.store(now, Relaxed);
        Ok(())
    }

    /// Gives back what was set aside for callers who left at that very moment: the database may have
    /// noted it after it was asked to forget it.
    async fn give_back_strays(&self) -> Result<(), DbError> {
        let noted = self.0.db.reservations_of(&self.0.process).await?;
        let is_stray = |id: &&String| !self.0.calls().contains_key(id.as_str());
        let strays: Vec<_> = noted.iter().filter(is_stray).map(|id| (id.as_str(), 0)).collect();
        for batch in strays.chunks(BATCH_MAX) {
            self.0.db.settle(batch).await?;
        }
        Ok(())
    }

    /// Settles all calls whose cost is known.
    pub(super) async fn settle_all(&self) -> Result<(), DbError> {
        let ended = self.ended();
        for batch in ended.chunks(BATCH_MAX) {
            let costs: Vec<_> = batch.iter().map(|(id, cost)| (&**id, signed(*cost))).collect();
            self.0.db.settle(&costs).await?;
            let mut calls = self.0.calls();
            for (id, _) in batch {
                calls.remove(id);
            }
        }
        Ok(())
    }

    /// The calls whose cost is known, with it.
    fn ended(&self) -> Vec<(Arc<str>, u64)> {
        let calls = self.0.calls();
        let cost = |(id, cost): (&Arc<str>, &Option<u64>)| Some((id.clone(), (*cost)?));
        calls.iter().filter_map(cost).collect()
    }
}
