use alula::prelude::*;

#[get("/")]
fn root() -> Json<u8> {
    Json(1)
}

fn main() {}
