//! What was asked for with an `Idempotency-Key`, and how it was answered.

use super::{Db, DbError, Pools, writing};
use crate::time::Timestamp;

/// How many answers are forgotten in one statement.
const FORGET_MAX: i64 = 500;

/// Any number, as long as nobody else uses it: one process at a time forgets.
const FORGET_LOCK: i64 = 0x616c_756c_6105;

/// A request that is to be executed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The hash of the owner and the key.
    pub(crate) id: Vec<u8>,
    /// The hash of what is asked for.
    pub(crate) request: Vec<u8>,
    /// Who executes it: another one for each attempt.
    pub(crate) holder: String,
    /// When it was first made.
    pub(crate) since: Timestamp,
    /// A job has its name of it, and may be there already.
    pub(crate) names_job: bool,
}

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    pub(crate) status: u16,
    /// Lines of `name: value`.
    pub(crate) headers: String,
    /// Nothing if it is too large to be kept.
    pub(crate) body: Option<Vec<u8>>,
}

impl KeptAnswer {
    /// What the answer says in a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// What was known of a request before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing that counts: whoever asked executes it now. The same request may have been tried
    /// before, at first at this time.
    Nothing { since: Timestamp },
    /// It is executed, and that counts for so many milliseconds without news.
    Running { left: i64 },
    /// The key was used for something else.
    Other,
    /// It was answered.
    Answered(KeptAnswer),
}

type Row = (Vec<u8>, i64, Option<i64>, Option<String>, Option<Vec<u8>>);

impl Db {
    /// Takes a request on for `lease` milliseconds, unless somebody has done so. One that was tried
    /// before, and was not answered, keeps its time.
    pub(crate) async fn claim(
        &self,
        claim: &Claim,
        lease: i64,
        kept_for: i64,
    ) -> Result<Known, DbError> {
        let now = Timestamp::now().as_millis();
        let (since, known): (i64, Option<Row>) = writing!(self, |tx| {
            // What is too old or whose holder is gone is as good as nothing.
            let taken = sqlx::query_as(
                "INSERT INTO idempotency (id, request, holder, lease_until, expires_at) \
                 VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (id) DO UPDATE SET request = excluded.request, \
                 holder = excluded.holder, lease_until = excluded.lease_until, \
                 expires_at = CASE WHEN idempotency.expires_at > $6 \
                 AND idempotency.request = excluded.request \
                 THEN idempotency.expires_at ELSE excluded.expires_at END, \
                 status = NULL, headers = NULL, body = NULL \
                 WHERE idempotency.expires_at <= $6 OR (idempotency.status IS NULL \
                 AND idempotency.lease_until <= $6 AND (idempotency.lease_until = 0 \
                 OR idempotency.request = excluded.request)) \
                 RETURNING expires_at",
            );
            let taken = taken
                .bind(&claim.id)
                .bind(&claim.request)
                .bind(&claim.holder)
                .bind(now.saturating_add(lease))
                .bind(claim.since.as_millis().saturating_add(kept_for))
                .bind(now);
            match taken.fetch_optional(&mut *tx).await? {
                Some((expires_at,)) => (expires_at, None),
                None => {
                    let found = sqlx::query_as(
                        "SELECT request, lease_until, status, headers, body FROM idempotency \
                         WHERE id = $1",
                    );
                    (0, Some(found.bind(&claim.id).fetch_one(&mut *tx).await?))
                }
            }
        });
        let nothing = || Known::Nothing { since: Timestamp::from_millis(since - kept_for) };
        Ok(known.map_or_else(nothing, |row| known_of(row, claim, now)))
    }

    /// Lets a claim count longer. Whether it is still that of its holder.
    pub(crate) async fn renew_claim(&self, claim: &Claim, lease: i64) -> Result<bool, DbError> {
        let until = Timestamp::now().as_millis().saturating_add(lease);
        let changed = writing!(self, |tx| {
            let renew = sqlx::query(
                "UPDATE idempotency SET lease_until = $1 \
                 WHERE id = $2 AND holder = $3 AND status IS NULL",
            );
            let renew = renew.bind(until).bind(&claim.id).bind(&claim.holder);
            renew.execute(&mut *tx).await?.rows_affected()
        });
        Ok(changed == 1)
    }

