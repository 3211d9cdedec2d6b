//! Files as documents.

use std::collections::BTreeMap;

use alula::{ApiError as _, FormLimits, FormPart, Route, prelude::*};
use serde_json::Value;

use super::{POLL_SECONDS, missing, read_attributes, wrong};
use crate::{
    dependencies::caller,
    services::{
        admission::Caller,
        documents::{
            Accepted, DocumentSettings, DocumentStatus, Documents, Held, Incoming, Purpose, Reason,
            Refusal, Wish,
        },
        jobs::{Jobs, wrong_callback},
    },
};

/// The largest field of a form that is no file.
const FIELD_BYTES_MAX: usize = 64 << 10;
/// How many there may be of these.
const FIELDS_MAX: usize = 16;

pub(super) fn routes(settings: &DocumentSettings) -> Vec<Route> {
    let limits = FormLimits::default().fields(FIELDS_MAX).field_bytes(FIELD_BYTES_MAX);
    let one = routes![upload].into_iter();
    let one =
        one.map(|route| route.max_body(settings.form_bytes_max()).form_limits(limits.files(1)));
    let many = routes![upload_multiple].into_iter().map(|route| {
        let limits = limits.files(settings.files_max);
        route.max_body(settings.forms_bytes_max()).form_limits(limits)
    });
    one.chain(many).collect()
}

/// A file that is to be found.
#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    /// PDF, Word (`.docx`), HTML, Markdown, CSV or plain text.
    file: UploadFile,
    /// What searches can filter by, as an object of JSON: texts, numbers and truths.
    metadata: Option<String>,
    /// Where to send a webhook when it is ready, or has failed.
    callback_url: Option<String>,
}

/// Files that are to be found.
#[derive(Deserialize, JsonSchema, Validate)]
struct Uploads {
    /// Each of a kind that is read.
    files: Vec<UploadFile>,
    /// What searches can filter all of them by.
    metadata: Option<String>,
    /// Where to send a webhook for each of them.
    callback_url: Option<String>,
}

/// What a form says beside its files.
#[derive(Default)]
struct Fields {
    metadata: BTreeMap<String, Value>,
    callback_url: Option<String>,
}

impl Fields {
    /// Reads one. A file in the place of a field is none.
    async fn read(&mut self, part: FormPart<'_>) -> Result<()> {
        let (name, is_file) = (part.name().to_owned(), part.is_file());
        match name.as_str() {
            "metadata" | "attributes" if !is_file => {
                let text = part.text().await?;
                let metadata = serde_json::from_str(&text);
                self.metadata = metadata.map_err(|_| {
                    wrong("metadata", "it is no object of JSON", text.as_str().into())
                })?;
            }
            "callback_url" if !is_file => self.callback_url = Some(part.text().await?),
            _ => {
                let known = "a form of documents has files, `metadata` and `callback_url`";
                return Err(HttpError::validation(vec![alula::Detail {
                    kind: "extra_forbidden".into(),
                    loc: vec!["body".into(), name.into()],
                    msg: format!("Extra inputs are not permitted: {known}"),
                    input: Value::Null,
                    ctx: None,
                }]));
            }
        }
        Ok(())
    }

    fn wish(self, jobs: &Jobs) -> Result<Wish> {
        let callback = self
            .callback_url
            .as_deref()
            .map(|url| jobs.callback(url).map_err(|why| wrong_callback(url, &why)));
        Ok(Wish {
            attributes: read_attributes("metadata", self.metadata)?,
            chunking: None,
            callback: callback.transpose()?,
        })
    }
}

/// Bring a file that is to be found.
///
/// It goes to the store of files as it arrives, and is refused as soon as it is known that it cannot
/// be read or is too large: 415 if its bytes are not what its name says, 413, or 422 if it is empty.
/// It is kept when this is answered, and found a moment later: look at its status, or give a
/// `callback_url`. The same bytes again are the same document.
#[post("/documents/upload", status = 202)]
async fn upload(
    caller: Depends<caller>,
    documents: State<Documents>,
    jobs: State<Jobs>,
    head: ResponseHead,
    mut form: MultipartStream<Upload>,
) -> Result<Json<Accepted>> {
    let (mut fields, mut held) = (Fields::default(), None);
    let read = async {
        while let Some(mut part) = form.next_part().await? {
            match part.name() {
                "file" if part.is_file() && held.is_none() => {
                    let taken = hold(&caller, &documents, &mut part).await;
                    held = Some(taken.map_err(Refusal::into_http)?);
                }
                _ => fields.read(part).await?,
            }
        }
        fields.wish(&jobs)
    };
    let wish = match read.await {
        Ok(wish) => wish,
        Err(error) => {
            if let Some(held) = held {
                documents.let_go(held).await;
            }
            return Err(error);
        }
    };
    let held = held.ok_or_else(|| missing("file"))?;
    let accepted = documents.accept(caller.owner(), held, caller.request_id(), &wish).await;
    let accepted = accepted.map_err(Refusal::into_http)?;
    head.header("location", format!("/documents/{}", accepted.document_id));
    head.header("retry-after", POLL_SECONDS);
    Ok(Json(accepted))
}

