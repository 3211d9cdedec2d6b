//! Dependencies: what they give, their order, and credentials.

use std::sync::Arc;

use alula::{ApiKeyLocation, KeyPlace, http::HeaderValue, prelude::*};

use crate::{bodies::Item, events::Events, list::List};

#[derive(Clone, Serialize, Deserialize, JsonSchema, Validate)]
struct Page {
    q: Option<String>,
    #[serde(default)]
    skip: i64,
    #[serde(default = "hundred")]
    limit: i64,
}

fn hundred() -> i64 {
    100
}

#[dependency]
async fn page(Query(page): Query<Page>) -> Page {
    page
}

#[get("/dependencies/page")]
async fn read_page(page: Depends<page>) -> Json<Page> {
    Json(Page::clone(&page))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Trace {
    x_trace: i64,
}

#[dependency]
async fn trace(Header(trace): Header<Trace>) -> i64 {
    trace.x_trace
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Own {
    own: i64,
}

#[get("/dependencies/siblings/{id}")]
async fn siblings(
    page: Depends<page>,
    trace: Depends<trace>,
    Path(id): Path<i64>,
    Query(query): Query<Own>,
) -> Json<List<(i64, i64, Page, i64)>> {
    Json(List((id, query.own, Page::clone(&page), *trace)))
}

#[dependency]
pub(crate) async fn leaf(events: State<Events>) -> Arc<()> {
    events.note("leaf");
    Arc::new(())
}

#[dependency]
pub(crate) async fn branch(leaf: Depends<leaf>, events: State<Events>, scope: Scope) -> Arc<()> {
    events.note("branch in");
    scope.on_exit(|_| async move { events.note("branch out") });
    Arc::clone(&leaf)
}

/// Whether the leaf is the same one everywhere.
#[dependency]
pub(crate) async fn other(
    leaf: Depends<leaf>,
    branch: Depends<branch>,
    events: State<Events>,
    scope: Scope,
) -> bool {
    events.note("other in");
    scope.on_exit(|_| async move { events.note("other out") });
    Arc::ptr_eq(&leaf, &branch)
}

#[get("/dependencies/tree")]
async fn tree(other: Depends<other>, events: State<Events>) -> Json<bool> {
    events.note("handler");
    Json(*other)
}

#[get("/dependencies/tree/error")]
async fn tree_error(_other: Depends<other>, events: State<Events>) -> Result<Json<bool>> {
    events.note("handler");
    Err(HttpError::conflict("no"))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Refuse {
    x_refuse: Option<String>,
}

#[dependency]
async fn refuse(Header(refuse): Header<Refuse>) -> Result<()> {
    match refuse.x_refuse.filter(|reason| !reason.is_empty()) {
        Some(reason) => Err(HttpError::forbidden("refused")
            .header("x-reason".parse()?, HeaderValue::try_from(reason)?)),
        None => Ok(()),
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
struct N {
    n: i64,
}

#[get("/dependencies/guard")]
async fn guarded(Query(query): Query<N>) -> Json<i64> {
    Json(query.n)
}

#[dependency]
pub(crate) async fn user(key: ApiKey) -> Result<&'static str> {
    match key.as_str() {
        "secret" => Ok("ada"),
        _ => Err(HttpError::forbidden("unknown key")),
    }
}

#[get("/security/header")]
async fn by_header(user: Depends<user>) -> Json<&'static str> {
    Json(*user)
}

#[post("/security/body")]
async fn key_and_body(user: Depends<user>, Json(_): Json<Item>) -> Json<&'static str> {
    Json(*user)
}

#[get("/security/key")]
async fn by_key(key: ApiKey) -> Json<String> {
    Json(key.into_inner())
}

struct QueryKey;

impl ApiKeyLocation for QueryKey {
    const PLACE: KeyPlace = KeyPlace::Query;
    const NAME: &'static str = "key";
}

#[get("/security/query")]
async fn by_query(key: ApiKey<QueryKey>) -> Json<String> {
    Json(key.into_inner())
}

struct CookieKey;

impl ApiKeyLocation for CookieKey {
    const PLACE: KeyPlace = KeyPlace::Cookie;
    const NAME: &'static str = "key";
}

#[get("/security/cookie")]
async fn by_cookie(key: ApiKey<CookieKey>) -> Json<String> {
    Json(key.into_inner())
}

#[get("/security/optional-key")]
async fn by_optional_key(key: Option<ApiKey>) -> Json<Option<String>> {
    Json(key.map(ApiKey::into_inner))
}

#[get("/security/bearer")]
async fn by_bearer(token: Bearer) -> Json<String> {
    Json(token.into_inner())
}

#[get("/security/optional-bearer")]
async fn by_optional_bearer(token: Option<Bearer>) -> Json<Option<String>> {
    Json(token.map(Bearer::into_inner))
}

#[get("/security/both")]
async fn by_both(
    token: Bearer,
    key: ApiKey,
    Query(query): Query<N>,
) -> Json<List<(String, String, i64)>> {
    Json(List((token.into_inner(), key.into_inner(), query.n)))
}

/// The routes.
pub(crate) fn router() -> Router {
    let guard = Router::new().depends::<refuse>().routes(routes![guarded]);
    Router::new()
        .tag("Dependencies")
        .routes(routes![
            read_page,
            siblings,
            tree,
            tree_error,
            by_header,
            key_and_body,
            by_key,
            by_query,
            by_cookie,
            by_optional_key,
            by_bearer,
            by_optional_bearer,
            by_both
        ])
        .include(guard)
}
