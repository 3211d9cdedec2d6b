use alula::prelude::*;

async fn add(a: i64) -> i64 {
    a
}

fn main() {
    let _ = App::new("x", "1").tool(add);
}
