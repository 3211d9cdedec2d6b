use alula::prelude::*;

struct Found;

/// Search.
#[tool]
async fn search(text: String) -> Found {
    Found
}

fn main() {}
