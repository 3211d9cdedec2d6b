use alula::prelude::*;

/// A document.
#[resource("docs://{id}")]
async fn document(other: u64) -> String {
    other.to_string()
}

fn main() {}
