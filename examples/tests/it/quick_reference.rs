//! The right column of the table in the README, as one application.

use alula::{prelude::*, testing::TestForm};
use futures_util::stream;
use serde_json::{Value, json};

fn app() -> App {
    App::new("AI API", "1.0.0")
        .routes(routes![root, create, model, search, me, summarize, count, upload])
}

#[get("/")]
async fn root() -> Json<&'static str> {
    Json("AI API is running")
}

#[post("/models", status = 201)]
async fn create(Json(model): Json<Model>) -> Json<Model> {
    Json(model)
}

#[get("/models/{id}")]
async fn model(Path(id): Path<u64>) -> Json<u64> {
    Json(id)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Page {
    #[serde(default)]
    skip: u32,
    q: Option<String>,
}

#[get("/search")]
async fn search(Query(page): Query<Page>) -> Json<u32> {
    Json(page.skip)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Model {
    #[schemars(length(min = 1))]
    name: String,
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
}

#[dependency]
async fn current_user(token: Bearer) -> Result<String> {
    find_user(token.as_str()).ok_or_else(|| HttpError::forbidden("Unknown token"))
}

#[get("/me")]
async fn me(user: Depends<current_user>) -> Json<String> {
    Json(user.to_string())
}

#[post("/summarize")]
async fn summarize(tasks: BackgroundTasks) -> Json<&'static str> {
    tasks.add(send_mail("ada@example.com"));
    Json("accepted")
}

#[get("/count")]
async fn count() -> Sse<impl Stream<Item = u32>> {
    Sse::new(stream::iter(0..3))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    title: String,
    file: UploadFile,
}

#[post("/upload")]
async fn upload(Multipart(form): Multipart<Upload>) -> Json<u64> {
    Json(form.file.size())
}

fn find_user(token: &str) -> Option<String> {
    (token == "secret").then(|| "ada".to_owned())
}

async fn send_mail(_to: &str) {
    tokio::task::yield_now().await;
}

/// Blocks of code after a heading of the README.
fn blocks(after: &str) -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once(after).unwrap();
    let after_fence = |block: &'static str| block.split_once("```").map(|(code, _)| code);
    section.split("```rust\n").skip(1).filter_map(after_fence).collect()
}

#[test]
fn every_row_of_the_readme_is_compiled_here() {
    let here = include_str!("quick_reference.rs");
    let rows = blocks("<table>");
    assert!(rows.len() >= 10, "{}", rows.len());
    for row in rows {
        assert!(here.contains(row), "{row}");
    }
}

#[tokio::test]
async fn every_row_answers() {
    let client = app().client().await;
    assert_eq!(client.get("/").await.json::<String>(), "AI API is running");
    let created = client.post("/models").json(&json!({ "name": "small" })).await;
    assert_eq!(
        (created.status().as_u16(), created.json::<Value>()["name"].clone()),
        (201, json!("small"))
    );
    assert_eq!(client.get("/models/7").await.json::<u64>(), 7);
    assert_eq!(client.get("/search?q=wing&skip=2").await.json::<u32>(), 2);
    assert_eq!(client.get("/me").bearer("secret").await.json::<String>(), "ada");
    assert_eq!(client.post("/summarize").await.json::<String>(), "accepted");
    assert_eq!(client.get("/count").await.events().len(), 3);
    let form = TestForm::new().text("title", "Wings").file("file", "a.txt", "text/plain", "abc");
    assert_eq!(client.post("/upload").multipart(form).await.json::<u64>(), 3);
}
