use alula::prelude::*;

struct Words;

impl Words {
    #[job]
    async fn count(&self, text: String) -> usize {
        text.len()
    }
}

#[job]
async fn generic<T: Send>(value: T) {
    drop(value);
}

#[job(timeout_seconds = "soon")]
async fn soon(text: String) -> usize {
    text.len()
}

fn main() {}
