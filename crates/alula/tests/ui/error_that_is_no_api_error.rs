use alula::prelude::*;

struct Broke;

#[get("/pay")]
async fn pay() -> Result<Json<u8>, Broke> {
    Err(Broke)
}

fn main() {}
