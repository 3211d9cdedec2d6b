use alula::{Json, Validate, post};
use serde::Deserialize;

#[derive(Deserialize, Validate)]
struct Item {
    name: String,
}

async fn create(key: alula::ApiKey, Json(item): Json<Item>) -> Json<String> {
    Json(item.name)
}

fn main() {
    let _ = post("/items", create);
}
