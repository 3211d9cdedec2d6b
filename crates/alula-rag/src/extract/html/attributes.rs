//! Tags with very many attributes, each of which the tokenizer compares with all before it.

use memchr::{memchr, memmem};

/// How many attributes a tag may have. Pages have some dozens.
pub(super) const ATTRIBUTES_MAX: usize = 10_000;

/// Whether a tag of this page has more.
pub(super) fn are_too_many(page: &[u8]) -> bool {
    let mut rest = page;
    while let Some(at) = memchr(b'<', rest) {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix(b"!--") {
            rest = behind(comment, b"-->");
        } else if rest.first().is_some_and(u8::is_ascii_alphabetic) {
            let Some(length) = tag(rest) else { return true };
            let (inside, next) = rest.split_at(length);
            // No tag begins in these.
            let is_raw = [&b"script"[..], b"style"].iter().any(|name| {
                inside.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name))
            });
            rest = if is_raw { behind(next, b"</") } else { next };
        }
    }
    false
}

fn behind<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    memmem::find(text, end).and_then(|at| text.get(at + end.len()..)).unwrap_or_default()
}

/// How long a tag is; nothing if it has too many attributes.
fn tag(text: &[u8]) -> Option<usize> {
    let (mut attributes, mut quote, mut before) = (0, None, b' ');
    for (at, byte) in text.iter().enumerate() {
        let is_gap = |byte: u8| byte.is_ascii_whitespace() || byte == b'/';
        match (quote, *byte) {
            (Some(open), byte) if byte == open => (quote, before) = (None, b' '),
            (Some(_), _) => {}
            (None, b'>') => return Some(at),
            (None, byte @ (b'"' | b'\'')) if before == b'=' => quote = Some(byte),
            (None, byte) => {
                attributes += usize::from(is_gap(before) && !is_gap(byte));
                // White space may stand behind the sign.
                if !(before == b'=' && byte.is_ascii_whitespace()) {
                    before = byte;
                }
            }
        }
        if attributes > ATTRIBUTES_MAX {
            return None;
        }
    }
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_in_tags_alone() {
        let many = "a=\"1 > 2\" b = 'x' c/".repeat(ATTRIBUTES_MAX / 3 + 1);
        let few = "a b ".repeat(ATTRIBUTES_MAX / 2 - 1);
        for (page, expected) in [
            (format!("<p {many}>"), true),
            (format!("<p {many}"), true),
            (format!("<p title=\"{many}\">").replace("\"1 > 2\"", "1"), false),
            (format!("<p {few}>").repeat(3), false),
            (format!("<!-- <p {many}> -->"), false),
            (format!("<script>if (a <b) {{ {few} {few} {few} }}</script>"), false),
            (format!("a < b {many}"), false),
            ("<p><".to_owned(), false),
        ] {
            assert_eq!(are_too_many(page.as_bytes()), expected, "{}", &page[..20.min(page.len())]);
        }
    }
}
