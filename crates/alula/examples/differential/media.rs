//! Answers that are no JSON, and the head of an answer.

use std::{io, time::Duration};

use alula::{Redirect, ResponseHead, SameSite, SetCookie, prelude::*};
use futures_util::stream;

const WING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/differential/wing.txt");

#[get("/media/html")]
async fn html() -> Html<&'static str> {
    Html("<h1>é</h1>")
}

#[get("/media/text")]
async fn plain_text() -> Text<&'static str> {
    Text("é\n")
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Target {
    #[serde(default = "home")]
    to: String,
}

fn home() -> String {
    "/".to_owned()
}

#[get("/media/redirect")]
async fn redirect(Query(target): Query<Target>) -> Redirect {
    Redirect::to(&target.to)
}

#[get("/media/see-other")]
async fn see_other() -> Redirect<303> {
    Redirect::see_other("/media/text?a=é b")
}

#[get("/media/file")]
async fn file() -> Result<File> {
    Ok(File::open(WING).await?)
}

#[get("/media/download")]
async fn download() -> Result<File> {
    Ok(File::open(WING).await?.attachment("é wing.txt"))
}

#[get("/media/stream")]
async fn byte_stream() -> ByteStream<impl Stream<Item = &'static str>> {
    ByteStream::new(stream::iter(["one ", "two"])).content_type("text/plain")
}

#[get("/media/bytes")]
async fn some_bytes() -> ByteStream<impl Stream<Item = io::Result<Bytes>>> {
    ByteStream::new(stream::iter([Ok(Bytes::from_static(b"\x00\xff"))])).content_type("audio/wav")
}

#[get("/head/headers")]
async fn headers(head: ResponseHead) -> Json<i64> {
    head.header("x-left", "3");
    head.header("cache-control", "no-store");
    Json(1)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Made {
    #[serde(default)]
    made: bool,
}

#[post("/head/status")]
async fn status(head: ResponseHead, Query(query): Query<Made>) -> Json<i64> {
    if query.made {
        head.status(201);
    }
    Json(1)
}

#[get("/head/cookies")]
async fn cookies(head: ResponseHead) -> Json<i64> {
    head.set_cookie(SetCookie::new("plain", "a"));
    head.set_cookie(SetCookie::new("quoted", "a \"b\"; c"));
    let full = SetCookie::new("full", "v").max_age(Duration::from_mins(1)).path("/x");
    let full = full.domain("example.com").secure().http_only().same_site(SameSite::Strict);
    head.set_cookie(full);
    Json(1)
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Media").routes(routes![
        html,
        plain_text,
        redirect,
        see_other,
        file,
        download,
        byte_stream,
        some_bytes,
        headers,
        status,
        cookies
    ])
}
