//! Routers: prefixes, tags, precedence, methods.

use std::collections::BTreeMap;

use alula::prelude::*;

use crate::list::List;

#[get("/me")]
async fn me() -> Json<&'static str> {
    Json("me")
}

#[get("/{name}")]
async fn by_name(Path(name): Path<String>) -> Json<String> {
    Json(format!("user {name}"))
}

#[post("/{name}")]
async fn add(Path(name): Path<String>) -> Json<String> {
    Json(format!("added {name}"))
}

#[delete("/{name}")]
async fn remove(Path(_): Path<String>) {}

#[get("/{name}/items/{item}")]
async fn item_of(Path(item): Path<(String, i64)>) -> Json<List<(String, i64)>> {
    Json(List(item))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct AdminToken {
    token: String,
}

#[dependency]
async fn admin(Query(query): Query<AdminToken>) -> Result<()> {
    if query.token == "t" { Ok(()) } else { Err(HttpError::forbidden("no admin")) }
}

#[get("")]
async fn root_of_inner() -> Json<&'static str> {
    Json("inner")
}

#[get("/deep/{n}")]
async fn deep(Path(n): Path<i64>) -> Json<i64> {
    Json(n)
}

#[get("/own", tag = "Own")]
async fn own() -> Json<&'static str> {
    Json("own")
}

#[get("/")]
async fn index() -> Json<BTreeMap<&'static str, &'static str>> {
    Json(BTreeMap::from([("message", "hello")]))
}

/// The routes.
pub(crate) fn router() -> Router {
    let users = Router::new()
        .prefix("/users")
        .tag("Users")
        .routes(routes![me, by_name, add, remove, item_of]);
    let inner = Router::new().prefix("/inner").tag("Inner").routes(routes![root_of_inner, deep]);
    let outer = Router::new().prefix("/outer").tag("Outer").depends::<admin>();
    let outer = outer.routes(routes![own]).include(Router::new().prefix("/mid").include(inner));
    Router::new()
        .include(Router::new().prefix("/v1").include(users))
        .include(outer)
        .routes(routes![index])
}
