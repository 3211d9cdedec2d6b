//! What processes set aside for the calls of a key, and give back.

use super::*;
use crate::db::IDLE_SHARE;

/// What calls of a key take, in a process that runs for itself.
struct Process {
    budgets: Budgets,
    key: Arc<str>,
    now: Timestamp,
}

impl Process {
    fn new(db: &Db) -> Self {
        let budgets = Budgets::new(db.clone(), SETTINGS);
        Self { budgets, key: "k".into(), now: Timestamp::now() }
    }

    /// Whether a call may be made, which is under way from then on.
    async fn begins(&self, most: u64, budget: Budget) -> Option<Arc<Slice>> {
        match self.budgets.0.pay(&self.key, budget, MicroUsd::new(most), self.now).await {
            Ok(slice) => Some(slice),
            Err(Refused::Exhausted { .. }) => None,
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Makes calls that cost a tenth of what they may.
    async fn calls(&self, count: usize, most: u64, budget: Budget) {
        for _ in 0..count {
            self.begins(most, budget).await.unwrap().end(most, most / 10);
        }
    }

    async fn report(&self, due: Due) {
        self.budgets.report(due).await.unwrap();
    }
}

/// Runs a test with two processes over a database of each kind.
async fn on_two(test: impl AsyncFn(&Db, Process, Process)) {
    on_each(async |db| {
        test(db, Process::new(db), Process::new(db)).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_crash_costs_little_more_than_calls() {
    on_two(async |db, one, two| {
        one.calls(100, 1_000, budget(1_000_000)).await;
        let under_way = one.begins(1_000, budget(1_000_000)).await;
        let lapses = Timestamp::now().as_millis() + 3_600_000;
        let Spend { spent, reserved } = db.spend("k", "total").await.unwrap();
        // It was not heard of for long, and the other one notices.
        assert_eq!(two.budgets.0.db.charge_lapsed(lapses).await.unwrap(), [reserved]);
        let after = db.spend("k", "total").await.unwrap();
        assert_eq!(after, Spend { spent: spent + reserved, reserved: 0 });
        let idle_max = 1_000_000 / IDLE_SHARE;
        assert!((11_000..=11_000 + idle_max).contains(&after.spent), "{after:?}");
        // It was only away.
        under_way.unwrap().end(1_000, 100);
        one.report(Due::End).await;
        let spend = Spend { spent: 10_100, reserved: 0 };
        assert_eq!(db.spend("k", "total").await.unwrap(), spend);
    })
    .await;
}

#[tokio::test]
async fn another_budget_counts_at_once_for_what_is_set_aside_already() {
    on_two(async |db, one, _| {
        one.calls(20, 1_000, budget(1_000_000)).await;
        assert!(one.begins(1_000, budget(2_999)).await.is_none());
        assert_eq!(db.spend("k", "total").await.unwrap(), Spend { spent: 2_000, reserved: 0 });
        let raised = one.begins(1_000, budget(4_000)).await;
        assert!(one.begins(1_001, budget(4_000)).await.is_none());
        assert!(raised.is_some() && one.begins(1_000, budget(4_000)).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn what_is_left_of_yesterday_pays_nothing_today() {
    const DAY: i64 = 24 * 3_600 * 1_000;
    on_two(async |db, mut one, _| {
        let today = one.now;
        one.now = Timestamp::from_millis(today.as_millis() - DAY);
        let daily = Budget { micro_usd: 1_000, period: Period::Day };
        let (before, after) = (Span::of(Period::Day, one.now), Span::of(Period::Day, today));
        one.begins(900, daily).await.unwrap().end(900, 50);
        let under_way = one.begins(900, daily).await;
        one.now = today;
        // Nothing is left of it tomorrow, when a call begins that may cost all.
        let whole = one.begins(1_000, daily).await;
        assert!(under_way.is_some() && whole.is_some());
        one.report(Due::News).await;
        let spend = async |span: &Span| db.spend("k", span.name()).await.unwrap();
        assert_eq!(spend(&before).await, Spend { spent: 50, reserved: 900 });
        assert_eq!(spend(&after).await, Spend { spent: 0, reserved: 1_000 });
        under_way.unwrap().end(900, 60);
        one.report(Due::News).await;
        assert_eq!(spend(&before).await, Spend { spent: 110, reserved: 0 });
    })
    .await;
}

#[tokio::test]
async fn what_no_call_uses_goes_back_in_seconds() {
    on_two(async |db, one, two| {
        one.calls(50, 1_000, budget(100_000)).await;
        let held = db.spend("k", "total").await.unwrap().reserved;
        assert!(held > 1_000, "{held}");
        assert!(two.begins(95_000, budget(100_000)).await.is_none());
        one.budgets.0.slices.read().unwrap()["k"][0].grow_idle();
        one.report(Due::News).await;
        assert!(two.begins(95_000, budget(100_000)).await.is_some());
        assert!(one.budgets.0.slices.read().unwrap().is_empty());
    })
    .await;
}

/// The whole is the same, wherever it was set aside.
#[tokio::test]
async fn what_a_call_cost_too_much_is_paid_by_the_next_ones() {
    on_two(async |db, one, _| {
        let whole = budget(1_000_000);
        one.calls(50, 1_000, whole).await;
        one.report(Due::News).await;
        let taken = async || {
            let Spend { spent, reserved } = db.spend("k", "total").await.unwrap();
            spent + reserved
        };
        let before = taken().await;
        let call = one.begins(1_000, whole).await.unwrap();
        call.end(1_000, 1_500);
        one.report(Due::News).await;
        assert_eq!(taken().await, before);
        let call = one.begins(1_000, whole).await.unwrap();
        call.end(1_000, 1_000_000);
        assert!(!call.pay(1, whole));
        assert!(one.begins(1, whole).await.is_none());
        one.report(Due::End).await;
        let spend = Spend { spent: 5_000 + 1_500 + 1_000_000, reserved: 0 };
        assert_eq!(db.spend("k", "total").await.unwrap(), spend);
    })
    .await;
}

/// Calls that cost nothing change no sum, and are reason enough to keep what is set aside.
#[tokio::test]
async fn who_pays_nothing_learns_that_little_is_left() {
    on_two(async |db, one, two| {
        let whole = budget(1_000_000);
        one.calls(50, 1_000, whole).await;
        one.report(Due::News).await;
        let Spend { spent, reserved } = db.spend("k", "total").await.unwrap();
        let most = u64::try_from(1_000_000 - spent - reserved).unwrap();
        two.begins(most, whole).await.unwrap().end(most, most);
        two.report(Due::End).await;
        let slice = one.begins(100, whole).await.unwrap();
        slice.end(100, 0);
        one.report(Due::News).await;
        assert_eq!(db.spend("k", "total").await.unwrap().reserved, reserved);
        slice.grow_deaf();
        one.report(Due::News).await;
        one.report(Due::Excess).await;
        let left = db.spend("k", "total").await.unwrap().reserved;
        assert!(left <= reserved / IDLE_SHARE, "{left} of {reserved}");
    })
    .await;
}

/// What one has set aside for its next calls is no use to it when nobody else has anything.
#[tokio::test]
async fn what_is_set_aside_shrinks_as_the_budget_nears_its_end() {
    on_two(async |db, one, two| {
        one.calls(50, 1_000, budget(1_000_000)).await;
        one.report(Due::News).await;
        let Spend { spent, reserved } = db.spend("k", "total").await.unwrap();
        assert!(spent == 5_000 && reserved > 1_000, "{spent}, {reserved}");
        let rest = 1_000_000 - spent - reserved;
        let most = u64::try_from(rest).unwrap();
        two.begins(most, budget(1_000_000)).await.unwrap().end(most, most);
        two.report(Due::End).await;
        // A call of its own is enough for it to learn of that.
        one.calls(1, 100, budget(1_000_000)).await;
        one.report(Due::News).await;
        one.report(Due::Excess).await;
        let left = db.spend("k", "total").await.unwrap().reserved;
        assert!(left <= reserved / IDLE_SHARE, "{left} of {reserved}");
    })
    .await;
}
