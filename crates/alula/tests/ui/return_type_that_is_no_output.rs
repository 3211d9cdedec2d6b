use alula::prelude::*;

#[get("/now")]
async fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() {}
