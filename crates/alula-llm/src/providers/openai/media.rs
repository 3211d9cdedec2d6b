//! Media behind an address, for the servers that fetch it themselves.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::dialect::ByUrl;
use crate::{ChatRequest, Media, Part, model::Source};

/// The field of a medium that says that the server fetches it; it is never sent.
const FETCHED: &str = "alula_fetched";

const SOUND: &str = "sound";
const SOUND_PART: &str = "sound_part";
const DOCUMENT: &str = "document";

/// The request with such media marked, so that they are written in the server's form.
pub(super) fn fetched(request: &ChatRequest, by_url: ByUrl) -> Cow<'_, ChatRequest> {
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    if !parts.any(|part| form(part, by_url).is_some()) {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        if let Some(form) = form(part, by_url)
            && let Part::Audio(media) | Part::File(media) = part
        {
            media.extra.insert(FETCHED.to_owned(), form.into());
        }
    }
    Cow::Owned(request)
}

fn form(part: &Part, by_url: ByUrl) -> Option<&'static str> {
    let is_url = |media: &Media| matches!(media.source, Source::Url(_));
    match (by_url, part) {
        (ByUrl::Sound, Part::Audio(sound)) if is_url(sound) => Some(SOUND),
        (ByUrl::SoundPart, Part::Audio(sound)) if is_url(sound) => Some(SOUND_PART),
        (ByUrl::Document, Part::File(file)) if is_url(file) => Some(DOCUMENT),
        _ => None,
    }
}

/// Writes a medium that is marked.
pub(super) fn fetched_to_json(media: &Media) -> Option<Value> {
    let Source::Url(url) = &media.source else { return None };
    match media.extra.get(FETCHED)?.as_str()? {
        SOUND => Some(json!({"type": "input_audio", "input_audio": url})),
        SOUND_PART => Some(json!({"type": "audio_url", "audio_url": {"url": url}})),
        DOCUMENT => {
            let name = media.name.as_deref().unwrap_or("document");
            Some(json!({"type": "file", "file": {"filename": name, "file_data": url}}))
        }
        _ => None,
    }
}
