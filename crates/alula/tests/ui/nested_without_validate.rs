use alula::prelude::*;

#[derive(Deserialize, JsonSchema, Validate)]
struct Order {
    items: Vec<Item>,
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    #[schemars(length(min = 1))]
    name: String,
}

fn main() {}
