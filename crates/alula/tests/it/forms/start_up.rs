//! What the document says of forms, and which forms an application does not start with.

use alula::{BodyStream, StartError, prelude::*};
use serde_json::json;

#[derive(Deserialize, JsonSchema, Validate)]
struct Note {
    text: String,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    /// The file.
    file: UploadFile,
    cover: Option<UploadFile>,
    #[serde(default)]
    more: Vec<UploadFile>,
    note: String,
}

async fn note(Form(note): Form<Note>) -> Json<String> {
    Json(note.text)
}

async fn upload(Multipart(upload): Multipart<Upload>) -> Json<String> {
    let more = upload.more.len() + usize::from(upload.cover.is_some());
    Json(format!("{} {:?} {more}", upload.note, upload.file))
}

#[test]
fn forms_are_documented_as_fastapi_does() {
    let app = App::new("F", "1").routes([post("/note", note), post("/upload", upload)]);
    let document = app.openapi().unwrap();
    let body = |path: &str| document["paths"][path]["post"]["requestBody"].clone();
    let content = |media_type: &str, name: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        json!({ "required": true, "content": { media_type: { "schema": schema } } })
    };
    assert_eq!(body("/note"), content("application/x-www-form-urlencoded", "Note"));
    assert_eq!(body("/upload"), content("multipart/form-data", "Upload"));

    let schema = &document["components"]["schemas"]["Upload"];
    let file = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    assert_eq!(schema["properties"]["more"]["items"], file);
    assert_eq!(schema["properties"]["file"]["contentMediaType"], "application/octet-stream");
    assert_eq!(schema["properties"]["file"]["description"], "The file.");
    assert_eq!(schema["required"], json!(["file", "note"]));
    assert!(!document.to_string().contains("x-alula"), "a keyword of our own is in the document");
}

fn mistakes(route: alula::Route) -> String {
    match App::new("F", "1").route(route).openapi() {
        Err(StartError::Mistakes(mistakes)) => mistakes.join("\n"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_outside_of_a_multipart_form_stops_the_start() {
    async fn form(_: Form<Upload>) {}
    async fn body(_: Json<Vec<Upload>>) {}
    async fn query(_: Query<Upload>) {}
    assert!(mistakes(post("/", form)).contains("it is read with `Multipart<"));
    assert!(mistakes(post("/", body)).contains("which only `Multipart<T>` can read"));
    assert!(mistakes(get("/", query)).contains("which only `Multipart<T>` can read"));
}

#[test]
fn a_form_that_is_no_struct_stops_the_start() {
    async fn number(_: Form<u32>) {}
    assert!(mistakes(post("/", number)).contains("`u32` cannot be read from a form"));
}

#[test]
fn two_readers_of_one_stream_stop_the_start() {
    #[dependency]
    async fn noted(Form(note): Form<Note>) -> String {
        note.text
    }
    async fn twice(_: Form<Note>, _: Form<Note>) {}
    async fn form_and_stream(_: Form<Note>, _: BodyStream) {}
    async fn form_and_bytes(_: Bytes, _: Form<Note>) {}
    async fn form_and_json(_: Json<Note>, _: Multipart<Upload>) {}
    async fn above_and_below(_: Depends<noted>, _: Form<Note>) {}
    for route in [
        post("/", twice),
        post("/", form_and_stream),
        post("/", form_and_bytes),
        post("/", form_and_json),
        post("/", above_and_below),
    ] {
        let mistakes = mistakes(route);
        assert!(mistakes.contains("has the request body to itself"), "{mistakes}");
    }
}

#[tokio::test]
async fn a_dependency_reads_a_form_for_all_who_need_it() {
    #[dependency]
    async fn noted(Form(note): Form<Note>) -> String {
        note.text
    }
    #[dependency]
    async fn shouted(noted: Depends<noted>) -> String {
        noted.to_uppercase()
    }
    #[post("/")]
    async fn both(noted: Depends<noted>, shouted: Depends<shouted>) -> Json<String> {
        Json(format!("{} {}", *noted, *shouted))
    }
    let client = App::new("F", "1").routes(routes![both]).client().await;
    let response = client.post("/").form(&[("text", "hi")]).await;
    assert_eq!(response.json::<String>(), "hi HI");
}

#[tokio::test]
async fn another_content_type_is_415() {
    let routes = [post("/note", note), post("/upload", upload)];
    let client = App::new("F", "1").routes(routes).client().await;
    for path in ["/note", "/upload"] {
        for content_type in ["", "application/json", "text/plain", "multipart/mixed; boundary=B"] {
            let response = client.post(path).body(content_type, "text=x").await;
            assert_eq!(response.status(), 415, "{path} {content_type}");
        }
        assert_eq!(client.post(path).await.status(), 422);
    }
}
