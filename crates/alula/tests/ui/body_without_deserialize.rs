use alula::{Json, Validate, post};
use schemars::JsonSchema;

#[derive(JsonSchema, Validate)]
struct Item {
    name: String,
}

#[post("/items")]
async fn create(Json(item): Json<Item>) -> Json<String> {
    Json(item.name)
}

fn main() {}
