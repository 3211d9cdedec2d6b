//! A key as people and programs read about it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Budget, KeyRecord, Scope, Status};
use crate::time::Timestamp;

/// A key, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyInfo {
    /// The part of the key that is not secret.
    id: String,
    /// What people call it.
    name: String,
    /// Whether it is good.
    status: Status,
    /// The plan, which limits it.
    plan: String,
    /// What it opens.
    scopes: Vec<Scope>,
    /// What may be spent with it; nothing for no bound.
    budget: Option<Budget>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends; nothing for never.
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    revoked_at: Option<Timestamp>,
}

impl From<KeyRecord> for KeyInfo {
    fn from(key: KeyRecord) -> Self {
        let status = key.status(Timestamp::now());
        let KeyRecord { id, name, plan, scopes, budget, created_at, expires_at, revoked_at } = key;
        Self {
            id: id.to_string(),
            name,
            status,
            plan,
            scopes: scopes.iter().collect(),
            budget,
            created_at,
            expires_at,
            revoked_at,
        }
    }
}
