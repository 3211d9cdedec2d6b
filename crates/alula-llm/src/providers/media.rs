//! Which pictures, sounds and documents a provider takes.
//!
//! An address is for the provider to fetch. Whoever takes only bytes is not given those of an
//! address: fetching it here would let a request reach whatever this machine can reach.

use std::fmt::Arguments;

use super::vector::invalid;
use crate::{ChatRequest, Media, Part, Result, Role, model::Source};

/// What a provider takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes {
    pub(super) image: Sources,
    pub(super) audio: Sources,
    pub(super) file: Sources,
}

/// Where the bytes of a medium may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) url: bool,
    pub(super) bytes: bool,
    pub(super) id: bool,
}

impl Sources {
    pub(super) const NONE: Self = Self { url: false, bytes: false, id: false };
    pub(super) const BYTES: Self = Self { bytes: true, ..Self::NONE };
    pub(super) const ID: Self = Self { id: true, ..Self::NONE };
    pub(super) const URL_OR_BYTES: Self = Self { url: true, ..Self::BYTES };
    pub(super) const BYTES_OR_ID: Self = Self { id: true, ..Self::BYTES };
    pub(super) const ALL: Self = Self { url: true, bytes: true, id: true };

    fn allow(self, source: &Source) -> bool {
        match source {
            Source::Url(_) => self.url,
            Source::Base64(_) | Source::Text(_) => self.bytes,
            Source::File(_) => self.id,
        }
    }

    /// `by URL, as bytes or …`, and nothing if there is no way.
    fn ways(self) -> String {
        let known = [(self.url, BY_URL), (self.bytes, AS_BYTES), (self.id, AS_FILE)];
        let ways: Vec<&str> = known.into_iter().filter(|(is, _)| *is).map(|(_, way)| way).collect();
        match ways.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

const BY_URL: &str = "by URL";
const AS_BYTES: &str = "as bytes";
const AS_FILE: &str = "as an uploaded file";

/// Finds out whether a provider takes all that a request sends along.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when it does not; the message
/// says which part it is, and how the provider would take it.
pub(super) fn check(request: &ChatRequest, takes: &Takes, provider: &str) -> Result<()> {
    for (number, message) in request.messages.iter().enumerate() {
        // What a model said it may hear again in its own form.
        if message.role != Role::Assistant {
            check_parts(&message.parts, takes, provider, format_args!("messages[{number}]"))?;
        }
    }
    Ok(())
}

/// `place` is written only where something is wrong.
fn check_parts(parts: &[Part], takes: &Takes, provider: &str, place: Arguments<'_>) -> Result<()> {
    for (number, part) in parts.iter().enumerate() {
        let (media, sources, one, all) = match part {
            Part::Image(image) => (image, takes.image, "an image", "images"),
            Part::Audio(audio) => (audio, takes.audio, "sound", "sound"),
            Part::File(file) => (file, takes.file, "a document", "documents"),
            Part::ToolResult(result) => {
                let place = format_args!("{place}.parts[{number}]");
                check_parts(&result.parts, takes, provider, place)?;
                continue;
            }
            _ => continue,
        };
        let is_text = matches!(media.source, Source::Text(_)) && !matches!(part, Part::File(_));
        if sources.allow(&media.source) && !is_text {
            continue;
        }
        let place = format!("{place}.parts[{number}]");
        if is_text {
            return Err(invalid(format!("{place}: {one} cannot be text")));
        }
        return Err(invalid(match sources {
            Sources::NONE => format!("{place}: {provider} takes no {all}"),
            sources => {
                let (ways, way) = (sources.ways(), way(media));
                format!("{place}: {provider} takes {one} {ways}, and not {way}")
            }
        }));
    }
    Ok(())
}

fn way(media: &Media) -> &'static str {
    match media.source {
        Source::Url(_) => BY_URL,
        Source::Base64(_) | Source::Text(_) => AS_BYTES,
        Source::File(_) => AS_FILE,
    }
}
