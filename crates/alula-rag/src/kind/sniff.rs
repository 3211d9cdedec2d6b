use super::{
    Kind,
    bytes::{Magic, NoText, PREFIX_BYTES, Utf8, is_html, magic},
    clean_name, essence, extension,
};

/// Media types that say nothing, as programs send them when they do not know.
const UNKNOWN: &[&str] = &["", "application/octet-stream", "binary/octet-stream", "*/*"];

/// Says what a document is while it arrives, and refuses what cannot be read.
///
/// The extension of the name says what it ought to be, or, without one, the media type that was
/// declared. The bytes have to agree: PDF and Word documents with how such files begin, all others
/// with being text in UTF-8. It holds no more than the first 1,024 bytes.
///
/// ```
/// use alula_rag::{Kind, KindError, Sniffer};
///
/// let mut sniffer = Sniffer::new("notes.md", Some("text/plain"))?;
/// sniffer.push(b"# Feathers\n")?;
/// assert_eq!(sniffer.finish()?, Kind::Markdown);
///
/// let mut sniffer = Sniffer::new("report.pdf", None)?;
/// let error = sniffer.push(&b"<html>".repeat(200)).unwrap_err();
/// assert_eq!(error.to_string(), "`report.pdf` is called as PDF is, and its bytes are HTML");
/// # Ok::<(), KindError>(())
/// ```
///
/// Whether a ZIP file is a Word document, and whether a document is encrypted or damaged, shows
/// when it is [extracted](crate::Extractor).
#[derive(Debug)]
pub struct Sniffer {
    name: String,
    /// What it ought to be; without that, its bytes alone decide.
    claimed: Option<Kind>,
    /// Its first bytes, until they have decided.
    prefix: Vec<u8>,
    /// What they have decided; a text may still be found to be none.
    kind: Option<Kind>,
    utf8: Utf8,
}

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KindError {
    /// It is of a kind that is not read.
    #[error("`{name}` is {found}, which is not read; these are: {}", allowed())]
    Unsupported {
        /// What it is called.
        name: String,
        /// What it is, in words.
        found: String,
    },
    /// Its bytes are not what its name, or its declared media type, says.
    #[error("`{name}` is called as {claimed} is, and its bytes are {found}")]
    Mismatch {
        /// What it is called.
        name: String,
        /// What it ought to be, in words.
        claimed: &'static str,
        /// What its bytes are, in words.
        found: String,
    },
    /// Its name and its declared media type contradict each other.
    #[error("`{name}` is called as {claimed} is, and was sent as {declared}")]
    Contradiction {
        /// What it is called.
        name: String,
        /// What it ought to be by its name, in words.
        claimed: &'static str,
        /// What it was sent as, in words.
        declared: &'static str,
    },
    /// It is called like a text, and is none in UTF-8.
    #[error("`{name}` is no text in UTF-8: the byte at {offset} is none of it")]
    NotUtf8 {
        /// What it is called.
        name: String,
        /// Where the first byte is that does not belong there.
        offset: u64,
    },
    /// It is an office document with a password.
    #[error("`{name}` is encrypted; remove its password, and send it again")]
    Encrypted {
        /// What it is called.
        name: String,
    },
    /// It has no bytes.
    #[error("`{name}` is empty")]
    Empty {
        /// What it is called.
        name: String,
    },
}

impl KindError {
    /// A stable name of the reason: `unsupported_type`, `type_mismatch`, `not_utf8`, `encrypted` or
    /// `empty`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "unsupported_type",
            Self::Mismatch { .. } | Self::Contradiction { .. } => "type_mismatch",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Encrypted { .. } => "encrypted",
            Self::Empty { .. } => "empty",
        }
    }
}

fn allowed() -> String {
    Kind::ALL.map(Kind::label).join(", ")
}