    /// Takes a request on though it was answered, if `answer` is still what is kept.
    pub(crate) async fn take_over(
        &self,
        claim: &Claim,
        answer: &KeptAnswer,
        lease: i64,
        kept_for: i64,
    ) -> Result<bool, DbError> {
        let now = Timestamp::now().as_millis();
        let changed = writing!(self, |tx| {
            let take = sqlx::query(
                "UPDATE idempotency SET holder = $1, lease_until = $2, expires_at = $3, \
                 status = NULL, headers = NULL, body = NULL \
                 WHERE id = $4 AND request = $5 AND status = $6 AND headers = $7",
            );
            let take = take
                .bind(&claim.holder)
                .bind(now.saturating_add(lease))
                .bind(claim.since.as_millis().saturating_add(kept_for))
                .bind(&claim.id)
                .bind(&claim.request)
                .bind(i64::from(answer.status))
                .bind(&answer.headers);
            take.execute(&mut *tx).await?.rows_affected()
        });
        Ok(changed == 1)
    }

    /// Keeps the answer, if the claim is still that of its holder. Whether it is.
    pub(crate) async fn keep_answer(
        &self,
        claim: &Claim,
        answer: &KeptAnswer,
    ) -> Result<bool, DbError> {
        let changed = writing!(self, |tx| {
            let keep = sqlx::query(
                "UPDATE idempotency SET status = $1, headers = $2, body = $3 \
                 WHERE id = $4 AND holder = $5 AND status IS NULL",
            );
            let keep = keep
                .bind(i64::from(answer.status))
                .bind(&answer.headers)
                .bind(&answer.body)
                .bind(&claim.id)
                .bind(&claim.holder);
            keep.execute(&mut *tx).await?.rows_affected()
        });
        Ok(changed == 1)
    }

