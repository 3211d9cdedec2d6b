//! What endpoints answer: values of every kind, and statuses.

use std::collections::BTreeMap;

use alula::{head as head_route, options as options_route, prelude::*};
use serde_json::{Map, Value, json};

#[derive(Serialize, JsonSchema)]
struct Dish {
    name: &'static str,
    note: Option<&'static str>,
    price: f64,
    parts: Vec<&'static str>,
    codes: Map<String, Value>,
}

fn dish(name: &'static str) -> Dish {
    Dish { name, note: None, price: 1.0, parts: Vec::new(), codes: Map::new() }
}

#[get("/answers/model")]
async fn model() -> Json<Dish> {
    let codes = [("b".to_owned(), json!(1)), ("a".to_owned(), json!(2))];
    Json(Dish { codes: codes.into_iter().collect(), ..dish("soup") })
}

#[get("/answers/models")]
async fn models() -> Json<Vec<Dish>> {
    let odd = dish("<é\u{1f600}\u{2028}\x7f\n\t\"\\/>");
    Json(vec![dish("soup"), Dish { note: Some("n"), ..odd }])
}

#[get("/answers/page")]
async fn page() -> Json<Value> {
    Json(json!({"items": [], "total": 0, "next": null}))
}

#[get("/answers/floats")]
async fn floats() -> Json<Vec<f64>> {
    Json(vec![
        0.0,
        -0.0,
        1.0,
        1.5,
        0.1,
        1e15,
        1e16,
        1e21,
        1e22,
        1e-4,
        1e-5,
        1e-7,
        1e100,
        123456789.125,
    ])
}

#[get("/answers/integers")]
async fn integers() -> Json<Vec<i64>> {
    Json(vec![0, -1, 1 << 53, i64::MAX, i64::MIN])
}

#[get("/answers/text")]
async fn text() -> Json<&'static str> {
    Json("plain \u{e9} \0 \u{1f} \u{2029}")
}

#[get("/answers/true")]
async fn yes() -> Json<bool> {
    Json(true)
}

#[get("/answers/null")]
async fn null() -> Json<()> {
    Json(())
}

#[post("/answers/created", status = 201)]
async fn created() -> Json<Dish> {
    Json(dish("new"))
}

#[post("/answers/accepted", status = 202)]
async fn accepted() -> Json<BTreeMap<&'static str, &'static str>> {
    Json(BTreeMap::from([("status", "accepted")]))
}

#[delete("/answers/gone/{id}")]
async fn gone(Path(_): Path<i64>) {}

#[get("/answers/deprecated", deprecated, summary = "An old one")]
async fn old() -> Json<i64> {
    Json(1)
}

#[get("/answers/hidden", hidden)]
async fn hidden() -> Json<i64> {
    Json(1)
}

async fn one() -> Json<i64> {
    Json(1)
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new()
        .tag("Answers")
        .routes(routes![
            model, models, page, floats, integers, text, yes, null, created, accepted, gone, old,
            hidden
        ])
        .route(head_route("/answers/head", one).name("head"))
        .route(options_route("/answers/options", one).name("options"))
}
