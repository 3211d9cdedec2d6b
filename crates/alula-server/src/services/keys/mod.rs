//! Keys of callers, and what they entitle to.

mod budget;
mod change;
mod info;
mod known;
mod plan;
mod record;
mod scope;
mod secret;

use std::sync::Arc;

pub(crate) use self::{
    budget::{Budget, MICRO_USD_MAX, Period},
    change::{By, KeyError, create, revoke, update},
    info::KeyInfo,
    known::{Keys, Refusal},
    plan::{Plan, Plans},
    record::{KeyChange, KeyRecord, KeyWish, Status},
    scope::{Scope, Scopes},
    secret::{KeyHash, KeyId, NewKey, ShownKey},
};

use crate::time::Timestamp;

/// What a key entitles to, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The part that is not secret. Logs, the ledger and limits name a key by it.
    pub(crate) id: Arc<str>,
    /// What people call it.
    pub(crate) name: Arc<str>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) scopes: Scopes,
    /// What may be spent with it; nothing for no bound.
    pub(crate) budget: Option<Budget>,
    /// Nothing for never.
    pub(crate) expires_at: Option<Timestamp>,
}
