//! What a form may cost.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use alula::{Body, FormLimits, prelude::*, testing::TestForm};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema, Validate)]
struct Texts {
    #[serde(default)]
    a: Vec<String>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Files {
    #[serde(default)]
    f: Vec<UploadFile>,
    #[serde(default)]
    a: Vec<String>,
}

async fn texts(Form(form): Form<Texts>) -> Json<usize> {
    Json(form.a.len())
}

async fn files(Multipart(form): Multipart<Files>) -> Json<usize> {
    Json(form.f.len() + form.a.len())
}

const MIB: usize = 1024 * 1024;

fn limited(limits: FormLimits) -> App {
    let routes = [post("/texts", texts), post("/files", files)];
    App::new("L", "1").routes(routes).form_limits(limits)
}

/// The status and the detail of the answer to a URL-encoded and a multipart form.
async fn both(limits: FormLimits, fields: &[&str]) -> [(u16, Value); 2] {
    let client = limited(limits).client().await;
    let pairs: Vec<_> = fields.iter().map(|text| ("a", *text)).collect();
    let form = fields.iter().fold(TestForm::new(), |form, text| form.text("a", *text));
    let responses =
        [client.post("/texts").form(&pairs).await, client.post("/files").multipart(form).await];
    responses.map(|response| (response.status().as_u16(), response.json()))
}

fn detail(text: &str) -> Value {
    json!({ "detail": text })
}

#[tokio::test]
async fn one_field_too_many_is_400() {
    let limits = FormLimits::default().fields(2);
    let good = both(limits, &["1", "2"]).await;
    assert_eq!(good, [(200, json!(2)), (200, json!(2))]);
    let error = detail("Too many fields. Maximum number of fields is 2.");
    assert_eq!(both(limits, &["1", "2", "3"]).await, [(400, error.clone()), (400, error)]);
}

#[tokio::test]
async fn one_byte_too_many_in_a_field_is_413() {
    // In a URL-encoded form the name and the sign behind it count, too.
    let good = both(FormLimits::default().field_bytes(5), &["123", "123"]).await;
    assert_eq!(good, [(200, json!(2)), (200, json!(2))]);
    let bad = both(FormLimits::default().field_bytes(5), &["1", "123456"]).await;
    assert_eq!(
        bad,
        [
            (413, detail("A field of the form is larger than 5 bytes")),
            (413, detail("The field `a` is larger than 5 bytes")),
        ]
    );
}

#[tokio::test]
async fn files_have_limits_of_their_own() {
    let limits = FormLimits::default().files(2).file_bytes(3).fields(0);
    let client = limited(limits).client().await;
    let file = |form: TestForm, content: &'static str| form.file("f", "x", "", content);
    let two = file(file(TestForm::new(), "123"), "123");
    let response = client.post("/files").multipart(two.clone()).await;
    assert_eq!((response.status().as_u16(), response.json()), (200, json!(2)));

    let response = client.post("/files").multipart(file(two, "")).await;
    let error = detail("Too many files. Maximum number of files is 2.");
    assert_eq!((response.status().as_u16(), response.json()), (400, error));
    let response = client.post("/files").multipart(file(TestForm::new(), "1234")).await;
    let error = detail("The file `f` is larger than 3 bytes");
    assert_eq!((response.status().as_u16(), response.json()), (413, error));
}

#[tokio::test]
async fn the_head_of_a_part_has_a_limit() {
    let client = limited(FormLimits::default().part_header_bytes(60)).client().await;
    let response = client.post("/files").multipart(TestForm::new().text("a", "1")).await;
    assert_eq!(response.status(), 200);
    let name = "a".repeat(30);
    let response = client.post("/files").multipart(TestForm::new().text(&name, "1")).await;
    let error = detail("The head of a part is larger than 60 bytes");
    assert_eq!((response.status().as_u16(), response.json()), (413, error));
}

#[tokio::test]
async fn texts_have_a_limit_together() {
    let client = limited(FormLimits::default().memory_bytes(200)).client().await;
    let form = |count| (0..count).fold(TestForm::new(), |form, _| form.text("a", "x".repeat(40)));
    assert_eq!(client.post("/files").multipart(form(2)).await.status(), 200);
    let response = client.post("/files").multipart(form(3)).await;
    let error = detail("The form without its files is larger than 200 bytes");
    assert_eq!((response.status().as_u16(), response.json()), (413, error));
}

#[tokio::test]
async fn a_head_is_not_read_where_there_is_no_memory_for_it() {
    let client = limited(FormLimits::default().memory_bytes(20)).client().await;
    for (header, status) in [("this is none", 400), ("nor is this, and it is long", 413)] {
        let body = format!("--B\r\n{header}\r\n\r\n\r\n--B--");
        let response = client.post("/files").body("multipart/form-data; boundary=B", body).await;
        assert_eq!(response.status(), status, "{header}");
    }
}

#[tokio::test]
async fn the_innermost_limit_counts_each_for_itself() {
    let route = post("/files", files).form_limits(FormLimits::default().fields(1));
    let router = Router::new().form_limits(FormLimits::default().fields(0).files(1)).route(route);
    let outer = Router::new().form_limits(FormLimits::default().files(0)).include(router);
    let app = App::new("L", "1").include(outer);
    let client = app.form_limits(FormLimits::default().fields(0).file_bytes(1)).client().await;
    let form = || TestForm::new().text("a", "1").file("f", "x", "", "1");
    assert_eq!(client.post("/files").multipart(form()).await.status(), 200);
    for (form, status) in [
        (form().text("a", "2"), 400),
        (form().file("f", "x", "", "1"), 400),
        (TestForm::new().file("f", "x", "", "12"), 413),
    ] {
        assert_eq!(client.post("/files").multipart(form).await.status(), status);
    }
}

#[tokio::test]
async fn a_macro_takes_the_limits() {
    #[post("/files", max_body = 400, form_limits = FormLimits::default().files(1))]
    async fn limited(Multipart(form): Multipart<Files>) -> Json<usize> {
        Json(form.f.len())
    }
    let client = App::new("L", "1").routes(routes![limited]).client().await;
    let form = TestForm::new().file("f", "x", "", "1");
    assert_eq!(client.post("/files").multipart(form.clone()).await.status(), 200);
    let two = form.clone().file("f", "x", "", "1");
    assert_eq!(client.post("/files").multipart(two).await.status(), 400);
    let large = form.file("g", "x", "", "x".repeat(400));
    assert_eq!(client.post("/files").multipart(large).await.status(), 413);
}

#[tokio::test]
async fn uploads_may_be_larger_than_what_is_held_in_memory() {
    let client = limited(FormLimits::default()).client().await;
    let form = |bytes| TestForm::new().file("f", "x", "", vec![b'x'; bytes]);
    assert_eq!(client.post("/files").multipart(form(3 * MIB)).await.status(), 200);
    let response = client.post("/files").multipart(form(50 * MIB)).await;
    let error = detail("The request body is larger than 52428800 bytes");
    assert_eq!((response.status().as_u16(), response.json()), (413, error));
    // Without files, in either encoding, and of URL-encoded ones always.
    let error = detail("The request body is larger than 2097152 bytes");
    let response = client.post("/texts").multipart(form(2 * MIB)).await;
    assert_eq!((response.status().as_u16(), response.json()), (413, error.clone()));
    let response = client.post("/files").form(&[("a", "x".repeat(2 * MIB))]).await;
    assert_eq!((response.status().as_u16(), response.json()), (413, error));
}

const MULTIPART: &str = "multipart/form-data; boundary=B";

/// A form that never ends: `start`, then the same bytes again and again; and how often they were
/// asked for.
fn endless(start: &'static str, again: &'static [u8]) -> (Body, Arc<AtomicUsize>) {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let pieces = stream::repeat_with(move || {
        count.fetch_add(1, SeqCst);
        Bytes::from_static(again)
    });
    let pieces = stream::iter([Bytes::from_static(start.as_bytes())]).chain(pieces);
    (Body::from_stream(pieces.map(Ok::<_, Infallible>)), pulled)
}

#[tokio::test]
async fn nothing_is_read_behind_a_limit() {
    static KIB: [u8; 1024] = [b'x'; 1024];
    const FILE: &str = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n";
    const TEXT: &str = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    const EMPTY: &[u8] = b"\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    const URL_ENCODED: &str = "application/x-www-form-urlencoded";
    let limits = FormLimits::default().fields(3).file_bytes(10_000).field_bytes(5_000);
    let router = Router::new().prefix("/body").max_body(20_000);
    let router =
        router.route(post("/files", files).form_limits(FormLimits::default().file_bytes(1 << 40)));
    let client = limited(limits.part_header_bytes(2_000)).include(router).client().await;
    for (path, content_type, start, again, status, pulled_max) in [
        ("/files", MULTIPART, FILE, &KIB[..], 413, 10),
        ("/body/files", MULTIPART, FILE, &KIB[..], 413, 20),
        ("/files", MULTIPART, TEXT, &KIB[..], 413, 5),
        ("/files", MULTIPART, "--B\r\n", &KIB[..], 413, 2),
        ("/files", MULTIPART, TEXT, EMPTY, 400, 3),
        ("/files", MULTIPART, "--C", &KIB[..], 400, 1),
        ("/texts", URL_ENCODED, "a=", &KIB[..], 413, 5),
        ("/texts", URL_ENCODED, "a=1", b"&a=1", 400, 3),
    ] {
        let (body, pulled) = endless(start, again);
        let response = client.post(path).body(content_type, body).await;
        assert_eq!(response.status(), status, "{start} {}", response.text());
        assert_eq!(response.header("connection"), "close");
        let pulled = pulled.load(SeqCst);
        assert!(pulled <= pulled_max, "{start}: {pulled} pieces, {}", response.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_that_stalls_or_breaks_off_is_given_up() {
    let client = limited(FormLimits::default().file_memory_bytes(1)).client().await;
    let start = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nabc";
    let first = || stream::iter([Ok(start)]);
    let stalled = Body::from_stream(first().chain(stream::pending::<std::io::Result<&str>>()));
    let gone = stream::iter([Err(std::io::Error::other("gone"))]);
    let broken = Body::from_stream(first().chain(gone));
    for (body, status, error) in [
        (stalled, 408, "The request body stalled"),
        (broken, 400, "The request body broke off"),
        (start.into(), 400, "Invalid multipart data: the body ends before its last boundary"),
    ] {
        let response = client.post("/files").body(MULTIPART, body).await;
        assert_eq!((response.status().as_u16(), response.json()), (status, detail(error)));
    }
}
