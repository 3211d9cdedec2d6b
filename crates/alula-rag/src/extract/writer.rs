use super::{ExtractLimits, Unreadable};
use crate::{Extracted, Heading, Page};

/// How much of a heading, or of a title, is kept by itself.
const HEADING_CHARS_MAX: usize = 200;
/// How many headings, and how many pages, are kept.
const MARKS_MAX: usize = 50_000;
/// How deep items of lists are indented.
const DEPTH_MAX: usize = 8;

/// Writes the text of a document: within its limit, with lines that end with LF, and without
/// control characters.
#[derive(Debug)]
pub(super) struct Writer {
    extracted: Extracted,
    chars: usize,
    bytes_max: usize,
    /// Whether the last block was an item of a list.
    in_list: bool,
}

impl Writer {
    pub(super) fn new(limits: &ExtractLimits) -> Self {
        let bytes_max = usize::try_from(limits.text_bytes_max).unwrap_or(usize::MAX);
        Self { extracted: Extracted::default(), chars: 0, bytes_max, in_list: false }
    }

    /// Writes text as it is.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Unreadable> {
        if text.len() > self.bytes_max.saturating_sub(self.extracted.text.len()) {
            return Err(Unreadable::too_large("text", self.bytes_max as u64, "bytes"));
        }
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let kept = match char {
                '\r' if chars.peek() == Some(&'\n') => continue,
                '\r' => '\n',
                '\n' | '\t' => char,
                '\u{feff}' => continue,
                char if char.is_control() => continue,
                char => char,
            };
            self.extracted.text.push(kept);
            self.chars += 1;
        }
        Ok(())
    }

    /// Begins a line, if there is something in the present one.
    pub(super) fn line(&mut self) -> Result<(), Unreadable> {
        let text = &self.extracted.text;
        if text.is_empty() || text.ends_with('\n') { Ok(()) } else { self.push("\n") }
    }

    /// Begins a paragraph, behind an empty line.
    pub(super) fn paragraph(&mut self) -> Result<(), Unreadable> {
        self.in_list = false;
        self.line()?;
        let text = &self.extracted.text;
        if text.is_empty() || text.ends_with("\n\n") { Ok(()) } else { self.push("\n") }
    }

    /// Writes an item of a list, `depth` lists deep; without a mark it goes on with the item before.
    pub(super) fn item(&mut self, depth: usize, mark: &str, text: &str) -> Result<(), Unreadable> {
        if self.in_list {
            self.line()?;
        } else {
            self.paragraph()?;
        }
        (0..depth.min(DEPTH_MAX)).try_for_each(|_| self.push("  "))?;
        self.push(mark)?;
        self.push(text)?;
        self.in_list = true;
        Ok(())
    }

    /// Writes a heading as Markdown has it; one without words is none.
    pub(super) fn heading(&mut self, level: u8, text: &str) -> Result<(), Unreadable> {
        let words = text.split(is_gap).filter(|word| !word.is_empty());
        let text = words.collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Ok(());
        }
        self.paragraph()?;
        self.mark_heading(self.chars, level, &text);
        let signs = "######";
        let signs = signs.get(..usize::from(level).clamp(1, signs.len())).unwrap_or(signs);
        self.push(signs)?;
        self.push(" ")?;
        self.push(&text)?;
        self.paragraph()
    }

    /// Remembers a heading that is written at a place.
    pub(super) fn mark_heading(&mut self, start: usize, level: u8, text: &str) {
        if self.extracted.headings.len() < MARKS_MAX {
            let text = one_line(text);
            self.extracted.headings.push(Heading { start, level: level.max(1), text });
        }
    }

    /// Remembers that a page begins here.
    pub(super) fn page(&mut self, number: u32) {
        if self.extracted.pages.len() < MARKS_MAX {
            self.extracted.pages.push(Page { number, start: self.chars });
        }
    }

    /// Says what the document is called, if nothing has said so before.
    pub(super) fn title(&mut self, title: &str) {
        let title = one_line(title);
        if self.extracted.title.is_none() && !title.is_empty() {
            self.extracted.title = Some(title);
        }
    }

    /// How many characters there are.
    pub(super) fn chars(&self) -> usize {
        self.chars
    }

    /// The text alone, which may be none.
    #[cfg(feature = "pdf")]
    pub(super) fn into_text(self) -> String {
        self.extracted.text
    }

    /// What has been written.
    pub(super) fn finish(mut self) -> Result<Extracted, Unreadable> {
        let text = &mut self.extracted.text;
        if !text.chars().any(char::is_alphanumeric) {
            return Err(Unreadable::NoText);
        }
        let kept = text.trim_end().len();
        let end = self.chars - text.get(kept..).unwrap_or_default().chars().count();
        text.truncate(kept);
        for page in &mut self.extracted.pages {
            page.start = page.start.min(end);
        }
        Ok(self.extracted)
    }
}

/// Whether a character is not seen, and so only keeps words apart.
fn is_gap(char: char) -> bool {
    char.is_whitespace() || char.is_control() || char == '\u{feff}'
}

/// The beginning of a text in one line, as it may stand by itself.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let words = text.split(is_gap).filter(|word| !word.is_empty());
    // A word has a character at least.
    for word in words.take(HEADING_CHARS_MAX) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().take(HEADING_CHARS_MAX));
    }
    match line.char_indices().nth(HEADING_CHARS_MAX) {
        Some((end, _)) => line.get(..end).unwrap_or_default().trim_end().to_owned(),
        None => line,
    }
}

/// A document that is text, without the mark in front of it.
pub(super) fn utf8(document: &[u8]) -> Result<&str, Unreadable> {
    let text = std::str::from_utf8(document);
    let text = text.map_err(|error| {
        Unreadable::damaged(format!("the byte at {} is no UTF-8", error.valid_up_to()))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_alike_and_controls_are_gone() {
        let mut writer = Writer::new(&ExtractLimits::default());
        writer.push("\u{feff}a\r\nb\rc\0\u{1b}[0m\td\u{85}").unwrap();
        assert_eq!(writer.chars(), 10);
        assert_eq!(writer.finish().unwrap().text, "a\nb\nc[0m\td");
    }

    #[test]
    fn blocks_have_one_empty_line_between_them() {
        let mut writer = Writer::new(&ExtractLimits::default());
        writer.paragraph().unwrap();
        writer.heading(2, " a\n b ").unwrap();
        writer.heading(9, "deep").unwrap();
        writer.heading(1, " ").unwrap();
        writer.paragraph().unwrap();
        writer.push("end\n\n\n").unwrap();
        let extracted = writer.finish().unwrap();
        assert_eq!(extracted.text, "## a b\n\n###### deep\n\nend");
        let starts: Vec<_> = extracted.headings.iter().map(|it| (it.start, it.level)).collect();
        assert_eq!(starts, [(0, 2), (8, 9)]);
    }

    #[test]
    fn a_text_has_a_limit_and_words() {
        let limits = ExtractLimits { text_bytes_max: 3, ..ExtractLimits::default() };
        let mut writer = Writer::new(&limits);
        writer.push("abc").unwrap();
        let error = writer.push("d").unwrap_err();
        assert_eq!(error.to_string(), "the text has more than 3 bytes");
        let mut writer = Writer::new(&limits);
        writer.push(" .\n").unwrap();
        assert_eq!(writer.finish().unwrap_err(), Unreadable::NoText);
    }
}
