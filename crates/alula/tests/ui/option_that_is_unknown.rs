use alula::prelude::*;

#[get("/", tags = ["a"], statuscode = 201)]
async fn root() -> Json<u8> {
    Json(1)
}

fn main() {}
