//! Keys of callers, and what they entitle to.

mod budget;
mod plan;
mod scope;

use std::sync::Arc;

#[expect(unused_imports, reason = "keys are made and looked up in the next step")]
pub(crate) use self::{
    budget::{Budget, Period},
    plan::{Plan, Plans},
    scope::{Scope, Scopes},
};

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
    /// In milliseconds since 1970; nothing for never.
    pub(crate) expires_at: Option<i64>,
}
