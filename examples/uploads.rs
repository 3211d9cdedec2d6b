//! Uploads: files beside text fields, checked and counted while they arrive.

use alula::{FormLimits, prelude::*};

/// A document for the model to read.
#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    #[schemars(length(min = 1, max = 100))]
    title: String,
    #[serde(default)]
    tags: Vec<String>,
    file: UploadFile,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Uploads {
    #[schemars(length(min = 1, max = 10))]
    files: Vec<UploadFile>,
}

#[derive(Serialize, JsonSchema)]
struct Stored {
    title: Option<String>,
    name: String,
    bytes: u64,
    words: usize,
}

/// Small files stay in memory, large ones go to disk; both are gone with the request.
async fn store(file: &UploadFile) -> Result<Stored> {
    if file.content_type() != Some("text/plain") {
        return Err(HttpError::new(415, "Only plain text is read here"));
    }
    let words = file.text().await?.split_whitespace().count();
    Ok(Stored { title: None, name: file.safe_file_name().into_owned(), bytes: file.size(), words })
}

/// Upload one document with what is known about it.
#[post("/documents/upload", tag = "Documents", status = 201)]
async fn upload(Multipart(upload): Multipart<Upload>) -> Result<Json<Stored>> {
    let title = Some(format!("{} ({})", upload.title, upload.tags.join(", ")));
    Ok(Json(Stored { title, ..store(&upload.file).await? }))
}

/// Upload several documents at once.
#[post("/documents/upload-multiple", tag = "Documents", status = 201)]
async fn upload_multiple(Multipart(upload): Multipart<Uploads>) -> Result<Json<Vec<Stored>>> {
    Ok(Json(futures_util::future::try_join_all(upload.files.iter().map(store)).await?))
}

pub(crate) fn app() -> App {
    let limits = FormLimits::default().file_bytes(5 * 1024 * 1024).files(10);
    App::new("Uploads", "1.0.0").form_limits(limits).routes(routes![upload, upload_multiple])
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}
