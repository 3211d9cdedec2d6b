use alula::prelude::*;

struct Database;

#[get("/items")]
async fn list(database: Depends<Database>) -> Json<u8> {
    Json(1)
}

fn main() {}
