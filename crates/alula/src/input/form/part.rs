//! The head of a part.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    parameters::{Parameters, extended, name},
    parser::Malformed,
};

/// The most headers that a part may have; real ones have three.
const HEADERS_MAX: usize = 32;

/// What the head of a part says.
#[derive(Debug)]
pub(super) struct Head {
    /// The name of the field.
    pub(super) name: String,
    /// What the part is.
    pub(super) kind: Kind,
}

/// What a part is: the one with a file name is a file.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    File { file_name: String, headers: HeaderMap },
}

/// Why a head is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed(Malformed),
    /// It does not say to which field the part belongs.
    Nameless,
}

impl Head {
    pub(super) fn parse(block: &[u8]) -> Result<Self, Refused> {
        let headers = headers(block).ok_or(Refused::Malformed(Malformed::Head))?;
        let disposition = headers.get(header::CONTENT_DISPOSITION).ok_or(Refused::Nameless)?;
        let parameters =
            Parameters::parse(disposition.as_bytes()).ok_or(Refused::Malformed(Malformed::Head))?;
        let field = name(parameters.get("name").ok_or(Refused::Nameless)?);
        // The plain name counts where there are two, as RFC 7578 section 4.2 knows only that one.
        let file_name = match parameters.get("filename") {
            Some(plain) => Some(without_drive(name(plain))),
            None => parameters.get("filename*").and_then(extended),
        };
        let kind = match file_name {
            Some(file_name) => Kind::File { file_name, headers },
            None => Kind::Text,
        };
        Ok(Self { name: field, kind })
    }
}

/// The lines of a head. A name that comes twice is refused, but none of a file's own headers
/// means anything here.
fn headers(block: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut rest = block.strip_suffix(b"\r\n")?;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n")?;
        let (line, next) = (rest.get(..end)?, rest.get(end + 2..)?);
        let colon = memchr::memchr(b':', line)?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        let value = HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?;
        if headers.len() == HEADERS_MAX || headers.insert(name, value).is_some() {
            return None;
        }
        rest = next;
    }
    Some(headers)
}

/// Old browsers send the whole path of the file.
fn without_drive(name: String) -> String {
    let is_path = name.starts_with(r"\\") || name.get(1..3) == Some(r":\");
    match name.rsplit_once('\\') {
        Some((_, last)) if is_path => last.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Result<(String, Option<String>), Refused> {
        let head = Head::parse(format!("{lines}\r\n\r\n").as_bytes())?;
        Ok(match head.kind {
            Kind::Text => (head.name, None),
            Kind::File { file_name, .. } => (head.name, Some(file_name)),
        })
    }

    #[test]
    fn a_part_with_a_file_name_is_a_file() {
        let text = head("Content-Disposition: form-data; name=\"a\"").unwrap();
        assert_eq!(text, ("a".to_owned(), None));
        for (written, file_name) in [
            (r#"filename="""#, ""),
            (r#"filename="b.txt""#, "b.txt"),
            (r#"filename="na\u{ef}ve.txt""#, "na\\u{ef}ve.txt"),
            ("filename=\"naïve.txt\"", "naïve.txt"),
            (r#"filename="C:\dir\b.txt""#, "b.txt"),
            (r#"filename="..\b.txt""#, r"..\b.txt"),
            ("filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
            ("filename*=UTF-8''evil.exe; filename=\"b.txt\"", "b.txt"),
        ] {
            let file = head(&format!("content-disposition: form-data; name=a; {written}"));
            assert_eq!(file.unwrap().1.as_deref(), Some(file_name), "{written}");
        }
    }

    #[test]
    fn a_head_without_a_name_is_refused() {
        for lines in ["Content-Type: text/plain", "Content-Disposition: form-data; filename=a"] {
            assert_eq!(head(lines).unwrap_err(), Refused::Nameless, "{lines}");
        }
        assert_eq!(Head::parse(b"\r\n").unwrap_err(), Refused::Nameless);
    }

    #[test]
    fn a_broken_head_is_refused() {
        let name = "Content-Disposition: form-data; name=\"a\"";
        let many = (0..=HEADERS_MAX).map(|at| format!("x{at}: y"));
        let many: Vec<String> = many.collect();
        for lines in [
            format!("{name}\r\nContent-Type"),
            format!("{name}\r\n folded"),
            format!("{name}\r\nb d: x"),
            format!("{name}\r\nx: a\nb"),
            format!("{name}\r\nx: \0"),
            format!("{name}\r\n{name}"),
            format!("{name}\r\n{}", many.join("\r\n")),
        ] {
            let refused = Refused::Malformed(Malformed::Head);
            assert_eq!(head(&lines).unwrap_err(), refused, "{lines:?}");
        }
    }
}
