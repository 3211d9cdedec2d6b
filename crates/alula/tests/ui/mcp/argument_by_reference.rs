use alula::prelude::*;

/// Greet.
#[tool]
async fn greet(name: &str, body: Json<u8>) -> String {
    name.to_owned()
}

fn main() {}
