//! What keys have spent, and what calls under way may spend.

use std::collections::{BTreeMap, HashMap};

use sqlx::AssertSqlSafe;

use super::{Db, DbError, reading, writing};

/// A call that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reservation<'a> {
    pub(crate) id: &'a str,
    /// The process that makes it.
    pub(crate) process: &'a str,
    pub(crate) key: &'a str,
    pub(crate) period: &'a str,
    /// In micro-dollars, as everything here.
    pub(crate) amount: i64,
    pub(crate) expires_at: i64,
}

/// How it stands with a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spend {
    pub(crate) spent: i64,
    /// By calls that are under way.
    pub(crate) reserved: i64,
}

/// A call whose process was taken for gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lapsed {
    pub(crate) key: String,
    pub(crate) period: String,
    pub(crate) amount: i64,
}

/// A call that was settled: its id, key and period, what was set aside for it, and whether that was
/// charged.
type Ended = (String, String, String, i64, i64);

/// What is spent, and what is no longer set aside, by key and period: in one order, so that processes
/// do not wait for each other in a circle.
fn sums(ended: Vec<Ended>, costs: &HashMap<&str, i64>) -> BTreeMap<(String, String), (i64, i64)> {
    let mut sums = BTreeMap::<_, (i64, i64)>::new();
    for (id, key, period, amount, is_charged) in ended {
        let cost = costs.get(&*id).copied().unwrap_or(amount);
        // What was charged when the process was taken for gone was too much.
        let (spent, freed) = match is_charged {
            0 => (cost, amount),
            _ => (cost.saturating_sub(amount), 0),
        };
        let sum = sums.entry((key, period)).or_default();
        *sum = (sum.0.saturating_add(spent), sum.1.saturating_add(freed));
    }
    sums
}

