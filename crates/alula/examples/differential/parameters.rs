//! Paths, queries, headers and cookies.

use alula::prelude::*;
use uuid::Uuid;

use crate::{bodies::Role, list::List};

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum SortOrder {
    #[default]
    A,
    B,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Everything {
    skip: i64,
    #[serde(default = "ten")]
    #[schemars(range(max = 100))]
    limit: i64,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    tags: Vec<i64>,
    #[schemars(length(min = 3, max = 8))]
    name: Option<String>,
    #[schemars(regex(pattern = "^[a-z]+$"))]
    code: Option<String>,
    #[serde(default = "one_and_a_half")]
    ratio: f64,
    id: Option<Uuid>,
}

fn ten() -> i64 {
    10
}

fn one_and_a_half() -> f64 {
    1.5
}

type Answer = (i64, i64, Role, bool, Vec<i64>, Option<String>, Option<String>, f64, Option<Uuid>);

#[get("/query")]
async fn query(Query(query): Query<Everything>) -> Json<List<Answer>> {
    let Everything { skip, limit, role, flag, tags, name, code, ratio, id } = query;
    Json(List((skip, limit, role, flag, tags, name, code, ratio, id)))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Alias {
    #[serde(rename = "item-query")]
    #[schemars(length(min = 2))]
    item: String,
}

#[get("/query/alias")]
async fn alias(Query(query): Query<Alias>) -> Json<String> {
    Json(query.item)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Lists {
    tags: Vec<i64>,
    #[schemars(length(min = 2))]
    more: Option<Vec<String>>,
}

#[get("/query/lists")]
async fn lists(Query(lists): Query<Lists>) -> Json<List<(Vec<i64>, Option<Vec<String>>)>> {
    Json(List((lists.tags, lists.more)))
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default = "ten")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    limit: i64,
    #[serde(default)]
    order: SortOrder,
}

#[get("/query/filter")]
async fn filtered(Query(filter): Query<Filter>) -> Json<List<(i64, SortOrder)>> {
    Json(List((filter.limit, filter.order)))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Point {
    x: i64,
    y: i64,
}

#[get("/query/model")]
async fn point(Query(point): Query<Point>) -> Json<List<(i64, i64)>> {
    Json(List((point.x, point.y)))
}

#[get("/path/int/{id}")]
async fn path_int(Path(id): Path<i64>) -> Json<i64> {
    Json(id)
}

#[get("/path/float/{ratio}")]
async fn path_float(Path(ratio): Path<f64>) -> Json<f64> {
    Json(ratio)
}

#[get("/path/bool/{flag}")]
async fn path_bool(Path(flag): Path<bool>) -> Json<bool> {
    Json(flag)
}

#[get("/path/text/{text}")]
async fn path_text(Path(text): Path<String>) -> Json<String> {
    Json(text)
}

#[get("/path/uuid/{id}")]
async fn path_uuid(Path(id): Path<Uuid>) -> Json<Uuid> {
    Json(id)
}

#[get("/path/role/{role}")]
async fn path_role(Path(role): Path<Role>) -> Json<Role> {
    Json(role)
}

#[get("/path/pair/{a}/{b}")]
async fn path_pair(Path(pair): Path<(i64, bool)>) -> Json<List<(i64, bool)>> {
    Json(List(pair))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Table {
    #[schemars(length(min = 2))]
    room: String,
    #[schemars(range(min = 1), extend("exclusiveMaximum" = 1000))]
    table: i64,
}

#[get("/path/table/{room}/{table}")]
async fn path_table(Path(at): Path<Table>) -> Json<List<(String, i64)>> {
    Json(List((at.room, at.table)))
}

#[get("/path/file/{*path}")]
async fn path_file(Path(path): Path<String>) -> Json<String> {
    Json(path)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Headers {
    x_token: String,
    n: Option<i64>,
    #[serde(default)]
    x_tags: Vec<i64>,
}

#[get("/header")]
async fn header(Header(headers): Header<Headers>) -> Json<List<(String, Option<i64>, Vec<i64>)>> {
    Json(List((headers.x_token, headers.n, headers.x_tags)))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Agent {
    user_agent: Option<String>,
}

#[get("/header/agent")]
async fn agent(Header(headers): Header<Agent>) -> Json<Option<String>> {
    Json(headers.user_agent)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Cookies {
    #[schemars(length(min = 3))]
    session: String,
    #[serde(default = "one")]
    n: i64,
}

fn one() -> i64 {
    1
}

#[get("/cookie")]
async fn cookie(Cookie(cookies): Cookie<Cookies>) -> Json<List<(String, i64)>> {
    Json(List((cookies.session, cookies.n)))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Y {
    y: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Q {
    q: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct H {
    h: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct C {
    c: i64,
}

#[post("/all/{p}")]
async fn everything(
    Path(path): Path<i64>,
    Query(query): Query<Q>,
    Header(header): Header<H>,
    Cookie(cookie): Cookie<C>,
    Json(body): Json<Y>,
) -> Json<Vec<i64>> {
    Json(vec![path, query.q, header.h, cookie.c, body.y])
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Parameters").routes(routes![
        query, alias, lists, filtered, point, path_int, path_float, path_bool, path_text,
        path_uuid, path_role, path_pair, path_table, path_file, header, agent, cookie, everything
    ])
}
