use alula::prelude::*;

/// It can be read, and not written.
#[derive(Deserialize, JsonSchema, Validate)]
struct Text(String);

#[job]
async fn count(text: Text) -> usize {
    text.0.len()
}

struct Count(usize);

#[job]
async fn wrap(count: usize) -> Count {
    Count(count)
}

fn main() {}