impl Sniffer {
    /// Begins with what is said of a document: its name, and the media type that was declared.
    ///
    /// # Errors
    ///
    /// If that alone says that it cannot be read.
    pub fn new(name: &str, media_type: Option<&str>) -> Result<Self, KindError> {
        let name = clean_name(name);
        let claimed = claim(&name, media_type)?;
        Ok(Self { name, claimed, prefix: Vec::new(), kind: None, utf8: Utf8::default() })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// As soon as they show that the document is not taken. After that it is to be asked no more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), KindError> {
        if let Some(kind) = self.kind {
            return self.check_text(kind, bytes);
        }
        let missing = PREFIX_BYTES - self.prefix.len();
        let (prefix, rest) = bytes.split_at(missing.min(bytes.len()));
        self.prefix.extend_from_slice(prefix);
        if self.prefix.len() < PREFIX_BYTES {
            return Ok(());
        }
        let kind = self.decide()?;
        self.check_text(kind, rest)
    }

    /// Says what it is, after its last byte.
    ///
    /// # Errors
    ///
    /// If it is not taken.
    pub fn finish(mut self) -> Result<Kind, KindError> {
        let kind = match self.kind {
            Some(kind) => kind,
            None if self.prefix.is_empty() => return Err(KindError::Empty { name: self.name }),
            None => self.decide()?,
        };
        self.utf8.finish().map_err(|wrong| self.no_text(wrong))?;
        Ok(kind)
    }

    fn decide(&mut self) -> Result<Kind, KindError> {
        let prefix = std::mem::take(&mut self.prefix);
        let kind = self.judge(&prefix)?;
        self.kind = Some(kind);
        self.check_text(kind, &prefix)?;
        Ok(kind)
    }

    fn judge(&self, prefix: &[u8]) -> Result<Kind, KindError> {
        let magic = magic(prefix);
        let name = || self.name.clone();
        match (self.claimed, magic) {
            (Some(Kind::Pdf) | None, Some(Magic::Pdf)) => Ok(Kind::Pdf),
            (Some(Kind::Docx) | None, Some(Magic::Zip)) => Ok(Kind::Docx),
            // That is how office programs encrypt a document.
            (Some(Kind::Docx), Some(Magic::OldOffice)) => {
                Err(KindError::Encrypted { name: name() })
            }
            (None, None) if is_html(prefix) => Ok(Kind::Html),
            (None, None) => Ok(Kind::Text),
            (Some(kind), None) if kind.is_text() => Ok(kind),
            (Some(kind), magic) => {
                let found = described(magic, prefix);
                Err(KindError::Mismatch { name: name(), claimed: kind.label(), found })
            }
            (None, magic) => {
                Err(KindError::Unsupported { name: name(), found: described(magic, prefix) })
            }
        }
    }

    fn check_text(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), KindError> {
        if !kind.is_text() {
            return Ok(());
        }
        self.utf8.push(bytes).map_err(|wrong| self.no_text(wrong))
    }

    fn no_text(&self, wrong: NoText) -> KindError {
        let (NoText::NotUtf8(offset) | NoText::Zero(offset)) = wrong;
        KindError::NotUtf8 { name: self.name.clone(), offset }
    }
}

/// What a document ought to be.
fn claim(name: &str, media_type: Option<&str>) -> Result<Option<Kind>, KindError> {
    let declared = media_type
        .map(essence)
        .filter(|declared| !UNKNOWN.iter().any(|unknown| unknown.eq_ignore_ascii_case(declared)));
    let by_type = declared.and_then(Kind::of_media_type);
    match (Kind::of_name(name), by_type) {
        // Markdown and CSV are plain text as well, and many programs do not know them.
        (Some(named), Some(declared)) if named.is_text() && declared.is_text() => Ok(Some(named)),
        (Some(named), Some(declared)) if named != declared => Err(KindError::Contradiction {
            name: name.to_owned(),
            claimed: named.label(),
            declared: declared.label(),
        }),
        // What else is declared is often wrong: Windows calls CSV an Excel workbook.
        (Some(named), _) => Ok(Some(named)),
        (None, Some(declared)) => Ok(Some(declared)),
        (None, None) => {
            let found = extension(name).map(|it| format!("a .{it} file"));
            match found.or_else(|| declared.map(str::to_owned)) {
                Some(found) => Err(KindError::Unsupported { name: name.to_owned(), found }),
                None => Ok(None),
            }
        }
    }
}

