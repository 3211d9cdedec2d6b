//! What keys have spent, and what processes have set aside for their calls.
//!
//! Whoever changes what is left of a slice has locked the row of its key in `budget_spend` before, and
//! who locks several does it in one order: nobody waits in a circle.

mod report;

pub(crate) use self::report::{Answer, IDLE_SHARE, Report};
use self::report::{Settled, Slice};
#[cfg(test)]
pub(crate) mod model {
    pub(crate) use super::report::{Settled, Slice};
}
use super::{Db, DbError, reading, writing};

/// How it stands with a budget, in micro-dollars, as everything here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spend {
    pub(crate) spent: i64,
    /// By processes, for calls under way and the next ones.
    pub(crate) reserved: i64,
}

/// A slice whose process was taken for gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lapsed {
    pub(crate) key: String,
    pub(crate) period: String,
    id: String,
}

/// Nobody else changes what belongs to a key in a period from here to the end of the transaction.
const LOCK: &str = "INSERT INTO budget_spend (key, period, spent, reserved) VALUES ($1, $2, 0, 0) \
                    ON CONFLICT (key, period) DO UPDATE SET spent = budget_spend.spent \
                    RETURNING spent, reserved";

impl Db {
    /// Takes reports of slices, which are in the order of their keys and periods, all or none. To
    /// say the same twice changes nothing.
    pub(crate) async fn report(&self, reports: &[Report<'_>]) -> Result<Vec<Answer>, DbError> {
        let find = "SELECT amount, spent, is_charged FROM budget_reservations WHERE id = $1";
        let note = "INSERT INTO budget_reservations \
                    (id, process, key, period, amount, spent, expires_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7) \
                    ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, \
                    spent = excluded.spent, expires_at = excluded.expires_at, is_charged = 0";
        let forget = "DELETE FROM budget_reservations WHERE id = $1";
        let count = "UPDATE budget_spend SET spent = $1, reserved = $2 \
                     WHERE key = $3 AND period = $4";
        let mut answers = Vec::with_capacity(reports.len());
        writing!(self, |tx| {
            for report in reports {
                let Report { id, process, key, period, expires_at, .. } = *report;
                let query = sqlx::query_as(LOCK).bind(key).bind(period);
                let (spent, reserved) = query.fetch_one(&mut *tx).await?;
                let found = sqlx::query_as(find).bind(id).fetch_optional(&mut *tx).await?;
                let Some(Settled { spend, slice, answer }) =
                    report.settle(Spend { spent, reserved }, found.map(Slice::from_row))
                else {
                    answers.push(Answer::Gone);
                    continue;
                };
                match slice {
                    Some(Slice { amount, spent, .. }) => {
                        let query = sqlx::query(note).bind(id).bind(process).bind(key).bind(period);
                        let query = query.bind(amount).bind(spent).bind(expires_at);
                        query.execute(&mut *tx).await?;
                    }
                    None => {
                        sqlx::query(forget).bind(id).execute(&mut *tx).await?;
                    }
                }
                let query = sqlx::query(count).bind(spend.spent).bind(spend.reserved);
                query.bind(key).bind(period).execute(&mut *tx).await?;
                answers.push(answer);
            }
        });
        Ok(answers)
    }

    /// How it stands with the budget of a key.
    #[cfg(test)]
    pub(crate) async fn spend(&self, key: &str, period: &str) -> Result<Spend, DbError> {
        let sql = "SELECT spent, reserved FROM budget_spend WHERE key = $1 AND period = $2";
        let row: Option<(i64, i64)> = reading!(self, |pool| {
            sqlx::query_as(sql).bind(key).bind(period).fetch_optional(pool).await?
        });
        Ok(row.map(|(spent, reserved)| Spend { spent, reserved }).unwrap_or_default())
    }

    /// Says that a process is still there, and so are its slices.
    pub(crate) async fn renew(&self, process: &str, expires_at: i64) -> Result<(), DbError> {
        let sql = "UPDATE budget_reservations SET expires_at = $1 \
                   WHERE process = $2 AND is_charged = 0";
        writing!(self, |tx| {
            sqlx::query(sql).bind(expires_at).bind(process).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Slices whose processes have not been heard of, up to so many.
    pub(crate) async fn lapsed(&self, now: i64, max: i64) -> Result<Vec<Lapsed>, DbError> {
        let find = "SELECT id, key, period FROM budget_reservations \
                    WHERE is_charged = 0 AND expires_at < $1 ORDER BY key, period, id LIMIT $2";
        let found: Vec<(String, String, String)> = reading!(self, |pool| {
            sqlx::query_as(find).bind(now).bind(max).fetch_all(pool).await?
        });
        Ok(found.into_iter().map(|(id, key, period)| Lapsed { key, period, id }).collect())
    }

    /// Charges all that is left of such a slice: what that is, if it was this process that did it.
    pub(crate) async fn charge(&self, lapsed: &Lapsed, now: i64) -> Result<Option<i64>, DbError> {
        let Lapsed { key, period, id } = lapsed;
        let mark = "UPDATE budget_reservations SET is_charged = 1 \
                    WHERE id = $1 AND is_charged = 0 AND expires_at < $2 RETURNING amount";
        let count = "UPDATE budget_spend SET spent = spent + $1, reserved = reserved - $1 \
                     WHERE key = $2 AND period = $3";
        let charged = writing!(self, |tx| {
            sqlx::query(LOCK).bind(key).bind(period).execute(&mut *tx).await?;
            let marked = sqlx::query_as(mark).bind(id).bind(now).fetch_optional(&mut *tx).await?;
            let amount = marked.map(|(amount,): (i64,)| amount);
            if let Some(amount) = amount {
                let query = sqlx::query(count).bind(amount).bind(key).bind(period);
                query.execute(&mut *tx).await?;
            }
            amount
        });
        Ok(charged)
    }

    /// Forgets slices that were charged before this time: nobody will say any more what their calls
    /// cost.
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
mod tests;
