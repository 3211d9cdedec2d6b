use alula::prelude::*;

struct Filter;

/// Search.
#[tool]
async fn search(filter: Filter) -> String {
    String::new()
}

fn main() {}
