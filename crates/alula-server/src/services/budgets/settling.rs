//! What is done behind the back of calls: reporting what they cost, giving back what they do not
//! need, and looking after leases.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::MutexGuard,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Budgets, Inner, Span, in_time,
    slice::{Due, Slice},
};
use crate::{
    db::{DbError, Report},
    services::keys::Period,
    time::Timestamp,
};

/// How often what calls cost is reported.
const PAUSE: Duration = Duration::from_secs(1);
/// What slices have too much is given back together with what comes in so short a time.
const GATHER: Duration = Duration::from_millis(20);
/// The most slices in one transaction, which keeps their keys from other processes meanwhile.
const BATCH_MAX: usize = 20;
/// The most slices that are charged at a time.
const LAPSED_MAX: i64 = 200;
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// How long a process that was taken for gone may come back and say what its calls cost.
const CHARGED_KEPT_MILLIS: i64 = DAY_MILLIS;
/// How long what was spent on a day or in a month is kept: two months after it.
const PERIODS_KEPT_MILLIS: i64 = 62 * DAY_MILLIS;
const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;
/// How long the end of the program waits for the last calls to be settled.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long it waits for a call that asks for a slice, before it turns to the others.
const TURN_MAX: Duration = Duration::from_millis(200);

impl Budgets {
    /// Settles calls and keeps leases, for ever.
    pub(crate) async fn run(self) {
        // Two chances are missed before the lease is over.
        let pause = self.0.settings.lease / 3;
        let (mut next, mut next_look) = (Instant::now(), Instant::now());
        let mut was_away = false;
        loop {
            let woken = self.has_excess_before(next).await;
            let is_look = Instant::now() >= next_look;
            let done = match (is_look, woken) {
                (true, _) => self.look_after_leases().await,
                (false, false) => self.report(Due::News).await,
                (false, true) => {
                    sleep(GATHER).await;
                    self.report(Due::Excess).await
                }
            };
            let now = Instant::now();
            match done {
                Ok(()) => {
                    if std::mem::take(&mut was_away) {
                        tracing::info!("what calls cost is settled again");
                    }
                    if is_look {
                        next_look = now + pause;
                    }
                    if is_look || !woken {
                        next = now + PAUSE.min(pause);
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut was_away, true) {
                        tracing::warn!(%error, "what calls cost cannot be settled yet");
                    }
                    sleep(RETRY).await;
                    (next, next_look) = (now, now);
                }
            }
        }
    }

    /// Waits for something to be given back until it is time to report all, which is not kept
    /// waiting by calls that end all the time.
    pub(super) async fn has_excess_before(&self, next: Instant) -> bool {
        Instant::now() < next && timeout_at(next, self.0.excess.notified()).await.is_ok()
    }

    /// Settles what is left, when no call is made any more.
    pub(crate) async fn close(&self) {
        let ends = Instant::now() + CLOSE_MAX;
        loop {
            let reported = timeout_at(ends, self.report(Due::End)).await;
            let Err(error) = reported.unwrap_or(Err(DbError::TooSlow(CLOSE_MAX))) else { return };
            if Instant::now() + RETRY > ends {
                tracing::warn!(%error, "the budgets are charged with all that was set aside");
                return;
            }
            sleep(RETRY).await;
        }
    }

    pub(super) async fn look_after_leases(&self) -> Result<(), DbError> {
        let inner = &*self.0;
        let (now, ends) = (Timestamp::now(), self.gives_up_at());
        // Before all else: what stands in the way of a report is no reason to be taken for gone.
        in_time(inner.db.renew(&inner.process, inner.expires_at(now))).await?;
        let reported = self.report(Due::News).await;
        let now = now.as_millis();
        let charged = self.charge_lapsed(now, ends).await;
        reported.and(charged)?;
        in_time(inner.db.forget_charged(now.saturating_sub(CHARGED_KEPT_MILLIS))).await?;
        self.forget_periods(now).await
    }

