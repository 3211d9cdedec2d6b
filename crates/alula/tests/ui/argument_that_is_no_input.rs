use alula::prelude::*;

#[get("/search")]
async fn search(token: Bearer, text: String) -> Json<String> {
    Json(text + token.as_str())
}

fn main() {}
