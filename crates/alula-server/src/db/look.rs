//! A look at a database that changes nothing.

use super::{DatabaseUrl, Db, DbError, Pools, migrate, reading};

/// What there is.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// How many changes of its tables are to be made.
    pub(crate) missing: u64,
    pub(crate) has_keys: bool,
}

impl Db {
    /// Looks at a database; nothing if it is a file that is not there yet, or in memory.
    ///
    /// # Errors
    ///
    /// When it cannot be reached or is newer than this program.
    pub(crate) async fn look(url: &DatabaseUrl) -> Result<Option<Found>, DbError> {
        match url {
            DatabaseUrl::Memory => return Ok(None),
            DatabaseUrl::File(path) if !path.exists() => return Ok(None),
            _ => {}
        }
        let db = Self::connected(url).await?;
        let found = db.found().await;
        db.close().await;
        found.map(Some)
    }

    async fn found(&self) -> Result<Found, DbError> {
        let (version, table) = match self.pools() {
            Pools::Sqlite { .. } => (
                "SELECT sqlite_version()",
                "SELECT COUNT(*) FROM sqlite_master WHERE name = 'migrations'",
            ),
            Pools::Postgres(_) => (
                "SELECT current_setting('server_version')",
                "SELECT COUNT(to_regclass('migrations'))",
            ),
        };
        let one = |row: (String,)| row.0;
        let version =
            reading!(self, |pool| sqlx::query_as(version).fetch_one(pool).await.map(one)?);
        let (tables,): (i64,) =
            reading!(self, |pool| sqlx::query_as(table).fetch_one(pool).await?);
        let ours = migrate::newest();
        let made = if tables == 0 { 0 } else { self.newest_migration().await? };
        if made > ours {
            return Err(DbError::Newer { theirs: made, ours });
        }
        let missing = u64::try_from(ours - made).unwrap_or_default();
        // The first change makes the table of keys.
        let has_keys = made > 0 && self.has_keys().await?;
        Ok(Found { name: self.name(), version, missing, has_keys })
    }

    async fn newest_migration(&self) -> Result<i64, DbError> {
        let newest = "SELECT COALESCE(MAX(number), 0) FROM migrations";
        let (made,): (i64,) = reading!(self, |pool| sqlx::query_as(newest).fetch_one(pool).await?);
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::on_each;

    #[tokio::test]
    async fn what_there_is_is_told() {
        on_each(async |db| {
            let found = db.found().await?;
            assert_eq!((found.name, found.missing, found.has_keys), (db.name(), 0, false));
            assert!(found.version.starts_with(|it: char| it.is_ascii_digit()), "{found:?}");
            Ok(())
        })
        .await;
    }
}
