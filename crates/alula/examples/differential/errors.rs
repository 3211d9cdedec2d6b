//! Errors: raised, unhandled, and with handlers of their own.

use std::fmt;

use alula::{Body, ErrorContext, http::Response, prelude::*};
use serde_json::{Value, json};

use crate::bodies::Item;

#[get("/errors/status/{status}")]
async fn by_status(Path(status): Path<i64>) -> Result<Json<i64>> {
    Err(HttpError::new(status.try_into()?, format!("this is {status}")))
}

fn detail(kind: &str) -> Value {
    match kind {
        "object" => json!({"code": "no_money", "missing": 3}),
        "list" => json!(["a", 1, null]),
        "number" => json!(7),
        _ => json!("é \u{1f600} \u{2028} < >"),
    }
}

#[get("/errors/detail/{kind}")]
async fn by_detail(Path(kind): Path<String>) -> Result<Json<i64>> {
    Err(HttpError::bad_request(detail(&kind)))
}

#[get("/errors/headers")]
async fn with_headers() -> Result<Json<i64>> {
    let error = HttpError::too_many_requests("slow down", 7);
    Err(error.header("x-left".parse()?, "0".parse()?))
}

#[get("/errors/login")]
async fn login() -> Result<Json<i64>> {
    Err(HttpError::unauthorized("Bearer realm=\"a\""))
}

#[get("/errors/unhandled")]
async fn unhandled() -> Result<Json<i64>> {
    Ok(Json("x".parse()?))
}

#[post("/errors/body/{id}")]
async fn body(Path(id): Path<i64>, Json(item): Json<Item>) -> Result<Json<Item>> {
    if id == 0 {
        return Err(HttpError::not_found("no such item"));
    }
    Ok(Json(item))
}

/// An error with a handler of its own.
#[derive(Debug)]
pub(crate) struct Insolvency {
    missing: i64,
}

impl fmt::Display for Insolvency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are missing", self.missing)
    }
}

impl std::error::Error for Insolvency {}

#[get("/errors/own/{missing}")]
async fn own_error(Path(missing): Path<i64>) -> Result<Json<i64>> {
    Err(Insolvency { missing }.into())
}

/// The handler.
pub(crate) fn answer_insolvency(
    error: &Insolvency,
    _: &ErrorContext<'_>,
) -> Result<Response<Body>> {
    let body = json!({ "missing": error.missing }).to_string();
    let answer = Response::builder().status(402).header("content-type", "application/json");
    Ok(answer.header("x-pay", "now").body(body.into())?)
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Errors").routes(routes![
        by_status,
        by_detail,
        with_headers,
        login,
        unhandled,
        body,
        own_error
    ])
}
