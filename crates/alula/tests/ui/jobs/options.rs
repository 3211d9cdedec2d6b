use alula::prelude::*;

#[job(name = "", version = 2, tries = 3, queue = "a", queue = "b")]
async fn count(text: String) -> usize {
    text.len()
}

#[job(name = "count", version = 2)]
async fn count_again(text: String) -> usize {
    text.len()
}

#[job]
fn not_async(text: String) -> usize {
    text.len()
}

fn main() {}
