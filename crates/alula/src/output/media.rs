//! What kind of content an answer has, and what a client shall call it.

use std::path::Path;

use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::error::{HttpError, Result};

/// A content type and a `Content-Disposition`.
#[derive(Debug, Clone)]
pub(super) struct Media {
    content_type: HeaderValue,
    disposition: Option<HeaderValue>,
    /// Whether the type only follows from the name.
    is_guess: bool,
    /// A content type that no header can hold: a mistake of the program.
    mistake: Option<String>,
}

/// What is left as it is in a file name, as by Python's `quote`.
const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b'/');

impl Media {
    pub(super) fn new(content_type: &str) -> Self {
        let content_type_of_bytes = HeaderValue::from_static("application/octet-stream");
        let mut media = Self {
            content_type: content_type_of_bytes,
            disposition: None,
            is_guess: false,
            mistake: None,
        };
        media.set_content_type(content_type);
        media
    }

    /// The type that files of this name usually have.
    pub(super) fn guess(name: &Path) -> Self {
        let content_type = mime_guess::from_path(name).first_raw();
        let media = Self::new(content_type.unwrap_or("application/octet-stream"));
        Self { is_guess: true, ..media }
    }

    /// Text gets `charset=utf-8` if it does not name another one.
    pub(super) fn set_content_type(&mut self, content_type: &str) {
        self.is_guess = false;
        let lower = content_type.to_ascii_lowercase();
        let value = if lower.starts_with("text/") && !lower.contains("charset=") {
            HeaderValue::try_from(format!("{content_type}; charset=utf-8"))
        } else {
            HeaderValue::from_str(content_type)
        };
        match value {
            Ok(value) => self.content_type = value,
            Err(_) => self.mistake = Some(format!("{content_type:?} is no content type")),
        }
    }

    /// `kind` is `attachment` or `inline`. The form is FastAPI's: RFC 6266, with the encoding of
    /// RFC 8187 for a name that is not plain. A type that is a guess is guessed again.
    pub(super) fn set_disposition(&mut self, kind: &str, name: &str) {
        if self.is_guess {
            *self = Self::guess(Path::new(name));
        }
        let encoded = utf8_percent_encode(name, KEPT).to_string();
        let text = if encoded == name {
            format!("{kind}; filename=\"{name}\"")
        } else {
            format!("{kind}; filename*=utf-8''{encoded}")
        };
        // The name is visible ASCII by now, without quotes.
        self.disposition = HeaderValue::try_from(text).ok();
    }

    pub(super) fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// Sets the headers.
    pub(super) fn apply(self, headers: &mut HeaderMap) -> Result<()> {
        if let Some(mistake) = self.mistake {
            return Err(HttpError::internal(mistake));
        }
        headers.insert(header::CONTENT_TYPE, self.content_type);
        if let Some(disposition) = self.disposition {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        Ok(())
    }
}

/// How the document describes content whose type is known only when it is sent.
pub(super) fn binary() -> Option<(&'static str, Value)> {
    let schema = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    Some(("*/*", schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(media: Media) -> HeaderMap {
        let mut headers = HeaderMap::new();
        media.apply(&mut headers).unwrap();
        headers
    }

    #[test]
    fn text_is_utf8_unless_it_says_otherwise() {
        let content_type = |text: &str| headers(Media::new(text))["content-type"].clone();
        assert_eq!(content_type("text/csv"), "text/csv; charset=utf-8");
        assert_eq!(content_type("Text/CSV; Charset=latin-1"), "Text/CSV; Charset=latin-1");
        assert_eq!(content_type("image/png"), "image/png");
        assert!(Media::new("a\nb").apply(&mut HeaderMap::new()).is_err());
    }

    #[test]
    fn names_of_files_have_fastapis_form() {
        let named = |kind: &str, name: &str| {
            let mut media = Media::new("text/plain");
            media.set_disposition(kind, name);
            headers(media)["content-disposition"].to_str().unwrap().to_owned()
        };
        assert_eq!(named("attachment", "a.txt"), "attachment; filename=\"a.txt\"");
        assert_eq!(named("inline", "a b.txt"), "inline; filename*=utf-8''a%20b.txt");
        assert_eq!(named("attachment", "a/b.txt"), "attachment; filename=\"a/b.txt\"");
        assert_eq!(named("attachment", "a\"b.txt"), "attachment; filename*=utf-8''a%22b.txt");
        let cafe = "attachment; filename*=utf-8''caf%C3%A9%20b.csv";
        assert_eq!(named("attachment", "café b.csv"), cafe);
        let forged = "attachment; filename*=utf-8''a%0D%0Ab%3A%20c";
        assert_eq!(named("attachment", "a\r\nb: c"), forged);
    }
}