async fn hold(
    caller: &Caller,
    documents: &Documents,
    part: &mut FormPart<'_>,
) -> Result<Held, Refusal> {
    let name = part.file_name().unwrap_or_default().to_owned();
    let media_type = part.content_type().map(str::to_owned);
    let incoming = Incoming {
        owner: caller.owner(),
        name: &name,
        media_type: media_type.as_deref(),
        purpose: Purpose::Search,
        expires_at: None,
    };
    documents.hold(&incoming, part).await
}

/// What became of one of several files.
#[derive(Serialize, JsonSchema)]
struct UploadedFile {
    /// What it was sent as.
    filename: String,
    /// The status that it would have had alone: 202, or that of its error.
    http_status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<DocumentStatus>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Reason>,
}

impl UploadedFile {
    fn taken(filename: String, accepted: Accepted) -> Self {
        let Accepted { document_id, job_id, status } = accepted;
        Self {
            filename,
            http_status: 202,
            document_id: Some(document_id),
            job_id: Some(job_id),
            status: Some(status),
            error: None,
        }
    }

    fn refused(filename: String, refusal: Refusal) -> Self {
        let (code, message) = (refusal.code().to_owned(), refusal.to_string());
        let error = refusal.into_http();
        if error.status().is_server_error() {
            tracing::warn!(filename, "a file was not taken: {}", error.log_message());
        }
        Self {
            filename,
            http_status: error.status().as_u16(),
            document_id: None,
            job_id: None,
            status: None,
            error: Some(Reason { code, message }),
        }
    }
}

/// What became of several files, in their order.
#[derive(Serialize, JsonSchema)]
struct UploadedFiles {
    files: Vec<UploadedFile>,
    /// How many were taken.
    accepted: usize,
    /// How many were not.
    refused: usize,
}

/// Bring several files that are to be found.
///
/// Each is taken or refused by itself, as it would be alone.
#[post("/documents/upload-multiple", status = 202)]
async fn upload_multiple(
    caller: Depends<caller>,
    documents: State<Documents>,
    jobs: State<Jobs>,
    mut form: MultipartStream<Uploads>,
) -> Result<Json<UploadedFiles>> {
    let (mut fields, mut received) = (Fields::default(), Vec::new());
    let read = async {
        while let Some(mut part) = form.next_part().await? {
            match part.name() {
                "files" | "file" | "files[]" if part.is_file() => {
                    let name = part.file_name().unwrap_or_default().to_owned();
                    match hold(&caller, &documents, &mut part).await {
                        // There is no more of the form.
                        Err(Refusal::Request(error)) => return Err(error),
                        held => received.push((name, held)),
                    }
                }
                _ => fields.read(part).await?,
            }
        }
        fields.wish(&jobs)
    };
    let wish = read.await.and_then(|wish| match received.is_empty() {
        true => Err(missing("files")),
        false => Ok(wish),
    });
    let mut files = Vec::with_capacity(received.len());
    for (filename, held) in received {
        let accepted = match (held, &wish) {
            (Ok(held), Ok(wish)) => {
                documents.accept(caller.owner(), held, caller.request_id(), wish).await
            }
            (Ok(held), Err(_)) => {
                documents.let_go(held).await;
                continue;
            }
            (Err(refusal), _) => Err(refusal),
        };
        files.push(match accepted {
            Ok(accepted) => UploadedFile::taken(filename, accepted),
            Err(refusal) => UploadedFile::refused(filename, refusal),
        });
    }
    wish?;
    let refused = files.iter().filter(|file| file.error.is_some()).count();
    Ok(Json(UploadedFiles { accepted: files.len() - refused, refused, files }))
}