    /// Gives a request back to whoever asks next. If a job has its name of it, its time is kept, so
    /// that the same request is the same job.
    pub(crate) async fn give_back(&self, claim: &Claim) -> Result<(), DbError> {
        let sql = match claim.names_job {
            true => {
                "UPDATE idempotency SET lease_until = 0 \
                 WHERE id = $1 AND holder = $2 AND status IS NULL"
            }
            false => "DELETE FROM idempotency WHERE id = $1 AND holder = $2 AND status IS NULL",
        };
        writing!(self, |tx| {
            sqlx::query(sql).bind(&claim.id).bind(&claim.holder).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Forgets some of the answers that were kept long enough. Whether there may be more.
    pub(crate) async fn forget_answers(&self) -> Result<bool, DbError> {
        let is_postgres = matches!(self.pools(), Pools::Postgres(_));
        let now = Timestamp::now().as_millis();
        let forgotten = writing!(self, |tx| {
            if is_postgres {
                let lock = sqlx::query_as("SELECT pg_try_advisory_xact_lock($1)");
                let (is_mine,): (bool,) = lock.bind(FORGET_LOCK).fetch_one(&mut *tx).await?;
                if !is_mine {
                    return Ok(false);
                }
            }
            let delete = sqlx::query(
                "DELETE FROM idempotency WHERE id IN \
                 (SELECT id FROM idempotency WHERE expires_at <= $1 LIMIT $2)",
            );
            delete.bind(now).bind(FORGET_MAX).execute(&mut *tx).await?.rows_affected()
        });
        Ok(i64::try_from(forgotten).unwrap_or(i64::MAX) >= FORGET_MAX)
    }
}

fn known_of(row: Row, claim: &Claim, now: i64) -> Known {
    let (request, lease_until, status, headers, body) = row;
    if request != claim.request {
        return Known::Other;
    }
    match status.and_then(|status| u16::try_from(status).ok()) {
        Some(status) => {
            let headers = headers.unwrap_or_default();
            Known::Answered(KeptAnswer { status, headers, body })
        }
        None => Known::Running { left: lease_until.saturating_sub(now).max(0) },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::on_each, *};

    const MINUTE: i64 = 60_000;
    /// What was kept for so long is to be forgotten.
    const OLD: i64 = -4_000_000_000_000;

    const NOW: Timestamp = Timestamp::from_millis(4_000_000_000_000);

    fn claim(id: u8, request: u8, holder: &str) -> Claim {
        let (id, request, holder) = (vec![id], vec![request], holder.to_owned());
        Claim { id, request, holder, since: NOW, names_job: false }
    }

    /// A claim that is made so much later.
    fn later(claim: Claim, millis: i64) -> Claim {
        Claim { since: Timestamp::from_millis(NOW.as_millis() + millis), ..claim }
    }

    fn answer(body: Option<&[u8]>) -> KeptAnswer {
        KeptAnswer { status: 200, headers: "a: b\n".to_owned(), body: body.map(<[u8]>::to_vec) }
    }

    #[tokio::test]
    async fn one_of_many_executes_and_the_others_get_its_answer() {
        on_each(async |db| {
            let claims: Vec<Claim> = (0..16).map(|n| claim(1, 1, &n.to_string())).collect();
            let all = claims.iter().map(|claim| db.claim(claim, MINUTE, MINUTE));
            let all = futures_util::future::join_all(all).await;
            let mut winners = Vec::new();
            for (claim, known) in claims.iter().zip(all) {
                match known? {
                    Known::Nothing { .. } => winners.push(claim),
                    Known::Running { left } => assert!(left > 0),
                    other => panic!("{other:?}"),
                }
            }
            let [winner] = winners[..] else { panic!("{winners:?}") };
            assert!(db.renew_claim(winner, MINUTE).await?);
            assert!(db.keep_answer(winner, &answer(Some(b"\0yes"))).await?);
            let again = db.claim(&claim(1, 1, "later"), MINUTE, MINUTE).await?;
            assert_eq!(again, Known::Answered(answer(Some(b"\0yes"))));
            assert_eq!(db.claim(&claim(1, 2, "later"), MINUTE, MINUTE).await?, Known::Other);
            assert_eq!(
                db.claim(&claim(2, 2, "other"), MINUTE, MINUTE).await?,
                Known::Nothing { since: NOW }
            );
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn who_does_not_renew_loses_its_claim_and_changes_nothing_more() {
        on_each(async |db| {
            let (lost, next) = (claim(1, 1, "lost"), claim(1, 1, "next"));
            assert_eq!(db.claim(&lost, -1, MINUTE).await?, Known::Nothing { since: NOW });
            assert_eq!(db.claim(&claim(1, 2, "x"), MINUTE, MINUTE).await?, Known::Other);
            assert_eq!(db.claim(&next, MINUTE, MINUTE).await?, Known::Nothing { since: NOW });
            assert!(!db.renew_claim(&lost, MINUTE).await?);
            assert!(!db.keep_answer(&lost, &answer(Some(b"late"))).await?);
            db.give_back(&lost).await?;
            assert!(db.keep_answer(&next, &answer(None)).await?);
            db.give_back(&next).await?;
            let kept = db.claim(&lost, MINUTE, MINUTE).await?;
            assert_eq!(kept, Known::Answered(answer(None)));
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn who_goes_on_with_a_request_goes_on_from_its_time() {
        on_each(async |db| {
            let time = async |claim: &Claim, lease| match db.claim(claim, lease, MINUTE).await? {
                Known::Nothing { since } => Ok::<_, DbError>(since.as_millis() - NOW.as_millis()),
                known => panic!("{known:?}"),
            };
            assert_eq!(time(&claim(1, 1, "lost"), -1).await?, 0);
            // A job has its name of it, so that it is given back with its time, for this request.
            let names_job = |claim| Claim { names_job: true, ..claim };
            let second = names_job(later(claim(1, 1, "second"), 5));
            assert_eq!(time(&second, MINUTE).await?, 0);
            db.give_back(&second).await?;
            assert_eq!(time(&later(claim(1, 1, "third"), 6), MINUTE).await?, 0);
            db.give_back(&names_job(claim(1, 1, "third"))).await?;
            assert_eq!(time(&later(claim(1, 2, "fourth"), 7), MINUTE).await?, 7);
            db.give_back(&claim(1, 2, "fourth")).await?;
            assert_eq!(time(&later(claim(1, 2, "fifth"), 8), MINUTE).await?, 8);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_given_back_or_old_counts_no_more() {
        on_each(async |db| {
            let one = claim(1, 1, "one");
            db.claim(&one, MINUTE, MINUTE).await?;
            db.give_back(&one).await?;
            assert_eq!(
                db.claim(&claim(1, 2, "two"), MINUTE, OLD).await?,
                Known::Nothing { since: NOW }
            );
            assert_eq!(
                db.claim(&claim(1, 3, "three"), MINUTE, MINUTE).await?,
                Known::Nothing { since: NOW }
            );
            for id in 2..5 {
                db.claim(&claim(id, 1, "old"), MINUTE, OLD).await?;
            }
            assert!(!db.forget_answers().await?);
            let running = db.claim(&claim(1, 3, "four"), MINUTE, MINUTE).await?;
            assert!(matches!(running, Known::Running { .. }), "{running:?}");
            Ok(())
        })
        .await;
    }
}