/// What bytes are, in words.
fn described(magic: Option<Magic>, prefix: &[u8]) -> String {
    let found = match magic {
        Some(Magic::Pdf) => "PDF",
        Some(Magic::Zip) => "a ZIP archive",
        Some(Magic::OldOffice) => "an old office file",
        Some(Magic::Other(found)) => found,
        None if is_html(prefix) => "HTML",
        None if prefix.is_ascii() => "plain text",
        None => "of no known kind",
    };
    found.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(name: &str, media_type: Option<&str>, bytes: &[u8]) -> Result<Kind, KindError> {
        let whole = (|| {
            let mut sniffer = Sniffer::new(name, media_type)?;
            sniffer.push(bytes)?;
            sniffer.finish()
        })();
        let pieces = (|| {
            let mut sniffer = Sniffer::new(name, media_type)?;
            bytes.chunks(7).try_for_each(|piece| sniffer.push(piece))?;
            sniffer.finish()
        })();
        assert_eq!(whole, pieces, "{name}");
        whole
    }

    #[track_caller]
    fn refused(name: &str, media_type: Option<&str>, bytes: &[u8], code: &str, says: &str) {
        let error = sniff(name, media_type, bytes).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn bytes_and_name_agree() {
        for (name, media_type, bytes, kind) in [
            ("a.pdf", Some("application/pdf"), &b"%PDF-1.7\n"[..], Kind::Pdf),
            ("a.pdf", None, b"\xef\xbb\xbf\r\n%PDF-1.7\n", Kind::Pdf),
            ("a.docx", None, b"PK\x03\x04", Kind::Docx),
            ("a.md", Some("text/plain"), b"hi", Kind::Markdown),
            ("a.csv", Some("application/vnd.ms-excel"), b"a,b", Kind::Csv),
            ("a.txt", Some("application/octet-stream"), b"<html>", Kind::Text),
            ("main.rs", Some("text/plain; charset=utf-8"), b"fn", Kind::Text),
            ("README", None, "Händel".as_bytes(), Kind::Text),
            ("index", None, b" <!DOCTYPE HTML>", Kind::Html),
            ("upload", Some("application/pdf"), b"%PDF-", Kind::Pdf),
            ("upload", None, b"%PDF-", Kind::Pdf),
            ("upload", None, b"PK\x03\x04", Kind::Docx),
        ] {
            assert_eq!(sniff(name, media_type, bytes), Ok(kind), "{name}");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_by_its_name() {
        refused("a.png", None, b"", "unsupported_type", "is a .png file, which is not read");
        refused("a.xlsx", Some("application/zip"), b"", "unsupported_type", "a .xlsx file");
        refused("a", Some("image/png"), b"", "unsupported_type", "is image/png");
        refused("a", None, b"\x89PNG\r\n", "unsupported_type", "is a PNG picture");
        refused("a.pdf", Some("text/html"), b"", "type_mismatch", "was sent as HTML");
    }

    #[test]
    fn bytes_that_are_something_else_are_refused() {
        refused("a.pdf", None, b"PK\x03\x04", "type_mismatch", "bytes are a ZIP archive");
        refused("a.pdf", None, b"<html>%PDF-1.4", "type_mismatch", "bytes are HTML");
        refused("a.html", None, b"%PDF-1.4 <html>", "type_mismatch", "as HTML is");
        refused("a.docx", None, b"hello", "type_mismatch", "plain text");
        refused("a.txt", None, b"\xff\xfeh\0i\0", "type_mismatch", "UTF-16 text");
        refused("a.md", None, b"caf\xe9!", "not_utf8", "the byte at 3");
        refused("a.csv", None, b"a,b\0", "not_utf8", "the byte at 3");
        refused("a.txt", None, b"caf\xc3", "not_utf8", "the byte at 3");
        let late = [vec![b'a'; 5000], vec![0xff]].concat();
        refused("a.txt", None, &late, "not_utf8", "the byte at 5000");
        refused("a.docx", None, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted", "its password");
        refused("a.txt", None, b"", "empty", "`a.txt` is empty");
    }

    #[test]
    fn a_wrong_beginning_is_refused_before_the_rest_arrives() {
        let mut sniffer = Sniffer::new("a.pdf", None).unwrap();
        assert!(sniffer.push(&[b' '; 1000]).is_ok());
        assert!(sniffer.push(&[b' '; 24]).is_err());
    }
}