    /// Charges what processes have set aside that are gone. One key that cannot be charged now keeps
    /// no other from it, as long as that costs no lease.
    async fn charge_lapsed(&self, now: i64, ends: Instant) -> Result<(), DbError> {
        let db = &self.0.db;
        let mut done = Ok(());
        for lapsed in in_time(db.lapsed(now, LAPSED_MAX)).await? {
            match in_time(db.charge(&lapsed, now)).await {
                Ok(None) => {}
                Ok(Some(micro_usd)) => tracing::warn!(
                    key = lapsed.key,
                    period = lapsed.period,
                    micro_usd,
                    "a process is gone: the budget is charged with all that was set aside for its \
                     calls"
                ),
                Err(error) => done = done.and(Err(error)),
            }
            if done.is_err() && Instant::now() >= ends {
                break;
            }
        }
        done
    }

    /// Until when others are tried after a failure: the next look comes in time for the lease.
    fn gives_up_at(&self) -> Instant {
        Instant::now() + self.0.settings.lease / 6
    }

    /// Forgets periods that are long over, once a day.
    async fn forget_periods(&self, now: i64) -> Result<(), DbError> {
        if now.saturating_sub(self.0.forgot_at.load(Relaxed)) < DAY_MILLIS {
            return Ok(());
        }
        let oldest = Timestamp::from_millis(now.saturating_sub(PERIODS_KEPT_MILLIS));
        in_time(self.0.db.forget_periods(Span::of(Period::Month, oldest).name())).await?;
        self.0.forgot_at.store(now, Relaxed);
        Ok(())
    }

    /// Reports the slices that it is time for, but for those that calls ask for just now. A batch
    /// that fails leaves the others their turns, as long as that costs no lease.
    ///
    /// # Errors
    ///
    /// The first of them all.
    pub(super) async fn report(&self, due: Due) -> Result<(), DbError> {
        let ends = self.gives_up_at();
        let mut done = Ok(());
        for batch in self.0.sorted(due).chunks(BATCH_MAX) {
            done = done.and(self.0.report_batch(batch, due).await);
            if done.is_err() && Instant::now() >= ends {
                break;
            }
        }
        done
    }
}

impl Inner {
    /// Those slices that may be due, in the order in which they are reported.
    fn sorted(&self, due: Due) -> Vec<Arc<Slice>> {
        let slices = self.slices.read().unwrap_or_else(PoisonError::into_inner);
        let may_be = |slice: &&Arc<Slice>| due != Due::Excess || slice.has_excess();
        let mut sorted: Vec<_> = slices.values().flatten().filter(may_be).cloned().collect();
        drop(slices);
        sorted.sort_by(|a, b| (&a.key, a.span.name()).cmp(&(&b.key, b.span.name())));
        sorted
    }

    async fn report_batch(&self, batch: &[Arc<Slice>], due: Due) -> Result<(), DbError> {
        let now = Timestamp::now();
        let mut turns: Vec<(&Arc<Slice>, MutexGuard<'_, _>)> = Vec::new();
        let mut reports: Vec<Report<'_>> = Vec::new();
        let mut skipped = Ok(());
        for slice in batch {
            let Some(turn) = slice.turn(due).await else {
                // Nobody reports it later.
                if due == Due::End {
                    skipped = Err(DbError::TooSlow(TURN_MAX));
                }
                continue;
            };
            let Some(report) = slice.tell(due, now, self.reporter(now)) else { continue };
            turns.push((slice, turn));
            reports.push(report);
        }
        if reports.is_empty() {
            return skipped;
        }
        let answers = in_time(self.db.report(&reports)).await?;
        for (((slice, turn), report), answer) in turns.into_iter().zip(&reports).zip(answers) {
            slice.hear(report, answer, None);
            if slice.is_over() {
                self.remove(slice);
            }
            drop(turn);
        }
        skipped
    }
}

impl Slice {
    /// The right to report it; nothing while a call asks for it.
    async fn turn(&self, due: Due) -> Option<MutexGuard<'_, Option<Instant>>> {
        match due {
            Due::Excess | Due::News => self.asking.try_lock().ok(),
            Due::End => timeout(TURN_MAX, self.asking.lock()).await.ok(),
        }
    }
}
