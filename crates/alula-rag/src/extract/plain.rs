//! Plain text. A form feed begins a page.

use super::{
    ExtractLimits, Unreadable,
    writer::{Writer, utf8},
};
use crate::Extracted;

pub(super) fn parse(document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let text = utf8(document)?;
    let mut writer = Writer::new(limits);
    // Some programs end the last page too.
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.strip_suffix('\u{c}').unwrap_or(text);
    if !text.contains('\u{c}') {
        writer.push(text)?;
        return writer.finish();
    }
    for (page, number) in text.split('\u{c}').zip(1..) {
        writer.line()?;
        writer.page(number);
        writer.push(page)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Page;

    #[test]
    fn form_feeds_begin_pages() {
        let text = "\u{feff}Zürich\r\n\u{c}two\u{c}\u{c}four\n\u{c}";
        let extracted = parse(text.as_bytes(), &ExtractLimits::default()).unwrap();
        assert_eq!(extracted.text, "Zürich\ntwo\nfour");
        let pages = [(1, 0), (2, 7), (3, 11), (4, 11)];
        let pages: Vec<_> = pages.map(|(number, start)| Page { number, start }).into();
        assert_eq!(extracted.pages, pages);
    }

    #[test]
    fn text_without_pages_is_as_it_was() {
        let extracted = parse(b"one\n\n\ntwo  \n", &ExtractLimits::default()).unwrap();
        assert_eq!((extracted.text.as_str(), extracted.pages.len()), ("one\n\n\ntwo", 0));
        let error = parse(b"caf\xe9", &ExtractLimits::default()).unwrap_err();
        assert_eq!(error.to_string(), "the document is damaged: the byte at 3 is no UTF-8");
    }
}
