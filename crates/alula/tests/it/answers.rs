//! Answers that are not JSON, and the head of an answer, against those of the real FastAPI.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use alula::{SameSite, Status, prelude::*, testing::TestClient};
use serde_json::{Value, json};

use crate::fixture;

/// One request and what FastAPI answered.
#[derive(Deserialize)]
struct Case {
    target: String,
    send: std::collections::BTreeMap<String, String>,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Named {
    name: String,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Target {
    to: String,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Number {
    q: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Full {
    full: String,
}

/// A file with ten digits that changed last on 14 November 2023.
fn digits() -> PathBuf {
    static MADE: std::sync::Once = std::sync::Once::new();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("digits.txt");
    MADE.call_once(|| {
        std::fs::write(&path, "0123456789").unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    });
    path
}

#[get("/html")]
async fn html() -> Html<&'static str> {
    Html("<b>é</b>")
}

#[get("/text")]
async fn text() -> Text {
    Text("é".to_owned())
}

#[get("/redirect")]
async fn redirect(Query(target): Query<Target>) -> Redirect {
    Redirect::to(&target.to)
}

#[get("/see-other")]
async fn see_other() -> Redirect<303> {
    Redirect::see_other("/home")
}

#[get("/file")]
async fn file() -> Result<File> {
    Ok(File::open(digits()).await?)
}

#[get("/named")]
async fn named(Query(named): Query<Named>) -> Result<File> {
    Ok(File::open(digits()).await?.attachment(&named.name))
}

#[get("/inline")]
async fn inline(Query(named): Query<Named>) -> Result<File> {
    Ok(File::open(digits()).await?.inline(&named.name))
}

#[get("/head")]
async fn head_of_all(head: ResponseHead) -> Json<Value> {
    head.status(201);
    head.header("x-set", 1);
    head.header("x-set", "2");
    head.append("x-added", "1".to_owned());
    head.append("x-added", 2);
    Json(json!({"a": 1}))
}

#[get("/empty")]
async fn empty(head: ResponseHead) -> Json<Value> {
    head.status(204);
    Json(json!({"a": 1}))
}

#[dependency]
async fn marked(head: ResponseHead) {
    head.status(202);
    head.header("x-by", "dependency");
    head.set_cookie(SetCookie::new("seen", "1"));
}

#[get("/dependency")]
async fn by_dependency(_marked: Depends<marked>) -> Json<u8> {
    Json(1)
}

#[get("/overwritten")]
async fn overwritten(_marked: Depends<marked>, head: ResponseHead) -> Json<u8> {
    head.header("x-by", "endpoint");
    Json(1)
}

#[get("/failed")]
async fn failed(_marked: Depends<marked>) -> Result<()> {
    Err(HttpError::not_found("no"))
}

#[get("/invalid")]
async fn invalid(_marked: Depends<marked>, Query(number): Query<Number>) -> Json<i64> {
    Json(number.q)
}

#[get("/cookies")]
async fn cookies(head: ResponseHead) -> Json<()> {
    head.set_cookie(SetCookie::new("plain", "abc"));
    let full = SetCookie::new("full", "a b;c\"\\é,").http_only().secure();
    let full = full.same_site(SameSite::Strict).max_age(Duration::from_secs(3600));
    head.set_cookie(full.path("/x").domain("example.com"));
    head.set_cookie(SetCookie::new("bare", "").same_site(None).path(None));
    head.set_cookie(SetCookie::new("forged", "b\r\nset-cookie: c=d; Secure"));
    head.delete_cookie("old");
    Json(())
}

#[get("/cookie")]
async fn cookie(Cookie(cookie): Cookie<Full>) -> Json<String> {
    Json(cookie.full)
}

async fn client() -> TestClient {
    let app = App::new("Answers", "1.0.0")
        .routes(routes![html, text, redirect, see_other, file, named, inline])
        .routes(routes![head_of_all, empty, by_dependency, overwritten, failed, invalid])
        .routes(routes![cookies, cookie]);
    app.client().await
}

/// What FastAPI would have answered, had it agreed with RFC 9110 and answered errors as JSON.
fn agreed(mut case: Case) -> Case {
    let range = case.send.get("range").map_or("", String::as_str);
    // A unit that is not known has to be ignored, and one part that is there is enough.
    let other = match range {
        "items=0-1" => "",
        "bytes=0-1,20-" => "bytes=0-1",
        _ => return as_json(case),
    };
    let date = ("last-modified".to_owned(), "Tue, 14 Nov 2023 22:13:20 GMT".to_owned());
    let text = ("content-type".to_owned(), "text/plain; charset=utf-8".to_owned());
    let ranges = ("accept-ranges".to_owned(), "bytes".to_owned());
    let part = ("content-range".to_owned(), "bytes 0-1/10".to_owned());
    (case.status, case.headers, case.body) = match other {
        "" => (200, vec![ranges, text, date], "0123456789".to_owned()),
        _ => (206, vec![ranges, part, text, date], "01".to_owned()),
    };
    case
}

fn as_json(mut case: Case) -> Case {
    if case.status == 400 || case.status == 416 {
        for (name, value) in &mut case.headers {
            if name == "content-type" {
                "application/json".clone_into(value);
            }
        }
        let detail = if case.status == 416 { "Range Not Satisfiable" } else { &case.body };
        case.body = json!({ "detail": detail }).to_string();
    }
    if case.status == 204 {
        case.headers.clear();
    }
    case
}

#[tokio::test]
async fn answers_are_those_of_fastapi() {
    let client = client().await;
    let mut compared = Vec::new();
    for case in fixture::read::<Vec<Case>>("answers.json").into_iter().map(agreed) {
        let mut request = client.get(&case.target);
        for (name, value) in &case.send {
            request = request.header(name, value);
        }
        let response = request.await;
        let ignored = ["x-request-id", "etag", "content-length"];
        let headers =
            response.headers().iter().filter(|(name, _)| !ignored.contains(&name.as_str()));
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let mut headers: Vec<_> =
            headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        headers.sort();
        let found = format!("{} {headers:?} {:?}", response.status(), response.text());
        let boundary = found.split("boundary=").nth(1).and_then(|rest| rest.get(..32));
        let found = boundary.map_or(found.clone(), |text| found.replace(text, "BOUNDARY"));
        let found = found.replace("Thu, 01 Jan 1970 00:00:00 GMT", "DATE");
        let status = http::StatusCode::from_u16(case.status).unwrap();
        let expected = format!("{status} {:?} {:?}", case.headers, case.body);
        compared.push((format!("{} {:?}", case.target, case.send), expected, found));
    }
    fixture::assert_same(compared);
}

#[tokio::test]
async fn a_file_is_not_sent_to_who_has_it() {
    let client = client().await;
    let first = client.get("/file").await;
    assert_eq!(first.header("content-length"), "10");
    let etag = first.header("etag");
    let again = client.get("/file").header("if-none-match", etag).await;
    assert_eq!((again.status().as_u16(), again.text()), (304, ""));
    assert_eq!(again.header("etag"), etag);
    assert_eq!(again.header("last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(again.header("content-length"), "10");
    let head = client.head("/file").await;
    assert_eq!((head.text(), head.header("content-length"), head.header("etag")), ("", "10", etag));
    let part = client.head("/file").header("range", "bytes=2-4").header("if-range", etag).await;
    assert_eq!((part.status().as_u16(), part.header("content-length")), (206, "3"));
    let failed = client.get("/file").header("if-match", "\"other\"").await;
    assert_eq!(failed.text(), r#"{"detail":"Precondition Failed"}"#);
}

#[tokio::test]
async fn a_large_file_comes_in_pieces() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("large.bin");
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &content).unwrap();
    let open = move || {
        let path = path.clone();
        async move { Ok::<_, HttpError>(File::open(path).await?) }
    };
    let client = App::new("Answers", "1.0.0").route(get("/", open)).client().await;
    let mut stream = client.get("/").stream().await;
    assert_eq!(stream.headers()["content-length"], "800000");
    let first = stream.next().await.unwrap();
    assert_eq!(first.len(), 64 * 1024);
    let rest = stream.collect().await;
    assert!(first.iter().chain(rest.bytes()).eq(&content));

    let response = client.get("/").header("range", "bytes=100000-300000,-3").await;
    let body = response.bytes();
    let part = &content[100_000..=300_000];
    assert!(body.windows(part.len()).any(|window| window == part));
    assert_eq!(response.header("content-length"), body.len().to_string());
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_off() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shrinking.bin");
    std::fs::write(&path, vec![0; 200_000]).unwrap();
    let shrinking = path.clone();
    let open = move || {
        let path = path.clone();
        async move { Ok::<_, HttpError>(File::open(path).await?) }
    };
    let client = App::new("Answers", "1.0.0").route(get("/", open)).client().await;
    let mut stream = client.get("/").stream().await;
    assert_eq!(stream.next().await.unwrap().len(), 64 * 1024);
    std::fs::write(shrinking, "short").unwrap();
    assert!(broken_off(stream).await);
}

/// Whether what is left of a stream ends in an error.
async fn broken_off(mut stream: alula::testing::TestStream<'_>) -> bool {
    use futures_util::FutureExt as _;

    let rest = async { while stream.next().await.is_some() {} };
    std::panic::AssertUnwindSafe(rest).catch_unwind().await.is_err()
}

#[tokio::test]
async fn a_directory_is_not_left() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("public");
    std::fs::create_dir_all(directory.join("sub")).unwrap();
    std::fs::write(directory.join("sub/a.css"), "a{}").unwrap();
    std::fs::write(directory.join("../secret.txt"), "secret").unwrap();
    #[cfg(unix)]
    {
        let _ = std::fs::remove_file(directory.join("link"));
        std::os::unix::fs::symlink("../secret.txt", directory.join("link")).unwrap();
    }
    for outside in ["../secret.txt", "sub/../../secret.txt", "/etc/passwd", "link", "sub", "", "no"]
    {
        assert!(File::find_in(&directory, outside).await.unwrap().is_none(), "{outside}");
    }
    for strange in ["a\0b", "sub/a.css/b", &"x".repeat(5000)] {
        assert!(File::find_in(&directory, strange).await.unwrap().is_none(), "{strange}");
    }
    assert!(File::find_in(&directory, "sub/a.css").await.unwrap().is_some());
    assert!(File::find_in(directory.join("nowhere"), "a").await.is_err());
    assert!(File::find(directory.join("nowhere")).await.unwrap().is_none());
    let error = File::open(directory.join("nowhere")).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn bytes_are_a_file_too() {
    async fn export() -> File {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        File::bytes("text/csv", "a,b\n").attachment("a.csv").etag("v1").last_modified(time)
    }
    async fn wrong() -> File {
        File::bytes("text/csv", "").etag("a\"b")
    }
    let app = App::new("Answers", "1.0.0").route(get("/", export)).route(get("/wrong", wrong));
    let client = app.client().await;
    let response = client.get("/").await;
    assert_eq!(response.text(), "a,b\n");
    assert_eq!(response.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(response.header("content-disposition"), "attachment; filename=\"a.csv\"");
    assert_eq!(client.get("/").header("if-none-match", "\"v1\"").await.status(), 304);
    assert_eq!(client.get("/").header("range", "bytes=0-0").await.text(), "a");
    assert_eq!(client.get("/wrong").await.status(), 500);
}

#[tokio::test]
async fn a_head_is_put_on_every_kind_of_answer() {
    async fn moved(head: ResponseHead) -> Redirect<303> {
        head.status(202);
        head.set_cookie(SetCookie::new("session", "1"));
        Redirect::see_other("/")
    }
    async fn made(head: ResponseHead) -> Status<201, Text<&'static str>> {
        head.status(202);
        head.header("content-type", "text/markdown");
        Status(Text("# a"))
    }
    let app = App::new("Answers", "1.0.0").route(get("/moved", moved)).route(get("/made", made));
    let client = app.client().await;
    let response = client.get("/moved").await;
    assert_eq!((response.status().as_u16(), response.header("location")), (303, "/"));
    assert_eq!(response.header("set-cookie"), "session=1; Path=/; SameSite=lax");
    let response = client.get("/made").await;
    assert_eq!(
        (response.status().as_u16(), response.header("content-type")),
        (201, "text/markdown")
    );
}

#[tokio::test]
async fn a_head_that_cannot_be_sent_is_a_500() {
    async fn wrong(Path(what): Path<u8>, head: ResponseHead) -> Json<u8> {
        match what {
            0 => head.header("x-a", "a\r\nx-b: c"),
            1 => head.header("x a", "b"),
            2 => head.status(600),
            3 => head.header("content-length", 7),
            4 => head.set_cookie(SetCookie::new("a;b", "c")),
            _ => {}
        }
        Json(what)
    }
    let client = App::new("Answers", "1.0.0").route(get("/{what}", wrong)).client().await;
    for what in 0..5 {
        let response = client.get(&format!("/{what}")).await;
        assert_eq!(response.status(), 500, "{what}");
        assert_eq!(response.text(), r#"{"detail":"Internal Server Error"}"#);
        assert!(response.header("x-b").is_empty());
    }
    assert_eq!(client.get("/5").await.status(), 200);
}

#[tokio::test]
async fn answers_are_documented_as_what_they_are() {
    async fn strange() -> Redirect<200> {
        Redirect::new("/")
    }
    let app = App::new("Answers", "1.0.0").routes(routes![html, text, redirect, see_other, file]);
    let document = app.openapi().unwrap();
    let responses = |path: &str| document["paths"][path]["get"]["responses"].clone();
    let text = json!({"schema": {"type": "string"}});
    assert_eq!(responses("/html")["200"]["content"]["text/html"], text);
    assert_eq!(responses("/text")["200"]["content"]["text/plain"], text);
    assert_eq!(responses("/redirect")["307"], json!({"description": "Successful Response"}));
    assert!(responses("/see-other").get("200").is_none());
    assert!(responses("/see-other").get("303").is_some());
    let binary = json!({"type": "string", "contentMediaType": "application/octet-stream"});
    assert_eq!(responses("/file")["200"]["content"]["*/*"]["schema"], binary);
    let error = App::new("Answers", "1.0.0").route(get("/", strange)).openapi().unwrap_err();
    assert!(error.to_string().contains("200 is not the status of a redirect"), "{error}");
}
