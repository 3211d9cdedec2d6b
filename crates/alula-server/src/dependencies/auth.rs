//! Who makes a request.

use std::sync::Arc;

use alula::{
    ApiError as _, HttpError, ResponseHead, Result, SecurityScopes, State, dependency, mcp::Access,
};

use super::shown::Shown;
use crate::services::{
    admission::{Caller, Calls, Holder},
    exchange::Exchange,
    keys::{By, Key, Keys, Refusal, Scope},
};

/// Whom the server answers as long as there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutKeys {
    /// This machine alone.
    ThisMachine,
    /// Everybody who reaches it, but for what takes the scope `admin`.
    Everybody,
}

/// Who asks a model. Without keys, that is whoever reaches the server.
#[dependency(scopes = ["models"])]
pub(crate) async fn caller(
    shown: Shown,
    scopes: SecurityScopes,
    keys: State<Keys>,
    (calls, without): (State<Calls>, State<WithoutKeys>),
    exchange: Exchange,
    head: ResponseHead,
) -> Result<Caller> {
    let key = identify(shown, &scopes, &keys).await?;
    let Calls { models, ledger, entry, tools } = Calls::clone(&calls);
    let has_tools = match &key {
        Some(key) => key.scopes.contains(Scope::Tools),
        None => *without == WithoutKeys::ThisMachine,
    };
    let holder = key.map(|key| Holder { key, entry, head: Some(head) });
    let caller = Caller::new(models, ledger, holder, exchange);
    Ok(if has_tools { caller.with_tools(tools) } else { caller })
}

/// Who looks after the server. Without keys, that is whoever is on this machine.
#[dependency(scopes = ["admin"])]
pub(crate) async fn administrator(
    shown: Shown,
    scopes: SecurityScopes,
    keys: State<Keys>,
    without: State<WithoutKeys>,
    exchange: Exchange,
) -> Result<Administrator> {
    let key = identify(shown, &scopes, &keys).await?;
    if key.is_none() && *without == WithoutKeys::Everybody {
        return Err(HttpError::forbidden(
            "This server answers everybody, so this takes a key with the scope `admin`; make one \
             with `alula keys create --scopes admin`",
        ));
    }
    if let Some(key) = &key {
        exchange.set_key(key.id.clone());
    }
    Ok(Administrator(key))
}

/// What the holder of a key sees over MCP. Without keys, that is everything.
#[dependency]
pub(crate) async fn mcp_access(
    shown: Shown,
    scopes: SecurityScopes,
    keys: State<Keys>,
    exchange: Exchange,
) -> Result<Access> {
    let Some(key) = identify(shown, &scopes, &keys).await? else { return Ok(Access::all()) };
    exchange.set_key(key.id.clone());
    Ok(Access::scopes(key.scopes.iter().map(Scope::as_str)).owner(&*key.id))
}

/// Somebody who may see and change what belongs to others.
#[derive(Debug)]
pub(crate) struct Administrator(Option<Arc<Key>>);

impl Administrator {
    /// Its name in the log of changes.
    pub(crate) fn name(&self) -> By<'_> {
        self.0.as_ref().map_or(By::ThisMachine, |key| By::Key(&key.id))
    }
}

/// The key of a request that may do what is demanded; nothing as long as there are no keys.
async fn identify(shown: Shown, scopes: &SecurityScopes, keys: &Keys) -> Result<Option<Arc<Key>>> {
    let key = match shown {
        // It may be the first one, made a moment ago.
        Shown::Key(shown) => keys.identify(shown).await,
        Shown::Other => Err(Refusal::Malformed),
        Shown::Nothing => Err(Refusal::Missing),
    };
    let is_away = matches!(key, Err(Refusal::Away));
    if key.is_err() && !is_away && !keys.are_needed() {
        return Ok(None);
    }
    let refused = |refusal: Refusal| {
        keys.note_refusal(shown.id(), &refusal);
        refusal.into_http()
    };
    let key = key.map_err(refused)?;
    let lacks = |scope: &&String| !key.scopes.iter().any(|has| has.as_str() == *scope);
    match scopes.as_slice().iter().find(lacks) {
        None => Ok(Some(key)),
        Some(_) => Err(refused(Refusal::Scope(scopes.to_string().into()))),
    }
}
