use alula::{Json, post};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Item {
    name: String,
}

async fn create(Json(item): Json<Item>) -> Json<String> {
    Json(item.name)
}

fn main() {
    let _ = post("/items", create);
}
