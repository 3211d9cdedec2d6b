//! Parameters of headers: `form-data; name="note"; filename="a.txt"`.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use percent_encoding::percent_decode;

/// The most parameters that a header may have; real ones have three.
const PARAMETERS_MAX: usize = 16;

/// A header value with parameters.
#[derive(Debug)]
pub(super) struct Parameters<'h> {
    /// What stands before the first semicolon.
    pub(super) essence: &'h [u8],
    entries: Vec<(&'h [u8], Cow<'h, [u8]>)>,
}

impl<'h> Parameters<'h> {
    /// `None` for what has a parameter twice or a quote that does not end: two readers could take
    /// it for two things. Nor may there be too many.
    pub(super) fn parse(header: &'h [u8]) -> Option<Self> {
        let (essence, mut rest) = split(header, b';');
        let mut entries: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::new();
        let mut count = 0;
        while !rest.is_empty() {
            count += 1;
            if count > PARAMETERS_MAX {
                return None;
            }
            let end = memchr2(b'=', b';', rest).unwrap_or(rest.len());
            let (name, after_name) = split_at(rest, end);
            // A name alone says nothing.
            if rest.get(end) != Some(&b'=') {
                rest = after_name;
                continue;
            }
            let (name, value_on) = (name.trim_ascii(), after_name.trim_ascii_start());
            let (value, after) = match value_on.strip_prefix(b"\"") {
                Some(quoted) => unquote(quoted)?,
                None => {
                    let (token, after) = split(value_on, b';');
                    (Cow::Borrowed(token.trim_ascii()), after)
                }
            };
            if entries.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return None;
            }
            entries.push((name, value));
            rest = after;
        }
        Some(Self { essence: essence.trim_ascii(), entries })
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let name = name.as_bytes();
        let found = self.entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }
}

/// What stands before and after a byte; all and nothing without it.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    split_at(bytes, memchr(at, bytes).unwrap_or(bytes.len()))
}

/// What stands before and after the byte at a place.
fn split_at(bytes: &[u8], end: usize) -> (&[u8], &[u8]) {
    let (before, after) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (before, after.get(1..).unwrap_or_default())
}

/// The text of a quoted string, from behind its first quote, and what follows its parameter.
///
/// Only a quote and a backslash are escaped: older browsers send `C:\a.txt` as it is.
fn unquote(quoted: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut at = 0;
    let mut escaped = false;
    let end = loop {
        match (quoted.get(at), quoted.get(at + 1)) {
            (Some(b'\\'), Some(b'"' | b'\\')) => {
                escaped = true;
                at += 2;
            }
            (Some(b'"'), _) => break at,
            (Some(_), _) => at += 1,
            // A name that ends in a backslash, written without escaping it.
            (None, _) if quoted.ends_with(b"\\\"") => break quoted.len() - 1,
            (None, _) => return None,
        }
    };
    let text = quoted.get(..end)?;
    let after = quoted.get(end + 1..)?.trim_ascii_start();
    let after = if after.is_empty() { after } else { after.strip_prefix(b";")? };
    let text = match escaped {
        false => Cow::Borrowed(text),
        true => Cow::Owned(unescape(text)),
    };
    Some((text, after))
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && matches!(next, b'"' | b'\\'));
        plain.push(escaped.unwrap_or(byte));
    }
    plain
}

/// A text of a form: UTF-8, and Latin-1 where it is not that.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

/// The name of a part or of its file: browsers write quotes and line ends as `%22`, `%0D`, `%0A`,
/// and nothing else so.
pub(super) fn name(bytes: &[u8]) -> String {
    let name = text(bytes.to_owned());
    if !name.contains('%') {
        return name;
    }
    let mut plain = String::with_capacity(name.len());
    let mut rest = name.as_str();
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let letter = match after.get(..2) {
            Some("22") => Some('"'),
            Some("0D" | "0d") => Some('\r'),
            Some("0A" | "0a") => Some('\n'),
            _ => None,
        };
        plain.push(letter.unwrap_or('%'));
        rest = if letter.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    plain.push_str(rest);
    plain
}

