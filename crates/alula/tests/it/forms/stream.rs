//! Forms that are read part by part.

use std::convert::Infallible;

use alula::{Body, FormLimits, prelude::*, testing::TestForm};
use futures_util::stream;
use serde_json::{Value, json};

/// What the document says of the form.
#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    file: Vec<UploadFile>,
    title: Option<String>,
}

/// Each part with its name, what it is called as a file, its content type and its length.
async fn parts(mut form: MultipartStream<Upload>) -> Result<Json<Value>> {
    let mut parts = Vec::new();
    while let Some(mut part) = form.next_part().await? {
        let (name, file) = (part.name().to_owned(), part.file_name().map(str::to_owned));
        let media_type = part.content_type().map(str::to_owned);
        let mut bytes = 0;
        while let Some(piece) = part.chunk().await? {
            bytes += piece.len();
        }
        parts.push(json!([name, file, media_type, bytes]));
    }
    Ok(Json(parts.into()))
}

/// The texts alone: files are skipped unread.
async fn texts(mut form: MultipartStream<Upload>) -> Result<Json<Vec<String>>> {
    let mut texts = Vec::new();
    while let Some(part) = form.next_part().await? {
        if !part.is_file() {
            texts.push(part.text().await?);
        }
    }
    Ok(Json(texts))
}

fn app() -> App {
    App::new("S", "1").routes([post("/parts", parts), post("/texts", texts)])
}

fn form() -> TestForm {
    let form = TestForm::new().text("title", "Wings").file("file", "a.txt", "text/x", "12345");
    form.file("file", "", "", vec![b'\r'; 200_000]).text("title", "ü")
}

#[tokio::test]
async fn parts_come_in_their_order() {
    let client = app().client().await;
    let answer = client.post("/parts").multipart(form()).await;
    let expected = json!([
        ["title", null, null, 5],
        ["file", "a.txt", "text/x", 5],
        ["file", null, null, 200_000],
        ["title", null, null, 2],
    ]);
    assert_eq!(answer.json::<Value>(), expected);
}

#[tokio::test]
async fn what_is_not_read_is_skipped() {
    let client = app().client().await;
    let answer = client.post("/texts").multipart(form()).await;
    assert_eq!(answer.json::<Value>(), json!(["Wings", "ü"]));
}

#[tokio::test]
async fn it_is_the_same_however_the_body_is_cut() {
    let body = "--B\r\ncontent-disposition: form-data; name=f; filename=a\r\n\r\none\r\n-\r\n--B\r\n\
                content-disposition: form-data; name=t\r\n\r\n\r\n--B--\r\n";
    let client = app().client().await;
    for size in 1..body.len() {
        let pieces: Vec<_> = body.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        let request = client.post("/parts");
        let answer = request.body("multipart/form-data; boundary=B", Body::from_stream(pieces));
        let expected = json!([["f", "a", null, 6], ["t", null, null, 0]]);
        assert_eq!(answer.await.json::<Value>(), expected, "in pieces of {size}");
    }
}

#[tokio::test]
async fn limits_hold_while_it_arrives() {
    let limits = FormLimits::default().file_bytes(4).field_bytes(3).files(2).fields(2);
    let client = app().form_limits(limits).client().await;
    let file = |form: TestForm, content: &'static str| form.file("f", "x", "", content);
    let text = |form: TestForm, content: &'static str| form.text("t", content);
    let new = TestForm::new;
    for (form, expected) in [
        (text(file(new(), "1234"), "123"), None),
        (file(new(), "12345"), Some((413, "The file `f` is larger than 4 bytes"))),
        (text(new(), "1234"), Some((413, "The field `t` is larger than 3 bytes"))),
        (
            file(file(file(new(), "1"), "2"), "3"),
            Some((400, "Too many files. Maximum number of files is 2.")),
        ),
        (
            text(text(text(new(), "1"), "2"), "3"),
            Some((400, "Too many fields. Maximum number of fields is 2.")),
        ),
    ] {
        let answer = client.post("/parts").multipart(form).await;
        let found = (answer.status().as_u16(), answer.json::<Value>()["detail"].clone());
        match expected {
            None => assert_eq!(found.0, 200),
            Some((status, detail)) => assert_eq!(found, (status, json!(detail))),
        }
    }
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let client = app().client().await;
    let multipart = "multipart/form-data; boundary=B";
    let head = "--B\r\ncontent-disposition: form-data; name=f\r\n\r\n";
    for (media_type, body, status) in [
        ("application/x-www-form-urlencoded", "a=1", 415),
        ("application/json", "{}", 415),
        ("multipart/form-data", "", 400),
        (multipart, "nothing", 400),
        (multipart, head, 400),
        (multipart, "--B\r\n\r\n\r\n--B--", 400),
    ] {
        let answer = client.post("/parts").body(media_type, body.to_owned()).await;
        assert_eq!(answer.status().as_u16(), status, "{media_type} {body:?}");
    }
    let nothing = client.post("/parts").await;
    assert_eq!(nothing.json::<Value>(), json!([]));
}

#[tokio::test]
async fn the_document_describes_the_form() {
    let client = app().client().await;
    let document: Value = client.get("/openapi.json").await.json();
    let body = &document["paths"]["/parts"]["post"]["requestBody"]["content"];
    let schema = &body["multipart/form-data"]["schema"];
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    let properties = &document["components"]["schemas"][name]["properties"];
    assert_eq!(properties["file"]["type"], "array");
    assert_ne!(properties["title"], Value::Null);
}
