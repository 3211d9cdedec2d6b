//! Which calls are meant.

use std::fmt;

use alula::Validate;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Builder;

/// Calls that ended within a time, and are all of this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Milliseconds since 1970; the second one is not within.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// The id of a key; empty for calls that needed none.
    pub(crate) key: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) status: Option<Status>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CallStatus")]
pub(crate) enum Status {
    /// With a whole answer.
    Answered,
    /// With an error, before an answer or within one.
    Failed,
    /// The client left before the end.
    Abandoned,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The key of a call in a report.
pub(super) const KEY: &str = "COALESCE(usage.key_id, '')";
/// The model: the one that was asked for, or else the one that the client named.
pub(super) const MODEL: &str = "COALESCE(usage.model, usage.asked)";
pub(super) const PROVIDER: &str = "COALESCE(usage.provider, '')";

impl Filter {
    /// All calls of a time.
    #[cfg(test)]
    pub(crate) fn between(from: i64, to: i64) -> Self {
        Self { from, to, ..Self::default() }
    }

    pub(super) fn to_where(&self) -> Where {
        let mut where_ = Where::default();
        where_.and("usage.id >= ", &id_from(self.from));
        where_.and("usage.id < ", &id_from(self.to));
        match self.key.as_deref() {
            Some("") => where_.and_always("usage.key_id IS NULL"),
            // By the column, which has an index.
            Some(key) => where_.and("usage.key_id = ", key),
            None => {}
        }
        let model = format!("{MODEL} = ");
        let provider = format!("{PROVIDER} = ");
        let status = self.status.map(Status::as_str);
        for (is, value) in [
            (&*model, self.model.as_deref()),
            (&provider, self.provider.as_deref()),
            ("usage.status = ", status),
        ] {
            if let Some(value) = value {
                where_.and(is, value);
            }
        }
        where_
    }
}

/// What comes before every id of a call that ended at this time or later, and behind all others:
/// ids begin with the time.
pub(super) fn id_from(at: i64) -> String {
    let at = u64::try_from(at).unwrap_or_default();
    let id = Builder::from_unix_timestamp_millis(at, &[0; 10]).into_uuid().to_string();
    id.chars().take("01234567-89ab".len()).collect()
}

/// Conditions, and the values in them.
#[derive(Debug, Default)]
pub(super) struct Where {
    sql: String,
    values: Vec<String>,
}

impl Where {
    /// Adds a condition that ends where its value stands.
    pub(super) fn and(&mut self, condition: &str, value: &str) {
        let place = self.place(value);
        self.and_always(&format!("{condition}{place}"));
    }

    pub(super) fn and_always(&mut self, condition: &str) {
        if !self.sql.is_empty() {
            self.sql.push_str(" AND ");
        }
        self.sql.push_str(condition);
    }

    /// Adds a value, and returns how a condition names it.
    pub(super) fn place(&mut self, value: &str) -> String {
        // Postgres takes no NUL, and no row has one: where it was there is this character.
        self.values.push(value.replace('\0', "\u{fffd}"));
        format!("${}", self.values.len())
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}