/// The text of an extended parameter (RFC 8187), such as `UTF-8''na%C3%AFve.txt`.
pub(super) fn extended(value: &[u8]) -> Option<String> {
    let (charset, rest) = split(value, b'\'');
    let (_, encoded) = split(rest, b'\'');
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    if charset.eq_ignore_ascii_case(b"utf-8") {
        return String::from_utf8(bytes).ok();
    }
    charset.eq_ignore_ascii_case(b"iso-8859-1").then(|| bytes.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(header: &str, name: &str) -> Option<String> {
        let parsed = Parameters::parse(header.as_bytes()).expect(header);
        parsed.get(name).map(|value| text(value.to_owned()))
    }

    #[test]
    fn parameters_are_found_whatever_a_quoted_one_contains() {
        let header = r#"form-data; filename="; name=\"evil\"; x=\\"; NAME = "note" "#;
        assert_eq!(get(header, "name").as_deref(), Some("note"));
        assert_eq!(get(header, "filename").as_deref(), Some(r#"; name="evil"; x=\"#));
        assert_eq!(get(header, "x"), None);
        assert_eq!(Parameters::parse(header.as_bytes()).unwrap().essence, b"form-data");
    }

    #[test]
    fn tokens_empty_ones_and_odd_ends_are_read() {
        assert_eq!(get("form-data; name=note", "name").as_deref(), Some("note"));
        assert_eq!(get("form-data; name=; a", "name").as_deref(), Some(""));
        assert_eq!(get("form-data; flag; name=b;", "name").as_deref(), Some("b"));
        assert_eq!(get("form-data", "name"), None);
        assert_eq!(get(r#"f; filename="C:\a.txt""#, "filename").as_deref(), Some(r"C:\a.txt"));
        assert_eq!(get(r#"f; filename="dir\""#, "filename").as_deref(), Some(r"dir\"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for header in [
            r#"f; name="a"; name="b""#,
            r#"f; name=a; Name=b"#,
            r#"f; name="a"#,
            r#"f; name="a" b"#,
            r#"f; name="a"b; x=y"#,
        ] {
            assert!(Parameters::parse(header.as_bytes()).is_none(), "{header}");
        }
    }

    #[test]
    fn there_are_no_more_than_any_real_header_has() {
        let many = |count: usize| (0..count).map(|at| format!("; x{at}=y")).collect::<String>();
        let header = format!("form-data{}", many(PARAMETERS_MAX));
        assert_eq!(get(&header, "x15").as_deref(), Some("y"));
        let nothing = ["; flag", ";", "; ="].map(|one| one.repeat(PARAMETERS_MAX + 1));
        for list in [many(PARAMETERS_MAX + 1)].iter().chain(&nothing) {
            let header = format!("form-data{list}; x=y");
            assert!(Parameters::parse(header.as_bytes()).is_none(), "{header}");
        }
    }

    #[test]
    fn names_are_decoded_as_browsers_encode_them() {
        assert_eq!(name(b"a%22b%0d%0Ac%20%"), "a\"b\r\nc%20%");
        assert_eq!(name("naïve%é".as_bytes()), "naïve%é");
        assert_eq!(name(b"na\xefve"), "naïve");
    }

    #[test]
    fn extended_values_are_decoded() {
        assert_eq!(extended(b"UTF-8''na%C3%AFve%20x").as_deref(), Some("naïve x"));
        assert_eq!(extended(b"iso-8859-1'en'na%EFve").as_deref(), Some("naïve"));
        assert_eq!(extended(b"utf-8''%ff"), None);
        assert_eq!(extended(b"koi8-r''a"), None);
        assert_eq!(extended(b""), None);
    }
}
