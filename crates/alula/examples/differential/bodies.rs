//! Request bodies in JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use alula::prelude::*;
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    #[default]
    User,
    System,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Message {
    role: Role,
    #[schemars(length(min = 1, max = 5))]
    content: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Part {
    Text { text: String },
    Img { url: String },
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Chat {
    model: String,
    #[schemars(length(min = 1, max = 3))]
    messages: Vec<Message>,
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 2))]
    temperature: f64,
    #[serde(default = "half")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    top_p: f64,
    #[serde(default = "two")]
    #[schemars(extend("multipleOf" = 2))]
    n: i64,
    #[schemars(regex(pattern = "^[a-z]+$"))]
    tag: Option<String>,
    #[serde(default)]
    stream: bool,
    id: Option<Uuid>,
    part: Option<Part>,
    #[serde(default)]
    meta: BTreeMap<String, i64>,
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

fn two() -> i64 {
    2
}

#[post("/bodies/chat")]
async fn chat(Json(body): Json<Chat>) -> Json<Chat> {
    Json(body)
}

#[post("/strict/chat", tag = "Bodies")]
async fn strict_chat(Json(body): Json<Chat>) -> Json<Chat> {
    Json(body)
}

#[derive(Deserialize, JsonSchema, Validate)]
#[validate(custom = quiet)]
struct Checked {
    #[validate(custom = known)]
    model: String,
    tag: Option<String>,
    #[serde(default)]
    n: i64,
    #[serde(default)]
    messages: Vec<Message>,
}

fn known(model: &str) -> Result<(), &'static str> {
    if model == "bad" { Err("no such model") } else { Ok(()) }
}

fn quiet(checked: &Checked) -> Result<(), &'static str> {
    match checked.tag.as_deref() {
        Some("boom") => Err("tag may not be boom"),
        _ => Ok(()),
    }
}

#[post("/bodies/checked")]
async fn checked(Json(_): Json<Checked>) -> Json<i64> {
    Json(1)
}

#[post("/bodies/list")]
async fn messages(Json(body): Json<Vec<Message>>) -> Json<Vec<Message>> {
    Json(body)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Numbers {
    whole: Option<i64>,
    real: Option<f64>,
    flag: Option<bool>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    positive: Option<i64>,
    #[schemars(range(min = 0, max = 100))]
    percent: Option<f64>,
    #[schemars(extend("multipleOf" = 0.5))]
    half: Option<f64>,
}

#[post("/bodies/numbers")]
async fn numbers(Json(body): Json<Numbers>) -> Json<Numbers> {
    Json(body)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Texts {
    any: Option<String>,
    #[schemars(length(max = 5))]
    short: Option<String>,
    #[schemars(regex(pattern = "^[A-Z]{2,3}-[0-9]+$"))]
    code: Option<String>,
    role: Option<Role>,
    #[schemars(email)]
    email: Option<String>,
    #[schemars(url)]
    url: Option<String>,
    id: Option<Uuid>,
    #[schemars(extend("format" = "date-time"))]
    when: Option<String>,
    #[schemars(extend("format" = "date"))]
    day: Option<String>,
    #[schemars(extend("format" = "time"))]
    at: Option<String>,
    ip: Option<Ipv4Addr>,
}

#[post("/bodies/texts")]
async fn texts(Json(_): Json<Texts>) -> Json<i64> {
    Json(1)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Node {
    name: String,
    #[serde(default)]
    children: Vec<Self>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Shapes {
    pair: Option<(i64, String)>,
    #[schemars(length(min = 2, max = 3))]
    point: Option<Vec<f64>>,
    labels: Option<BTreeMap<String, i64>>,
    codes: Option<BTreeMap<String, Vec<i64>>>,
    matrix: Option<Vec<Vec<i64>>>,
    tags: Option<BTreeSet<String>>,
    tree: Option<Node>,
}

#[post("/bodies/shapes")]
async fn shapes(Json(_): Json<Shapes>) -> Json<i64> {
    Json(1)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Unions {
    part: Option<Part>,
    #[serde(default)]
    parts: Vec<Part>,
    stop: Option<Stop>,
}

#[post("/bodies/unions")]
async fn unions(Json(body): Json<Unions>) -> Json<Unions> {
    Json(body)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Account {
    first_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_town: Option<String>,
    #[serde(default = "sixteen")]
    max_tokens: i64,
}

fn sixteen() -> i64 {
    16
}

#[post("/bodies/account")]
async fn account(Json(body): Json<Account>) -> Json<Account> {
    Json(body)
}

#[post("/bodies/any")]
async fn anything(Json(body): Json<Value>) -> Json<Value> {
    Json(body)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct Item {
    pub(crate) name: String,
    #[schemars(range(min = 0))]
    price: f64,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Search {
    q: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct PutItem {
    item_id: i64,
    item: Item,
    q: Option<String>,
}

#[put("/bodies/items/{item_id}")]
async fn put_item(
    Path(item_id): Path<i64>,
    Query(search): Query<Search>,
    Json(item): Json<Item>,
) -> Json<PutItem> {
    Json(PutItem { item_id, item, q: search.q })
}

#[patch("/bodies/items/{item_id}")]
async fn patch_item(Path(_): Path<i64>, Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Bodies").routes(routes![
        chat, checked, messages, numbers, texts, shapes, unions, account, anything, put_item,
        patch_item
    ])
}

/// The routes that read JSON strictly in any case.
pub(crate) fn strict_router() -> Router {
    Router::new().routes(routes![strict_chat])
}
