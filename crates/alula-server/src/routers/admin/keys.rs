//! Keys of callers.

use alula::{Route, prelude::*};
use serde::Deserializer;

use crate::{
    db::Db,
    dependencies::administrator,
    services::keys::{
        Budget, KeyChange, KeyError, KeyId, KeyInfo, KeyWish, Keys, Scope, create, revoke, update,
    },
    time::Timestamp,
};

/// How many keys are listed if nobody says, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1000;

/// The routes of this module.
pub(super) fn routes() -> Vec<Route> {
    routes![list, make, show, change, remove]
}

/// A key that was made just now.
#[derive(Serialize, JsonSchema)]
struct MadeKey {
    /// The key itself. It is not shown again.
    key: String,
    #[serde(flatten)]
    info: KeyInfo,
}

/// Keys, the newest first.
#[derive(Serialize, JsonSchema)]
struct KeyList {
    data: Vec<KeyInfo>,
    /// The `cursor` of the next page; nothing on the last one.
    next_cursor: Option<String>,
}

/// Which keys to list.
#[derive(Deserialize, JsonSchema, Validate)]
struct KeyPage {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: u32,
}

fn page() -> u32 {
    PAGE
}

/// A key to make.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct NewKeyRequest {
    /// What people shall call it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The plan, which limits it.
    #[serde(default = "free")]
    plan: String,
    /// What it shall open.
    #[serde(default = "models")]
    #[schemars(length(min = 1))]
    scopes: Vec<Scope>,
    /// What may be spent with it; nothing for no bound.
    budget: Option<Budget>,
    /// When it shall end; nothing for never.
    expires_at: Option<Timestamp>,
}

fn free() -> String {
    "free".to_owned()
}

fn models() -> Vec<Scope> {
    vec![Scope::Models]
}

/// What shall be different. A field that is absent stays as it is; `null` takes a bound away.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct KeyChangeRequest {
    /// What people shall call it.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// The plan, which limits it.
    plan: Option<String>,
    /// What it shall open.
    #[schemars(length(min = 1))]
    scopes: Option<Vec<Scope>>,
    /// What may be spent with it; `null` for no bound.
    #[serde(default, deserialize_with = "even_null")]
    #[schemars(with = "Option<Budget>")]
    budget: Option<Option<Budget>>,
    /// When it shall end; `null` for never.
    #[serde(default, deserialize_with = "even_null")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
}

/// Tells `null` from a field that is absent.
fn even_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// List the keys, the newest first.
#[get("/keys")]
async fn list(db: State<Db>, Query(page): Query<KeyPage>) -> Result<Json<KeyList>, KeyError> {
    let KeyPage { cursor, limit } = page;
    let after = cursor.as_deref().map(id_of).transpose()?;
    // One more tells whether there is a next page.
    let mut keys = db.list_keys(after, limit + 1).await?;
    let is_last = keys.len() <= limit as usize;
    keys.truncate(limit as usize);
    let next_cursor = keys.last().filter(|_| !is_last).map(|key| key.id.to_string());
    Ok(Json(KeyList { data: keys.into_iter().map(KeyInfo::from).collect(), next_cursor }))
}

/// Make a key.
///
/// From the first key on every request needs one, in all processes, within a second.
#[post("/keys", status = 201)]
async fn make(
    administrator: Depends<administrator>,
    db: State<Db>,
    keys: State<Keys>,
    Json(request): Json<NewKeyRequest>,
) -> Result<Json<MadeKey>, KeyError> {
    let NewKeyRequest { name, plan, scopes, budget, expires_at } = request;
    let wish = KeyWish { name, plan, scopes: scopes.into_iter().collect(), budget, expires_at };
    let (record, text) = create(&db, &keys.plans(), wish, administrator.name()).await?;
    keys.refresh().await;
    Ok(Json(MadeKey { key: text.into_inner(), info: record.into() }))
}

/// Show a key.
#[get("/keys/{id}")]
async fn show(db: State<Db>, Path(id): Path<String>) -> Result<Json<KeyInfo>, KeyError> {
    let id = id_of(&id)?;
    let key = db.find_key(id).await?.ok_or_else(|| KeyError::missing(id))?;
    Ok(Json(key.into()))
}

/// Change a key.
///
/// It reaches all processes within a second.
#[patch("/keys/{id}")]
async fn change(
    administrator: Depends<administrator>,
    db: State<Db>,
    keys: State<Keys>,
    Path(id): Path<String>,
    Json(request): Json<KeyChangeRequest>,
) -> Result<Json<KeyInfo>, KeyError> {
    let KeyChangeRequest { name, plan, scopes, budget, expires_at } = request;
    let change = KeyChange {
        name,
        plan,
        scopes: scopes.map(|scopes| scopes.into_iter().collect()),
        budget,
        expires_at,
    };
    let key = update(&db, &keys.plans(), id_of(&id)?, change, administrator.name()).await?;
    keys.refresh().await;
    Ok(Json(key.into()))
}

/// Revoke a key for good.
///
/// It is refused by all processes within a second, and stays in the list.
#[delete("/keys/{id}")]
async fn remove(
    administrator: Depends<administrator>,
    db: State<Db>,
    keys: State<Keys>,
    Path(id): Path<String>,
) -> Result<(), KeyError> {
    revoke(&db, id_of(&id)?, administrator.name()).await?;
    keys.refresh().await;
    Ok(())
}

fn id_of(text: &str) -> Result<KeyId, KeyError> {
    KeyId::parse(text).ok_or_else(|| KeyError::missing(text))
}