impl Db {
    /// Sets an amount aside if it is within the limit with all that is spent and set aside already.
    /// Else nothing changes, and this says how it stands.
    pub(crate) async fn reserve(
        &self,
        reservation: Reservation<'_>,
        limit: i64,
    ) -> Result<Result<(), Spend>, DbError> {
        let Reservation { id, process, key, period, amount, expires_at } = reservation;
        let take = "INSERT INTO budget_spend (key, period, spent, reserved) \
                    SELECT $1, $2, 0, $3 WHERE $3 <= $4 \
                    ON CONFLICT (key, period) DO UPDATE \
                    SET reserved = budget_spend.reserved + excluded.reserved \
                    WHERE budget_spend.spent + budget_spend.reserved <= $4 - excluded.reserved";
        let note = "INSERT INTO budget_reservations \
                    (id, process, key, period, amount, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let is_within = writing!(self, |tx| {
            let query = sqlx::query(take).bind(key).bind(period).bind(amount).bind(limit);
            let is_within = query.execute(&mut *tx).await?.rows_affected() > 0;
            if is_within {
                let query = sqlx::query(note).bind(id).bind(process).bind(key).bind(period);
                query.bind(amount).bind(expires_at).execute(&mut *tx).await?;
            }
            is_within
        });
        match is_within {
            true => Ok(Ok(())),
            false => Ok(Err(self.spend(key, period).await?)),
        }
    }

    /// How it stands with the budget of a key.
    pub(crate) async fn spend(&self, key: &str, period: &str) -> Result<Spend, DbError> {
        let sql = "SELECT spent, reserved FROM budget_spend WHERE key = $1 AND period = $2";
        let row: Option<(i64, i64)> = reading!(self, |pool| {
            sqlx::query_as(sql).bind(key).bind(period).fetch_optional(pool).await?
        });
        Ok(row.map(|(spent, reserved)| Spend { spent, reserved }).unwrap_or_default())
    }

    /// Says what calls cost in truth. To say it twice changes nothing.
    pub(crate) async fn settle(&self, costs: &[(&str, i64)]) -> Result<(), DbError> {
        let Some((last, _)) = costs.last() else { return Ok(()) };
        // The same few statements for any number of calls: the last one is named again.
        let places = costs.len().next_power_of_two();
        let end = format!(
            "DELETE FROM budget_reservations WHERE id IN ({}) \
             RETURNING id, key, period, amount, is_charged",
            (1..=places).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
        );
        let count = "UPDATE budget_spend SET spent = spent + $1, reserved = reserved - $2 \
                     WHERE key = $3 AND period = $4";
        let cost_of: HashMap<&str, i64> = costs.iter().copied().collect();
        writing!(self, |tx| {
            let mut query = sqlx::query_as(AssertSqlSafe(end.as_str()));
            for place in 0..places {
                query = query.bind(costs.get(place).map_or(*last, |(id, _)| *id));
            }
            let ended: Vec<Ended> = query.fetch_all(&mut *tx).await?;
            for ((key, period), (spent, freed)) in sums(ended, &cost_of) {
                let query = sqlx::query(count).bind(spent).bind(freed).bind(key).bind(period);
                query.execute(&mut *tx).await?;
            }
        });
        Ok(())
    }

    /// Says that the calls of a process are still under way.
    pub(crate) async fn renew(&self, process: &str, expires_at: i64) -> Result<(), DbError> {
        let sql = "UPDATE budget_reservations SET expires_at = $1 \
                   WHERE process = $2 AND is_charged = 0";
        writing!(self, |tx| {
            sqlx::query(sql).bind(expires_at).bind(process).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// The calls of a process that are not settled.
    pub(crate) async fn reservations_of(&self, process: &str) -> Result<Vec<String>, DbError> {
        let sql = "SELECT id FROM budget_reservations WHERE process = $1 AND is_charged = 0";
        let rows: Vec<(String,)> =
            reading!(self, |pool| { sqlx::query_as(sql).bind(process).fetch_all(pool).await? });
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Charges calls whose processes have not been heard of with all that was set aside for them,
    /// up to so many of them.
    pub(crate) async fn charge_lapsed(&self, now: i64, max: i64) -> Result<Vec<Lapsed>, DbError> {
        let find = "SELECT id, key, period, amount FROM budget_reservations \
                    WHERE is_charged = 0 AND expires_at < $1 ORDER BY key, period, id LIMIT $2";
        let found: Vec<(String, String, String, i64)> = reading!(self, |pool| {
            sqlx::query_as(find).bind(now).bind(max).fetch_all(pool).await?
        });
        let mut charged = Vec::new();
        for (id, key, period, amount) in found {
            if self.charge(&id, now).await? {
                charged.push(Lapsed { key, period, amount });
            }
        }
        Ok(charged)
    }

    /// Whether it was this process that did it.
    async fn charge(&self, id: &str, now: i64) -> Result<bool, DbError> {
        let mark = "UPDATE budget_reservations SET is_charged = 1 \
                    WHERE id = $1 AND is_charged = 0 AND expires_at < $2 \
                    RETURNING key, period, amount";
        let count = "UPDATE budget_spend SET spent = spent + $1, reserved = reserved - $1 \
                     WHERE key = $2 AND period = $3";
        let charged = writing!(self, |tx| {
            let marked = sqlx::query_as(mark).bind(id).bind(now).fetch_optional(&mut *tx).await?;
            let marked: Option<(String, String, i64)> = marked;
            if let Some((key, period, amount)) = &marked {
                let query = sqlx::query(count).bind(amount).bind(key).bind(period);
                query.execute(&mut *tx).await?;
            }
            marked.is_some()
        });
        Ok(charged)
    }

    /// Forgets calls that were charged before this time: nobody will say any more what they cost.
    pub(crate) async fn forget_charged(&self, before: i64) -> Result<(), DbError> {
        let sql = "DELETE FROM budget_reservations WHERE is_charged = 1 AND expires_at < $1";
        writing!(self, |tx| {
            sqlx::query(sql).bind(before).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Forgets what was spent on days and in months before this month.
    pub(crate) async fn forget_periods(&self, month: &str) -> Result<(), DbError> {
        let sql = "DELETE FROM budget_spend \
                   WHERE period < $1 AND period <> 'total' AND reserved = 0";
        writing!(self, |tx| {
            sqlx::query(sql).bind(month).execute(&mut *tx).await?;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{join, join_all};

    use super::{super::testing::on_each, *};

    fn reservation<'a>(id: &'a str, process: &'a str, amount: i64) -> Reservation<'a> {
        Reservation { id, process, key: "k", period: "2026-11", amount, expires_at: 60 }
    }

    #[tokio::test]
    async fn what_is_set_aside_and_spent_is_within_the_limit() {
        on_each(async |db| {
            assert_eq!(db.reserve(reservation("a", "p", 101), 100).await?, Err(Spend::default()));
            assert_eq!(db.reserve(reservation("b", "p", 60), 100).await?, Ok(()));
            let spend = Spend { spent: 0, reserved: 60 };
            assert_eq!(db.reserve(reservation("c", "p", 41), 100).await?, Err(spend));
            assert_eq!(db.reserve(reservation("d", "p", 40), 100).await?, Ok(()));
            db.settle(&[("b", 25)]).await?;
            db.settle(&[("b", 25), ("d", 0)]).await?;
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 25, reserved: 0 });
            assert_eq!(db.reserve(reservation("e", "p", 75), 100).await?, Ok(()));
            assert_eq!(db.spend("k", "2026-12").await?, Spend::default());
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn who_is_gone_is_charged_once_and_may_come_back() {
        on_each(async |db| {
            for (id, process) in [("a", "gone"), ("b", "gone"), ("c", "here")] {
                assert_eq!(db.reserve(reservation(id, process, 10), 100).await?, Ok(()));
            }
            db.renew("here", 200).await?;
            let charges = join_all((0..4).map(|_| db.charge_lapsed(100, 10))).await;
            let charged: Vec<_> = charges.into_iter().flat_map(Result::unwrap).collect();
            let lapsed = Lapsed { key: "k".into(), period: "2026-11".into(), amount: 10 };
            assert_eq!(charged, [lapsed.clone(), lapsed]);
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 20, reserved: 10 });
            // It was only away, and knows what its call cost.
            db.settle(&[("a", 3)]).await?;
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 13, reserved: 10 });
            db.forget_charged(100).await?;
            db.settle(&[("b", 3), ("c", 4)]).await?;
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 17, reserved: 0 });
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn periods_of_long_ago_are_forgotten() {
        on_each(async |db| {
            let periods = ["2026-08-31", "2026-08", "2025-12-31", "2026-09", "2026-09-01", "total"];
            for period in periods {
                db.reserve(Reservation { period, ..reservation(period, "p", 5) }, 9)
                    .await?
                    .unwrap();
            }
            let under_way = Reservation { period: "2026-07", ..reservation("a", "p", 5) };
            db.reserve(under_way, 9).await?.unwrap();
            db.settle(&periods.map(|period| (period, 5))).await?;
            db.forget_periods("2026-09").await?;
            for (index, period) in periods.into_iter().enumerate() {
                let spent = if index < 3 { 0 } else { 5 };
                assert_eq!(db.spend("k", period).await?, Spend { spent, reserved: 0 }, "{period}");
            }
            assert_eq!(db.spend("k", "2026-07").await?, Spend { spent: 0, reserved: 5 });
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn many_calls_of_many_keys_are_settled_together() {
        on_each(async |db| {
            let ids: Vec<_> = (0..150_i64).map(|number| number.to_string()).collect();
            let keys = ["a", "b", "c"];
            for (id, key) in ids.iter().zip(keys.into_iter().cycle()) {
                let reservation = Reservation { key, ..reservation(id, "p", 10) };
                assert_eq!(db.reserve(reservation, 1_000).await?, Ok(()));
            }
            assert_eq!(db.charge_lapsed(61, 50).await?.len(), 50);
            let costs: Vec<_> = ids.iter().map(|id| (&**id, 3)).chain([("unknown", 9)]).collect();
            db.settle(&costs).await?;
            for key in keys {
                let spend = Spend { spent: 150, reserved: 0 };
                assert_eq!(db.spend(key, "2026-11").await?, spend, "{key}");
            }
            db.settle(&[]).await
        })
        .await;
    }

    #[tokio::test]
    async fn processes_that_settle_calls_of_the_same_keys_do_not_wait_in_a_circle() {
        on_each(async |db| {
            for _ in 0..30 {
                for (id, key) in [("1", "a"), ("2", "b"), ("3", "b"), ("4", "a")] {
                    let reservation = Reservation { key, ..reservation(id, "p", 1) };
                    assert_eq!(db.reserve(reservation, 1_000).await?, Ok(()));
                }
                let (one, two) = (&[("1", 0), ("2", 0)], &[("3", 0), ("4", 0)]);
                let (one, two) = join(db.settle(one), db.settle(two)).await;
                one.and(two)?;
            }
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn sixty_four_at_once_do_not_spend_more() {
        on_each(async |db| {
            let calls = (0..64).map(async |number| {
                let id = number.to_string();
                let reserved = db.reserve(reservation(&id, "p", 7), 100).await.unwrap();
                if reserved.is_ok() {
                    db.settle(&[(&*id, 7)]).await.unwrap();
                }
                reserved.is_ok()
            });
            let made = join_all(calls).await.into_iter().filter(|made| *made).count();
            assert_eq!(made, 14);
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 98, reserved: 0 });
            Ok(())
        })
        .await;
    }

    /// Calls, crashes and returns at random, against an oracle that knows what each call cost.
    #[tokio::test]
    async fn no_schedule_spends_more_than_the_limit() {
        let mut refused = 0;
        let db = Db::open(&crate::db::DatabaseUrl::Memory).await.unwrap();
        for seed in 0..10_000 {
            refused += schedule(&db, seed).await.unwrap();
        }
        assert!(refused > 5_000, "{refused} refusals");
    }

    /// How often there was no room.
    async fn schedule(db: &Db, seed: u64) -> Result<u32, DbError> {
        const LEASE: i64 = 10;
        let mut random = fastrand::Rng::with_seed(seed);
        let (key, limit, mut now) = (seed.to_string(), random.i64(1..200), 0);
        // What calls under way will cost, and all that was paid to providers.
        let (mut calls, mut paid, mut refused) = (HashMap::<String, (i64, i64)>::new(), 0, 0);
        for step in 0..random.usize(5..20) {
            now += random.i64(0..8);
            let place = format!("seed {seed}, step {step}");
            match random.u8(0..10) {
                0..5 => {
                    let (amount, id) = (random.i64(1..60), format!("{seed}-{step}"));
                    let call = Reservation {
                        id: &id,
                        process: "p",
                        key: &key,
                        period: "total",
                        amount,
                        expires_at: now + LEASE,
                    };
                    match db.reserve(call, limit).await? {
                        // The provider charges no more than the most.
                        Ok(()) => drop(calls.insert(id, (amount, random.i64(0..=amount)))),
                        Err(_) => refused += 1,
                    }
                }
                5..7 => {
                    let id = calls.keys().min().cloned();
                    if let Some((id, (_, cost))) = id.and_then(|id| calls.remove_entry(&id)) {
                        paid += cost;
                        db.settle(&[(&*id, cost)]).await?;
                    }
                }
                7 => db.renew("p", now + LEASE).await?,
                8 => {
                    // A crash: what the calls cost is paid, and nobody is told.
                    paid += calls.drain().map(|(_, (_, cost))| cost).sum::<i64>();
                }
                _ => drop(db.charge_lapsed(now, 100).await?),
            }
            let Spend { spent, reserved } = db.spend(&key, "total").await?;
            let open: i64 = calls.values().map(|(_, cost)| cost).sum();
            assert!(spent >= 0 && reserved >= 0 && spent + reserved <= limit, "{place}");
            assert!(paid + open <= spent + reserved, "{place}: {paid} of {spent}, {reserved}");
        }
        db.settle(&calls.iter().map(|(id, (_, cost))| (&**id, *cost)).collect::<Vec<_>>()).await?;
        paid += calls.values().map(|(_, cost)| cost).sum::<i64>();
        db.charge_lapsed(i64::MAX, 1_000).await?;
        let Spend { spent, reserved } = db.spend(&key, "total").await?;
        assert!(paid <= spent && spent <= limit && reserved == 0, "seed {seed}");
        Ok(refused)
    }
}
