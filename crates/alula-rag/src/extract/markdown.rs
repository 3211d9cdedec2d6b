//! Markdown stays as it is; its headings are found, and what stands in front of it is left out.

use super::{
    ExtractLimits, Unreadable,
    writer::{Writer, utf8},
};
use crate::Extracted;

pub(super) fn parse(document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let (front, text) = front_matter(utf8(document)?);
    let mut writer = Writer::new(limits);
    if let Some(title) = front.and_then(title_of) {
        writer.title(title);
    }
    let mut reader = Reader::default();
    for line in text.split_inclusive('\n') {
        let start = writer.chars();
        writer.push(line)?;
        if let Some((start, level, text)) = reader.line(line.trim_end(), start) {
            let text = without_marks(text);
            if level == 1 {
                writer.title(&text);
            }
            writer.mark_heading(start, level, &text);
        }
    }
    writer.finish()
}

/// What stands between two lines of three signs in front of the text.
fn front_matter(text: &str) -> (Option<&str>, &str) {
    for fence in ["---", "+++"] {
        let Some(rest) = text.strip_prefix(fence).and_then(after_line_end) else { continue };
        let mut at = 0;
        for line in rest.split_inclusive('\n') {
            if line.trim_end() == fence {
                let (front, text) = rest.split_at(at);
                return (Some(front), text.get(line.len()..).unwrap_or_default());
            }
            at += line.len();
        }
    }
    (None, text)
}

fn after_line_end(text: &str) -> Option<&str> {
    let text = text.trim_start_matches([' ', '\t', '\r']);
    text.strip_prefix('\n')
}

/// The title in YAML, or in TOML, as far as it is a line of its own.
fn title_of(front: &str) -> Option<&str> {
    let values = front
        .lines()
        .filter_map(|line| line.strip_prefix("title")?.trim_start().strip_prefix([':', '=']));
    let value = values.map(str::trim).find(|value| !value.is_empty())?;
    let unquoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    Some(unquoted('"').or_else(|| unquoted('\'')).unwrap_or(value))
}

/// Finds headings, line by line.
#[derive(Debug, Default)]
struct Reader<'a> {
    /// The fence of the block of code that is open.
    fence: Option<(char, usize)>,
    /// The line before, and where it begins, if a line below it may make it a heading.
    before: Option<(usize, &'a str)>,
}

impl<'a> Reader<'a> {
    /// The heading that a line is, or makes of the line before: where it begins, its level and its
    /// text.
    fn line(&mut self, line: &'a str, start: usize) -> Option<(usize, u8, &'a str)> {
        let before = self.before.take();
        let indented = line.len() - line.trim_start_matches(' ').len();
        let text = line.trim_start_matches(' ');
        if let Some((sign, least)) = self.fence {
            let (signs, rest) = run_of(text, sign);
            if indented < 4 && signs >= least && rest.trim().is_empty() {
                self.fence = None;
            }
            return None;
        }
        if indented > 3 || text.starts_with('\t') {
            return None;
        }
        for sign in ['`', '~'] {
            let (signs, rest) = run_of(text, sign);
            if signs >= 3 && !(sign == '`' && rest.contains('`')) {
                self.fence = Some((sign, signs));
                return None;
            }
        }
        if let Some((level, text)) = atx(text) {
            return Some((start, level, text));
        }
        if let (Some((start, text)), Some(level)) = (before, underline(text)) {
            return Some((start, level, text));
        }
        if may_be_underlined(text) {
            self.before = Some((start, text));
        }
        None
    }
}

/// `## text ##`
fn atx(line: &str) -> Option<(u8, &str)> {
    let (level, rest) = run_of(line, '#');
    let level = u8::try_from(level).ok().filter(|level| (1..=6).contains(level))?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let text = rest.trim();
    let open = text.trim_end_matches('#');
    let text = if open.is_empty() || open.ends_with([' ', '\t']) { open.trim_end() } else { text };
    (!text.is_empty()).then_some((level, text))
}

/// The line of signs below a heading.
fn underline(line: &str) -> Option<u8> {
    let is_all = |sign| !line.is_empty() && run_of(line, sign).1.is_empty();
    if is_all('=') {
        Some(1)
    } else if is_all('-') {
        Some(2)
    } else {
        None
    }
}

/// Whether a line is of a paragraph: neither of a list, a quote nor a table.
fn may_be_underlined(line: &str) -> bool {
    let is_item = ["- ", "* ", "+ ", ">", "|", "<"].iter().any(|mark| line.starts_with(mark));
    !is_item && line.chars().any(char::is_alphanumeric)
}

fn run_of(text: &str, sign: char) -> (usize, &str) {
    let rest = text.trim_start_matches(sign);
    (text.len() - rest.len(), rest)
}

/// A heading without the signs that only say how it looks, and where it links to.
fn without_marks(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[', ']']) {
        let (before, sign) = rest.split_at(at);
        plain.push_str(before);
        rest = sign.get(1..).unwrap_or_default();
        if sign.starts_with("](") {
            rest = rest.split_once(')').map_or("", |(_, rest)| rest);
        }
    }
    plain.push_str(rest);
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(u8, &str)]) -> Extracted {
        let extracted = parse(text.as_bytes(), &ExtractLimits::default()).unwrap();
        let found: Vec<_> =
            extracted.headings.iter().map(|it| (it.level, it.text.as_str())).collect();
        assert_eq!(found, expected, "{text}");
        for heading in &extracted.headings {
            let line: String = extracted.text.chars().skip(heading.start).collect();
            let word = heading.text.split(' ').next().unwrap();
            assert!(line.lines().next().unwrap().contains(word), "{line}");
        }
        extracted
    }

    #[test]
    fn headings_are_found_where_they_are() {
        let text = "é\n# One #\n##Two\n## Three ##\ntext\n\nFour\n====\n  Five *a* `b`\n---\n\
                    ####### Six\n### [Seven](http://a) b\n#\n    # code\n";
        let expected = [(1, "One"), (2, "Three"), (1, "Four"), (2, "Five a b"), (3, "Seven b")];
        assert_eq!(check(text, &expected).title.unwrap(), "One");
    }

    #[test]
    fn code_and_lists_have_none() {
        check("```sh\n# no\n~~~\n```\n# yes", &[(1, "yes")]);
        check("~~~~\n# no\n~~~\n# no\n~~~~~\n# yes", &[(1, "yes")]);
        check("- item\n---\n> quote\n===\n| a |\n---\nend\n\n---\n", &[]);
        check("```\n# no", &[]);
    }

    #[test]
    fn front_matter_names_the_document_and_is_no_text() {
        let extracted =
            check("---\ntags: [a]\ntitle: \"Wings: a # story\"\n---\n# One\n", &[(1, "One")]);
        assert_eq!(extracted.title.unwrap(), "Wings: a # story");
        assert_eq!(extracted.text, "# One");
        assert_eq!(check("+++\r\ntitle = 'x'\r\n+++\r\ny", &[]).title.unwrap(), "x");
        // A line across the page, and no end.
        assert_eq!(check("---\ntitle: x\n", &[(2, "title: x")][..0]).title, None);
    }
}
