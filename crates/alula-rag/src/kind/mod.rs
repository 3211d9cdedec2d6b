//! What a document is: by its name, by what is said of it, and by its bytes.

mod bytes;
mod sniff;

pub use self::sniff::{KindError, Sniffer};

/// The kinds of documents that can be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// PDF.
    Pdf,
    /// A document of Word, since 2007.
    Docx,
    /// HTML.
    Html,
    /// Markdown.
    Markdown,
    /// A table as text: values that are separated by commas, semicolons or tabs.
    Csv,
    /// Plain text.
    Text,
}

/// What names and media types say which kind; the first of each is what we write.
struct Names {
    kind: Kind,
    extensions: &'static [&'static str],
    media_types: &'static [&'static str],
}

const NAMES: &[Names] = &[
    Names {
        kind: Kind::Pdf,
        extensions: &["pdf"],
        media_types: &["application/pdf", "application/x-pdf"],
    },
    Names {
        kind: Kind::Docx,
        extensions: &["docx"],
        media_types: &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    },
    Names {
        kind: Kind::Html,
        extensions: &["html", "htm", "xhtml"],
        media_types: &["text/html", "application/xhtml+xml"],
    },
    Names {
        kind: Kind::Markdown,
        extensions: &["md", "markdown", "mdown", "mkd"],
        media_types: &["text/markdown", "text/x-markdown"],
    },
    Names {
        kind: Kind::Csv,
        extensions: &["csv", "tsv", "tab"],
        media_types: &["text/csv", "text/tab-separated-values", "application/csv"],
    },
    Names {
        kind: Kind::Text,
        extensions: &["txt", "text", "log", "rst", "adoc", "asciidoc", "org"],
        media_types: &["text/plain", "text/x-rst", "text/x-log"],
    },
];

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pdf, Self::Docx, Self::Html, Self::Markdown, Self::Csv, Self::Text];

    /// The kind that the extension of a file's name stands for. Case does not matter.
    ///
    /// ```
    /// use alula_rag::Kind;
    ///
    /// assert_eq!(Kind::of_name("Report.PDF"), Some(Kind::Pdf));
    /// assert_eq!(Kind::of_name("photo.jpg"), None);
    /// ```
    pub fn of_name(name: &str) -> Option<Self> {
        let extension = extension(name)?;
        let stands_for = |names: &&Names| {
            names.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
        };
        NAMES.iter().find(stands_for).map(|names| names.kind)
    }

    /// The kind that a media type stands for. What follows it, as its charset, does not matter.
    ///
    /// ```
    /// use alula_rag::Kind;
    ///
    /// assert_eq!(Kind::of_media_type("text/html; charset=utf-8"), Some(Kind::Html));
    /// assert_eq!(Kind::of_media_type("application/octet-stream"), None);
    /// ```
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = essence(media_type);
        let stands_for = |names: &&Names| {
            names.media_types.iter().any(|known| known.eq_ignore_ascii_case(essence))
        };
        NAMES.iter().find(stands_for).map(|names| names.kind)
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Csv => "text/csv",
            Self::Text => "text/plain",
        }
    }

    /// The extension of its files, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Text => "txt",
        }
    }

    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Docx => "Word document",
            Self::Html => "HTML",
            Self::Markdown => "Markdown",
            Self::Csv => "CSV",
            Self::Text => "plain text",
        }
    }

    /// Whether its bytes are text, which is all that tells them from other kinds.
    pub(crate) fn is_text(self) -> bool {
        !matches!(self, Self::Pdf | Self::Docx)
    }
}

/// The part of a name that says what a file is, if there is one.
fn extension(name: &str) -> Option<&str> {
    let (stem, extension) = last_segment(name).rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then_some(extension)
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn last_segment(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// How many bytes of a name are kept.
const NAME_BYTES_MAX: usize = 255;

/// A file's name as it may be shown and kept: without folders and without control characters, at
/// most 255 bytes. It is never empty, and it is no path: nothing is to be stored under it.
///
/// ```
/// use alula_rag::clean_name;
///
/// assert_eq!(clean_name("..\\..\\etc/passwd\0.txt"), "passwd.txt");
/// assert_eq!(clean_name("../"), "unnamed");
/// ```
pub fn clean_name(name: &str) -> String {
    let hides = |char: &char| !char.is_control() && !is_invisible(*char);
    let kept: String = last_segment(name).chars().filter(hides).collect();
    let kept = kept.trim();
    if kept.chars().all(|char| char == '.') {
        return "unnamed".to_owned();
    }
    if kept.len() <= NAME_BYTES_MAX {
        return kept.to_owned();
    }
    // The extension says what it is.
    let end = extension(kept).filter(|it| it.len() < 16).map_or(0, |it| it.len() + 1);
    let (stem, end) = kept.split_at(kept.len() - end);
    let stem = stem.split_at(stem.floor_char_boundary(NAME_BYTES_MAX - end.len())).0;
    format!("{stem}{end}")
}

/// Characters that change how a name looks, and are not seen: marks of direction, and others of
/// no width.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_what_it_is_written_as() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_name(&format!("a.{}", kind.extension())), Some(kind));
            assert_eq!(Kind::of_media_type(kind.media_type()), Some(kind));
        }
        assert_eq!(NAMES.len(), Kind::ALL.len());
    }

    #[test]
    fn a_folder_or_a_dot_in_front_is_no_extension() {
        for name in ["a.pdf/b", "a.pdf\\b", ".pdf", "pdf", "a.", "", "."] {
            assert_eq!(Kind::of_name(name), None, "{name}");
        }
        assert_eq!(Kind::of_name("..\\..\\a.tar.Md"), Some(Kind::Markdown));
    }

    #[test]
    fn names_lose_folders_controls_and_what_hides_their_end() {
        for (name, expected) in [
            ("C:\\docs\\a.pdf", "a.pdf"),
            ("/etc/passwd", "passwd"),
            ("a\u{202e}fdp.exe", "afdp.exe"),
            ("a\r\nb\0.md", "ab.md"),
            ("  ", "unnamed"),
            ("..", "unnamed"),
            ("日本.txt", "日本.txt"),
        ] {
            assert_eq!(clean_name(name), expected, "{name:?}");
        }
        let long = clean_name(&format!("{}.pdf", "é".repeat(400)));
        assert!(long.len() <= NAME_BYTES_MAX && long.ends_with("é.pdf"), "{long}");
    }
}
