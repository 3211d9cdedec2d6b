use alula::prelude::*;

async fn root() -> Json<u8> {
    Json(1)
}

fn main() {
    let _ = App::new("x", "1").routes(routes![root]);
}
