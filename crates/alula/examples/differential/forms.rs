//! Forms, files and raw bodies.

use alula::{Form, Multipart, UploadFile, prelude::*};
use serde_json::{Value, json};

use crate::{bodies::Role, list::List};

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Order {
    #[schemars(length(min = 2, max = 8))]
    item: String,
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 9))]
    count: i64,
    price: Option<f64>,
    #[serde(default)]
    tags: Vec<i64>,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    gift: bool,
}

fn first() -> i64 {
    1
}

type Told = (String, i64, Option<f64>, Vec<i64>, Role, bool);

#[post("/forms/order")]
async fn order(Form(order): Form<Order>) -> Json<List<Told>> {
    Json(List((order.item, order.count, order.price, order.tags, order.role, order.gift)))
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Exact {
    a: String,
}

#[post("/forms/exact")]
async fn exact(Form(form): Form<Exact>) -> Json<String> {
    Json(form.a)
}

async fn told(file: Option<&UploadFile>) -> Result<Value> {
    let Some(file) = file else { return Ok(Value::Null) };
    let content: String = file.bytes().await?.iter().map(|byte| char::from(*byte)).collect();
    Ok(json!([file.file_name(), file.content_type(), file.size(), content]))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct One {
    file: UploadFile,
}

#[post("/files/one")]
async fn one_file(Multipart(form): Multipart<One>) -> Result<Json<Value>> {
    Ok(Json(told(Some(&form.file)).await?))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Optional {
    file: Option<UploadFile>,
    note: Option<String>,
}

#[post("/files/optional")]
async fn optional(Multipart(form): Multipart<Optional>) -> Result<Json<Value>> {
    Ok(Json(json!([told(form.file.as_ref()).await?, form.note])))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Many {
    files: Vec<UploadFile>,
    #[schemars(length(min = 2))]
    title: String,
}

#[post("/files/many")]
async fn many(Multipart(form): Multipart<Many>) -> Result<Json<Vec<Value>>> {
    let mut answer = vec![Value::from(form.title)];
    for file in &form.files {
        answer.push(told(Some(file)).await?);
    }
    Ok(Json(answer))
}

#[post("/raw/text")]
async fn raw_text(body: Text) -> Text {
    body
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Forms").routes(routes![order, exact, one_file, optional, many, raw_text])
}
