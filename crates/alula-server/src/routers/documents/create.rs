//! Texts as documents.

use std::collections::BTreeMap;

use alula::{ApiError as _, Route, prelude::*};
use serde_json::Value;

use super::{POLL_SECONDS, missing, read_attributes, wrong};
use crate::{
    dependencies::caller,
    services::{
        documents::{Accepted, Documents, Incoming, Purpose, Refusal, Wish},
        jobs::{Jobs, wrong_callback},
    },
};

/// What a text is called that nobody has named.
const UNNAMED: &str = "text.txt";

pub(super) fn routes() -> Vec<Route> {
    routes![create]
}

/// A text that is to be found.
#[derive(Deserialize, JsonSchema, Validate)]
struct NewText {
    /// The text: plain, or what the end of its name says: `.md`, `.html`, `.csv`.
    #[serde(default)]
    text: Option<String>,
    /// Another name of `text`.
    #[serde(default)]
    content: Option<String>,
    /// What it is called.
    #[serde(default, alias = "filename")]
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    /// Another name of `name`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 255))]
    title: Option<String>,
    /// What searches can filter by: texts, numbers and truths.
    #[serde(default, alias = "attributes")]
    metadata: BTreeMap<String, Value>,
    /// Where to send a webhook when it is ready, or has failed.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    callback_url: Option<String>,
    /// Whatever else there is goes to `metadata`.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// Bring a text that is to be found.
///
/// It is kept when this is answered, and found a moment later. The same text again is the same
/// document.
#[post("/documents", status = 202)]
async fn create(
    caller: Depends<caller>,
    documents: State<Documents>,
    jobs: State<Jobs>,
    head: ResponseHead,
    Json(new): Json<NewText>,
) -> Result<Json<Accepted>> {
    let NewText { text, content, name, title, mut metadata, callback_url, more } = new;
    let text = match (text, content) {
        (Some(_), Some(_)) => {
            return Err(wrong("content", "`text` is there already", Value::Null));
        }
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => return Err(missing("text")),
    };
    metadata.extend(more);
    let callback = callback_url
        .as_deref()
        .map(|url| jobs.callback(url).map_err(|why| wrong_callback(url, &why)));
    let wish = Wish {
        attributes: read_attributes("metadata", metadata)?,
        chunking: None,
        callback: callback.transpose()?,
    };
    let name = name.or(title).unwrap_or_else(|| UNNAMED.to_owned());
    let incoming = Incoming {
        owner: caller.owner(),
        name: &name,
        media_type: alula_rag::Kind::of_name(&name).is_none().then_some("text/plain"),
        purpose: Purpose::Search,
        expires_at: None,
    };
    let mut text = Some(Bytes::from(text)).filter(|text| !text.is_empty());
    let accepted = async {
        let held = documents.hold(&incoming, &mut text).await?;
        documents.accept(caller.owner(), held, caller.request_id(), &wish).await
    };
    let accepted = accepted.await.map_err(Refusal::into_http)?;
    head.header("location", format!("/documents/{}", accepted.document_id));
    head.header("retry-after", POLL_SECONDS);
    Ok(Json(accepted))
}
