//! Files, for clients of OpenAI.

use std::time::Duration;

use alula::{FormLimits, Router, prelude::*};

use super::{
    envelope::openai_router,
    vector_stores::{
        views::{Page, Removed, seconds},
        wire::Order,
    },
};
use crate::{
    db::{ListPart, documents::DocumentRow},
    dependencies::caller,
    error::wrong,
    services::documents::{DocumentSettings, Documents, NewFile},
    time::Timestamp,
};

/// The most files of one page, and how many there are unless another number is asked for.
const PAGE_MAX: i64 = 10_000;
/// For how long a file may be kept that expires: an hour to 30 days.
const SECONDS_MIN: i64 = 3_600;
const SECONDS_MAX: i64 = 30 * 24 * 3_600;

/// The routes of this module.
pub(crate) fn router(settings: &DocumentSettings) -> Router {
    let limits = FormLimits::default().files(1).fields(10).file_bytes(settings.bytes_max());
    let bytes_max = settings.form_bytes_max();
    let upload = routes![upload].into_iter();
    openai_router()
        .routes(upload.map(|route| route.max_body(bytes_max).form_limits(limits)))
        .routes(routes![list, show, content, remove])
}

/// A file to be kept.
#[derive(Deserialize, JsonSchema, Validate)]
struct FileUpload {
    /// The file.
    file: UploadFile,
    /// What it is for.
    purpose: Purpose,
    /// `created_at`, if it expires.
    #[serde(default, rename = "expires_after[anchor]")]
    anchor: Option<FileAnchor>,
    /// How many seconds after that it is removed.
    #[serde(default, rename = "expires_after[seconds]")]
    #[schemars(range(min = SECONDS_MIN, max = SECONDS_MAX))]
    seconds: Option<i64>,
}

/// What a file is for. It changes nothing in how it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Validate)]
#[schemars(rename = "FilePurpose")]
enum Purpose {
    /// To be put into vector stores.
    #[serde(rename = "assistants")]
    Assistants,
    /// Whatever you like.
    #[serde(rename = "user_data")]
    UserData,
    /// A batch of requests; it expires after 30 days unless you say otherwise.
    #[serde(rename = "batch")]
    Batch,
    /// Training data.
    #[serde(rename = "fine-tune")]
    FineTune,
    /// Pictures.
    #[serde(rename = "vision")]
    Vision,
    /// Data of evaluations.
    #[serde(rename = "evals")]
    Evals,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Assistants => "assistants",
            Self::UserData => "user_data",
            Self::Batch => "batch",
            Self::FineTune => "fine-tune",
            Self::Vision => "vision",
            Self::Evals => "evals",
        }
    }
}

/// What the seconds of a file are counted from.
#[derive(Clone, Copy, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
enum FileAnchor {
    /// When it was uploaded.
    CreatedAt,
}

impl FileUpload {
    /// When it is removed.
    fn expires_at(&self) -> Result<Option<Timestamp>> {
        let seconds = match (self.anchor, self.seconds) {
            (Some(FileAnchor::CreatedAt), Some(seconds)) => seconds,
            (None, None) if self.purpose == Purpose::Batch => SECONDS_MAX,
            (None, None) => return Ok(None),
            _ => return Err(wrong("expires_after", "It takes both an anchor and seconds")),
        };
        let after = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        let now = Timestamp::now().as_millis();
        Ok(Some(Timestamp::from_millis(now.saturating_add(millis))))
    }
}

/// A file.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FileObject")]
struct Kept {
    id: String,
    /// `file`.
    object: &'static str,
    /// How large it is.
    bytes: i64,
    /// When it was uploaded, in seconds since 1970.
    created_at: i64,
    /// When it is removed; `null` for never.
    expires_at: Option<i64>,
    filename: String,
    /// What it is for. A document has `user_data`.
    purpose: String,
    /// `processed`.
    status: &'static str,
    /// Nothing.
    status_details: Option<String>,
}

impl From<DocumentRow> for Kept {
    fn from(row: DocumentRow) -> Self {
        Self {
            id: row.id,
            object: "file",
            bytes: row.bytes,
            created_at: seconds(row.created_at.as_millis()),
            expires_at: row.expires_at.map(|at| seconds(at.as_millis())),
            filename: row.name,
            purpose: match row.purpose.is_empty() {
                true => Purpose::UserData.as_str().to_owned(),
                false => row.purpose,
            },
            status: "processed",
            status_details: None,
        }
    }
}

/// Keep a file.
///
/// It is found nowhere before it is put into a vector store. Every upload is a file of its own.
#[post("/v1/files")]
async fn upload(
    caller: Depends<caller>,
    documents: State<Documents>,
    Multipart(form): Multipart<FileUpload>,
) -> Result<Json<Kept>> {
    let new = NewFile {
        owner: caller.owner(),
        purpose: form.purpose.as_str(),
        expires_at: form.expires_at()?,
        file: &form.file,
    };
    Ok(Json(documents.keep_file(new).await?.into()))
}

/// Which files to list.
#[derive(Deserialize, JsonSchema, Validate)]
struct FilePage {
    /// Only files of this purpose.
    #[serde(default)]
    purpose: Option<String>,
    /// How many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: i64,
    /// By when they were uploaded.
    #[serde(default)]
    order: Order,
    /// Only what comes behind this one in the list.
    #[serde(default)]
    after: Option<String>,
}

fn page() -> i64 {
    PAGE_MAX
}

/// List your files, documents among them.
#[get("/v1/files")]
async fn list(
    caller: Depends<caller>,
    documents: State<Documents>,
    Query(page): Query<FilePage>,
) -> Result<Json<Page<Kept>>> {
    let FilePage { purpose, limit, order, after } = &page;
    let (after, is_ascending) = (after.as_deref(), *order == Order::Asc);
    let part = ListPart { after, before: None, limit: *limit, is_ascending };
    let (files, has_more) = documents.files(caller.owner(), purpose.as_deref(), part).await?;
    let files = files.into_iter().map(Kept::from).collect();
    Ok(Json(Page::new(files, has_more, |it| &it.id)))
}

/// Look at a file.
#[get("/v1/files/{file_id}")]
async fn show(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(file_id): Path<String>,
) -> Result<Json<Kept>> {
    Ok(Json(documents.document(caller.owner(), &file_id).await?.into()))
}

/// Read what is in a file.
#[get("/v1/files/{file_id}/content")]
async fn content(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(file_id): Path<String>,
) -> Result<ByteStream<impl Stream<Item = Result<Bytes>>>> {
    let file = documents.document(caller.owner(), &file_id).await?;
    let pieces = documents.content(&file).await?;
    let pieces = futures_util::StreamExt::map(pieces, |piece| Ok(piece?));
    let length = u64::try_from(file.bytes).unwrap_or_default();
    Ok(ByteStream::new(pieces).content_length(length).attachment(&file.name))
}

/// Remove a file, from all vector stores as well.
#[delete("/v1/files/{file_id}")]
async fn remove(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(file_id): Path<String>,
) -> Result<Json<Removed>> {
    documents.remove_file(caller.owner(), &file_id).await?;
    Ok(Json(Removed::new(file_id, "file")))
}
