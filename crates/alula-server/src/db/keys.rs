//! Keys of callers.
//!
//! Each change gets the next number of all changes, and holds that number's row until it is
//! committed. So numbers become visible in their order, and whoever has read all changes up to one
//! asks for those after it and misses none.

use super::{Db, DbError, reading, writing};
use crate::{
    services::keys::{Budget, KeyChange, KeyHash, KeyId, KeyRecord, NewKey, Period, Scopes},
    time::Timestamp,
};

const COLUMNS: &str = "id, name, plan, scopes, budget_micro_usd, budget_period, created_at, \
                       expires_at, revoked_at";
const NEXT_CHANGE: &str = "UPDATE api_key_changes SET last = last + 1 RETURNING last";

type Row =
    (String, String, String, String, Option<i64>, Option<String>, i64, Option<i64>, Option<i64>);

/// A key with the hash of its secret, and the number of its last change.
#[derive(Debug)]
pub(crate) struct StoredKey {
    pub(crate) record: KeyRecord,
    pub(crate) hash: KeyHash,
    pub(crate) changed: i64,
}

/// What a change of a key found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyFound {
    Changed(KeyRecord),
    /// It is revoked, and stays as it is.
    Revoked(KeyRecord),
    Missing,
}

impl Db {
    pub(crate) async fn add_key(&self, key: &NewKey, record: &KeyRecord) -> Result<(), DbError> {
        let insert = format!(
            "INSERT INTO api_keys ({COLUMNS}, hash, changed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        );
        let KeyRecord { id, name, plan, scopes, budget, created_at, expires_at, revoked_at } =
            record;
        let (sum, period) = columns_of(*budget);
        writing!(self, |tx| {
            let (changed,): (i64,) = sqlx::query_as(NEXT_CHANGE).fetch_one(&mut *tx).await?;
            sqlx::query(sqlx::AssertSqlSafe(&*insert))
                .bind(id.as_str())
                .bind(name)
                .bind(plan)
                .bind(scopes.to_string())
                .bind(sum)
                .bind(period)
                .bind(created_at.as_millis())
                .bind(expires_at.map(Timestamp::as_millis))
                .bind(revoked_at.map(Timestamp::as_millis))
                .bind(key.hash.as_bytes())
                .bind(changed)
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    pub(crate) async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, DbError> {
        let select = format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1");
        let row: Option<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(sqlx::AssertSqlSafe(&*select)).bind(id.as_str());
            query.fetch_optional(pool).await?
        });
        row.map(record).transpose()
    }

    /// Keys, the newest first, beginning behind one.
    pub(crate) async fn list_keys(
        &self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, DbError> {
        let select = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE $1 = '' OR (created_at, id) < \
             (SELECT created_at, id FROM api_keys WHERE id = $1) \
             ORDER BY created_at DESC, id DESC LIMIT $2"
        );
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows: Vec<Row> = reading!(self, |pool| {
            let query = sqlx::query_as(sqlx::AssertSqlSafe(&*select)).bind(after);
            query.bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(record).collect()
    }

    /// Keys that were changed after this one was, in the order of their changes.
    pub(crate) async fn keys_changed_after(
        &self,
        (changed, id): (i64, Option<KeyId>),
        limit: u32,
    ) -> Result<Vec<StoredKey>, DbError> {
        let select = format!(
            "SELECT {COLUMNS}, hash, changed FROM api_keys WHERE (changed, id) > ($1, $2) \
             ORDER BY changed, id LIMIT $3"
        );
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        type Stored = (
            String,
            String,
            String,
            String,
            Option<i64>,
            Option<String>,
            i64,
            Option<i64>,
            Option<i64>,
            Vec<u8>,
            i64,
        );
        let rows: Vec<Stored> = reading!(self, |pool| {
            let query = sqlx::query_as(sqlx::AssertSqlSafe(&*select)).bind(changed).bind(id);
            query.bind(i64::from(limit)).fetch_all(pool).await?
        });
        let stored = |(
            id,
            name,
            plan,
            scopes,
            sum,
            period,
            created,
            expires,
            revoked,
            hash,
            changed,
        ): Stored| {
            let row = (id, name, plan, scopes, sum, period, created, expires, revoked);
            let hash = KeyHash::from_bytes(&hash).ok_or(DbError::Malformed("a hash of a key"))?;
            Ok(StoredKey { record: record(row)?, hash, changed })
        };
        rows.into_iter().map(stored).collect()
    }

    /// Whether a key was ever made.
    pub(crate) async fn has_keys(&self) -> Result<bool, DbError> {
        let select = "SELECT last FROM api_key_changes";
        let (last,): (i64,) = reading!(self, |pool| sqlx::query_as(select).fetch_one(pool).await?);
        Ok(last > 0)
    }

    /// Changes a key that is not revoked.
    pub(crate) async fn change_key(
        &self,
        id: KeyId,
        change: KeyChange,
    ) -> Result<KeyFound, DbError> {
        let select = format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1");
        let update = "UPDATE api_keys SET name = $1, plan = $2, scopes = $3, \
                      budget_micro_usd = $4, budget_period = $5, expires_at = $6, changed = $7 \
                      WHERE id = $8";
        Ok(writing!(self, |tx| {
            // First, so that nobody else changes the key from here on.
            let (changed,): (i64,) = sqlx::query_as(NEXT_CHANGE).fetch_one(&mut *tx).await?;
            let found = sqlx::query_as(sqlx::AssertSqlSafe(&*select)).bind(id.as_str());
            let found: Option<Row> = found.fetch_optional(&mut *tx).await?;
            // Returning early rolls back: a number of a change is not wasted on none.
            let Some(found) = found else { return Ok(KeyFound::Missing) };
            let mut key = record(found)?;
            if key.revoked_at.is_some() {
                return Ok(KeyFound::Revoked(key));
            }
            change.apply(&mut key);
            let (sum, period) = columns_of(key.budget);
            sqlx::query(update)
                .bind(&key.name)
                .bind(&key.plan)
                .bind(key.scopes.to_string())
                .bind(sum)
                .bind(period)
                .bind(key.expires_at.map(Timestamp::as_millis))
                .bind(changed)
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
            KeyFound::Changed(key)
        }))
    }

    /// Revokes a key for good.
    pub(crate) async fn revoke_key(&self, id: KeyId) -> Result<KeyFound, DbError> {
        let select = format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1");
        let update = "UPDATE api_keys SET revoked_at = $1, changed = $2 WHERE id = $3";
        Ok(writing!(self, |tx| {
            let (changed,): (i64,) = sqlx::query_as(NEXT_CHANGE).fetch_one(&mut *tx).await?;
            let found = sqlx::query_as(sqlx::AssertSqlSafe(&*select)).bind(id.as_str());
            let found: Option<Row> = found.fetch_optional(&mut *tx).await?;
            let Some(found) = found else { return Ok(KeyFound::Missing) };
            let mut key = record(found)?;
            if key.revoked_at.is_some() {
                return Ok(KeyFound::Revoked(key));
            }
            let at = Timestamp::now();
            let revoke = sqlx::query(update).bind(at.as_millis()).bind(changed).bind(id.as_str());
            revoke.execute(&mut *tx).await?;
            key.revoked_at = Some(at);
            KeyFound::Changed(key)
        }))
    }
}

fn record(row: Row) -> Result<KeyRecord, DbError> {
    let (id, name, plan, scopes, sum, period, created_at, expires_at, revoked_at) = row;
    let id = KeyId::parse(&id).ok_or(DbError::Malformed("an id of a key"))?;
    let budget = match (sum, period) {
        (None, _) => None,
        (Some(sum), period) => {
            let period = period.and_then(|name| Period::from_name(&name));
            let budget = u64::try_from(sum).ok().zip(period);
            let (micro_usd, period) = budget.ok_or(DbError::Malformed("a budget of a key"))?;
            Some(Budget { micro_usd, period })
        }
    };
    let scopes = Scopes::known_of(&scopes);
    Ok(KeyRecord {
        id,
        name,
        plan,
        scopes,
        budget,
        created_at: Timestamp::from_millis(created_at),
        expires_at: expires_at.map(Timestamp::from_millis),
        revoked_at: revoked_at.map(Timestamp::from_millis),
    })
}

fn columns_of(budget: Option<Budget>) -> (Option<i64>, Option<&'static str>) {
    // More than there is money is as good as the most that fits.
    let sum = budget.map(|budget| i64::try_from(budget.micro_usd).unwrap_or(i64::MAX));
    (sum, budget.map(|budget| budget.period.as_str()))
}

#[cfg(test)]
mod tests {
    use super::{super::testing::on_each, *};

    fn wanted(name: &str, created_at: i64) -> (NewKey, KeyRecord) {
        let key = NewKey::generate().unwrap();
        let record = KeyRecord {
            id: key.id,
            name: name.to_owned(),
            plan: "pro".to_owned(),
            scopes: "models admin".parse().unwrap(),
            budget: Some(Budget { micro_usd: 5_000_000, period: Period::Day }),
            created_at: Timestamp::from_millis(created_at),
            expires_at: Some(Timestamp::from_millis(7)),
            revoked_at: None,
        };
        (key, record)
    }

    #[tokio::test]
    async fn a_key_is_found_as_it_was_kept_and_changed() {
        on_each(async |db| {
            assert!(!db.has_keys().await?);
            let (key, mut record) = wanted("it's \"one\"; --", 1);
            assert_eq!(db.find_key(key.id).await?, None);
            db.add_key(&key, &record).await?;
            assert!(db.has_keys().await?);
            assert_eq!(db.find_key(key.id).await?.as_ref(), Some(&record));

            let change = KeyChange {
                plan: Some("free".to_owned()),
                budget: Some(None),
                expires_at: Some(None),
                ..KeyChange::default()
            };
            change.clone().apply(&mut record);
            assert_eq!(record.plan, "free");
            assert_eq!(db.change_key(key.id, change.clone()).await?, KeyFound::Changed(record));

            let KeyFound::Changed(revoked) = db.revoke_key(key.id).await? else { panic!() };
            assert!(revoked.revoked_at.is_some());
            assert_eq!(db.revoke_key(key.id).await?, KeyFound::Revoked(revoked.clone()));
            assert_eq!(db.change_key(key.id, change.clone()).await?, KeyFound::Revoked(revoked));
            let (other, _) = wanted("", 1);
            assert_eq!(db.change_key(other.id, change).await?, KeyFound::Missing);
            assert_eq!(db.revoke_key(other.id).await?, KeyFound::Missing);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn changes_are_read_in_their_order_and_none_is_missed() {
        on_each(async |db| {
            let made: Vec<_> = (0..20).map(|n| wanted(&n.to_string(), n)).collect();
            let adding = made.iter().map(|(key, record)| db.add_key(key, record));
            for added in futures_util::future::join_all(adding).await {
                added?;
            }
            db.revoke_key(made[3].0.id).await?;
            let (mut seen, mut all) = ((0, None), Vec::new());
            loop {
                let some = db.keys_changed_after(seen, 7).await?;
                let Some(last) = some.last() else { break };
                seen = (last.changed, Some(last.record.id));
                all.extend(some);
            }
            assert_eq!(all.len(), 20);
            assert!(all.windows(2).all(|pair| pair[0].changed < pair[1].changed));
            assert_eq!(all[19].record.id, made[3].0.id);
            assert!(all.iter().all(|stored| {
                made.iter().any(|(key, _)| key.id == stored.record.id && key.hash == stored.hash)
            }));
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_list_goes_on_where_it_ended() {
        on_each(async |db| {
            for n in 0..7 {
                // Several were made in the same millisecond.
                let (key, record) = wanted(&n.to_string(), n / 3);
                db.add_key(&key, &record).await?;
            }
            let (mut after, mut listed) = (None, Vec::new());
            loop {
                let page = db.list_keys(after, 3).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                listed.extend(page);
            }
            let places: Vec<_> = listed.iter().map(|key| (key.created_at, key.id)).collect();
            assert_eq!(places.len(), 7);
            assert!(places.windows(2).all(|pair| pair[0] > pair[1]), "{places:?}");
            let (nobody, _) = wanted("", 0);
            assert_eq!(db.list_keys(Some(nobody.id), 3).await?, []);
            Ok(())
        })
        .await;
    }
}
