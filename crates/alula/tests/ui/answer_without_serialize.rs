use alula::prelude::*;

#[derive(JsonSchema)]
struct Item {
    name: String,
}

#[get("/item")]
async fn item() -> Json<Item> {
    Json(Item { name: "x".to_owned() })
}

fn main() {}
