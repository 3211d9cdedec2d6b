//! A key as it is kept.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Budget, KeyId, Scopes};
use crate::time::Timestamp;

/// All that is known of a key, but for its secret and the hash of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    /// The plan may have been taken out of the file since.
    pub(crate) plan: String,
    pub(crate) scopes: Scopes,
    pub(crate) budget: Option<Budget>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// Whether a key is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Active,
    Expired,
    Revoked,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl KeyRecord {
    pub(crate) fn status(&self, now: Timestamp) -> Status {
        match self.expires_at {
            _ if self.revoked_at.is_some() => Status::Revoked,
            Some(end) if end <= now => Status::Expired,
            _ => Status::Active,
        }
    }
}

/// What is wanted of a new key.
#[derive(Debug, Clone)]
pub(crate) struct KeyWish {
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) scopes: Scopes,
    pub(crate) budget: Option<Budget>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What shall be different; nothing for what stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyChange {
    pub(crate) name: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) scopes: Option<Scopes>,
    pub(crate) budget: Option<Option<Budget>>,
    pub(crate) expires_at: Option<Option<Timestamp>>,
}

impl KeyChange {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { name, plan, scopes, budget, expires_at } = self;
        name.is_none()
            && plan.is_none()
            && scopes.is_none()
            && budget.is_none()
            && expires_at.is_none()
    }

    pub(crate) fn apply(self, record: &mut KeyRecord) {
        let Self { name, plan, scopes, budget, expires_at } = self;
        record.name = name.unwrap_or_else(|| std::mem::take(&mut record.name));
        record.plan = plan.unwrap_or_else(|| std::mem::take(&mut record.plan));
        record.scopes = scopes.unwrap_or(record.scopes);
        record.budget = budget.unwrap_or(record.budget);
        record.expires_at = expires_at.unwrap_or(record.expires_at);
    }
}
