use alula::prelude::*;

#[get("/search")]
async fn search(token: Bearer, seconds: u64) -> Json<String> {
    Json(format!("{} {seconds}", token.as_str()))
}

fn main() {}
