use alula::prelude::*;

#[job]
async fn count(Json(text): Json<String>) -> usize {
    text.len()
}

fn main() {}
