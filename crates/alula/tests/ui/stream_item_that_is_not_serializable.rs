use alula::prelude::*;
use futures_util::stream;

struct Token(String);

#[get("/tokens")]
async fn tokens() -> Sse<impl Stream<Item = Token>> {
    Sse::new(stream::iter([Token("a".to_owned())]))
}

fn main() {}
