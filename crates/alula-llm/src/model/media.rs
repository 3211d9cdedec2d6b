use base64::{Engine, engine::general_purpose::STANDARD};

use super::Extra;

/// An image, a sound or a document.
///
/// ```
/// use alula_llm::{ChatRequest, Media, Part};
///
/// let png = b"\x89PNG\r\n\x1a\n";
/// let request = ChatRequest::new("gpt-4o").user_parts([
///     Part::text("Does the picture show what the report says?"),
///     Part::Image(Media::bytes("image/png", png)),
///     Part::File(Media::file("file-abc123").name("report.pdf")),
/// ]);
/// assert_eq!(request.messages[0].parts.len(), 3);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Where its bytes are.
    pub source: Source,
    /// Its type, such as `image/png`, when it is known.
    pub media_type: Option<String>,
    /// The file's name or the document's title.
    pub name: Option<String>,
    /// Other fields.
    pub extra: Extra,
}

/// Where the bytes of a [`Media`] are.
///
/// ```
/// use alula_llm::{Media, model::Source};
///
/// // What a server may ask before it lets a provider fetch what its clients name.
/// fn is_fetched(media: &Media) -> bool {
///     matches!(media.source, Source::Url(_))
/// }
/// assert!(is_fetched(&Media::url("https://example.com/wing.png")));
/// assert!(!is_fetched(&Media::bytes("image/png", b"\x89PNG")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The provider fetches this address.
    Url(String),
    /// Bytes, in base64 as every provider wants them.
    Base64(String),
    /// A document that is plain text.
    Text(String),
    /// A file that was uploaded to the provider before.
    File(String),
}

impl Media {
    /// Something behind an address that the provider fetches.
    pub fn url(url: impl Into<String>) -> Self {
        Self::from(Source::Url(url.into()))
    }

    /// Bytes to send along.
    pub fn bytes(media_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let mut media = Self::from(Source::Base64(STANDARD.encode(bytes)));
        media.media_type = Some(media_type.into());
        media
    }

    /// Plain text to send as a document.
    pub fn text(text: impl Into<String>) -> Self {
        let mut media = Self::from(Source::Text(text.into()));
        media.media_type = Some("text/plain".to_owned());
        media
    }

    /// A file known to the provider by its id.
    pub fn file(id: impl Into<String>) -> Self {
        Self::from(Source::File(id.into()))
    }

    /// Sets the file's name or the document's title.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Reads `data:TYPE;base64,BYTES`; any other URL is one to fetch.
    pub(crate) fn from_url(url: String) -> Self {
        match split_data_url(&url) {
            Some((media_type, data)) => Self {
                source: Source::Base64(data.to_owned()),
                media_type: Some(media_type.to_owned()),
                name: None,
                extra: Extra::new(),
            },
            None => Self::from(Source::Url(url)),
        }
    }

    /// The URL that [`from_url`](Self::from_url) reads, if the source has one.
    pub(crate) fn to_url(&self) -> Option<String> {
        let media_type = self.media_type.as_deref().unwrap_or("application/octet-stream");
        match &self.source {
            Source::Url(url) => Some(url.clone()),
            Source::Base64(data) => Some(format!("data:{media_type};base64,{data}")),
            Source::Text(text) => {
                Some(format!("data:{media_type};base64,{}", STANDARD.encode(text)))
            }
            Source::File(_) => None,
        }
    }
}

impl From<Source> for Media {
    fn from(source: Source) -> Self {
        Self { source, media_type: None, name: None, extra: Extra::new() }
    }
}

fn split_data_url(url: &str) -> Option<(&str, &str)> {
    let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    (!media_type.is_empty()).then_some((media_type, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_survive_both_ways() {
        for url in [
            "https://example.com/a.png",
            "data:image/png;base64,AAAA",
            "data:text/plain;charset=utf-8;base64,AAAA",
            "data:;base64,AAAA",
            "data:text/plain,hello",
        ] {
            assert_eq!(Media::from_url(url.to_owned()).to_url().as_deref(), Some(url));
        }
    }
}
