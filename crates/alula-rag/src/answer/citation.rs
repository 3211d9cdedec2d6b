//! What an answer cites.

use std::sync::Arc;

use super::{NOT_IN_DOCUMENTS, Passage};

/// The longest mark that may be one of a citation, in bytes.
const MARK_BYTES_MAX: usize = 48;
/// How many passages `[1-9]` may mean.
const RANGE_MAX: u32 = 16;

/// A passage that an answer cites, at a place of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Citation {
    /// What is cited.
    pub passage: Arc<Passage>,
    /// The character of the answer at which the mark of it, such as `[1]`, begins.
    pub at: usize,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// A mark of citations as the model has written it, such as `[1]`. With the text it is the
    /// answer.
    Mark(String),
    /// What the mark before it means.
    Citation(Citation),
}

/// What is known of an answer at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answered {
    /// The last piece of text, if something was held back.
    pub rest: Option<String>,
    /// All that was cited, in the order of the answer.
    pub citations: Vec<Citation>,
    /// Whether the model found an answer in the passages.
    pub is_in_documents: bool,
}

/// Reads citations out of an answer while it comes.
///
/// ```
/// # use alula_rag::answer::{CitationReader, Piece};
/// let mut reader = CitationReader::new(&[]);
/// let mut pieces = reader.push("No such passage [");
/// pieces.extend(reader.push("7]."));
/// let text: String = pieces.iter().map(|piece| match piece {
///     Piece::Text(text) | Piece::Mark(text) => text.as_str(),
///     Piece::Citation(_) => "",
/// }).collect();
/// assert_eq!(text, "No such passage [7].");
/// ```
#[derive(Debug, Clone)]
pub struct CitationReader {
    passages: Vec<Arc<Passage>>,
    /// What may be the beginning of a mark.
    held: String,
    code: Code,
    /// How many characters there were, without those that are held.
    chars: usize,
    /// The answer, as long as it may be that there is none.
    beginning: Option<String>,
    citations: Vec<Citation>,
}

impl CitationReader {
    /// Reads an answer from these passages.
    pub fn new(passages: &[Passage]) -> Self {
        Self {
            passages: passages.iter().cloned().map(Arc::new).collect(),
            held: String::new(),
            code: Code::default(),
            chars: 0,
            beginning: Some(String::new()),
            citations: Vec::new(),
        }
    }

    /// Reads the next part of the answer, wherever it is split. What may be the beginning of a mark
    /// is held back until it is known what it is. In code, between backticks, brackets cite nothing.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let (mut pieces, mut plain) = (Vec::new(), Plain::default());
        for char in text.chars() {
            self.watch(char);
            self.code.read(char);
            let is_held = !self.held.is_empty();
            match char {
                '[' if !self.code.is_open() => {
                    plain.push_str(&std::mem::take(&mut self.held));
                    self.held.push(char);
                }
                ']' if is_held => {
                    self.held.push(char);
                    let mark = std::mem::take(&mut self.held);
                    self.read(mark, &mut plain, &mut pieces);
                }
                _ if is_held && is_of_mark(char) && self.held.len() < MARK_BYTES_MAX => {
                    self.held.push(char);
                }
                _ => {
                    plain.push_str(&std::mem::take(&mut self.held));
                    plain.push(char);
                }
            }
        }
        self.flush(&mut plain, &mut pieces);
        pieces
    }

    /// Ends the answer.
    pub fn finish(self) -> Answered {
        let says_no = self.beginning.is_some_and(|answer| is_no(&answer));
        Answered {
            rest: (!self.held.is_empty()).then_some(self.held),
            is_in_documents: !(says_no && self.citations.is_empty()),
            citations: self.citations,
        }
    }

    /// A whole mark, or what looks like one.
    fn read(&mut self, mark: String, plain: &mut Plain, pieces: &mut Vec<Piece>) {
        let numbers = numbers(&mark);
        let found: Vec<_> = numbers.iter().filter_map(|number| self.passage(*number)).collect();
        if found.is_empty() {
            plain.push_str(&mark);
            return;
        }
        self.flush(plain, pieces);
        let at = self.chars;
        self.chars += mark.chars().count();
        pieces.push(Piece::Mark(mark));
        for passage in found {
            let citation = Citation { passage, at };
            self.citations.push(citation.clone());
            pieces.push(Piece::Citation(citation));
        }
    }

    fn passage(&self, number: u32) -> Option<Arc<Passage>> {
        self.passages.iter().find(|it| it.number == number).cloned()
    }

    fn flush(&mut self, plain: &mut Plain, pieces: &mut Vec<Piece>) {
        let Plain { text, chars } = std::mem::take(plain);
        if chars > 0 {
            self.chars += chars;
            pieces.push(Piece::Text(text));
        }
    }

    /// Keeps the beginning as long as it may be all.
    fn watch(&mut self, char: char) {
        if let Some(beginning) = &mut self.beginning {
            beginning.push(char);
            if beginning.len() > NOT_IN_DOCUMENTS.len() + 16 {
                self.beginning = None;
            }
        }
    }
}

/// Text that is known to be no mark, or a whole one.
#[derive(Debug, Default)]
struct Plain {
    text: String,
    chars: usize,
}

impl Plain {
    fn push(&mut self, char: char) {
        self.text.push(char);
        self.chars += 1;
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
        self.chars += text.chars().count();
    }
}

/// Where an answer is code, as Markdown has it.
#[derive(Debug, Clone, Default)]
struct Code {
    open: Option<Fence>,
    /// The signs that were read last.
    run: Option<Fence>,
    /// Whether there was something else in the line before.
    is_within_line: bool,
}

/// Signs that begin or end code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fence {
    sign: char,
    count: usize,
    /// Whether it stands at the beginning of a line, so that it may be about lines.
    is_first: bool,
}

impl Fence {
    fn is_block(self) -> bool {
        self.is_first && self.count >= 3
    }

    fn ends(self, open: Self) -> bool {
        self.sign == open.sign
            && if open.is_block() {
                self.is_block() && self.count >= open.count
            } else {
                self.count == open.count
            }
    }
}

impl Code {
    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn read(&mut self, char: char) {
        let is_first = !self.is_within_line;
        match &mut self.run {
            Some(run) if run.sign == char => run.count += 1,
            _ => {
                self.end_run();
                if char == '`' || char == '~' && is_first {
                    self.run = Some(Fence { sign: char, count: 1, is_first });
                }
            }
        }
        if char == '\n' {
            // A backtick by itself is no code; it shall not make the rest of the answer any.
            self.open = self.open.filter(|open| open.is_block());
        }
        self.is_within_line = char != '\n' && (self.is_within_line || !char.is_whitespace());
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        match self.open {
            None if run.is_block() || run.sign == '`' => self.open = Some(run),
            Some(open) if run.ends(open) => self.open = None,
            _ => {}
        }
    }
}

fn is_no(answer: &str) -> bool {
    let plain = |text: &str| text.trim_matches(|char: char| !char.is_alphanumeric()).to_lowercase();
    plain(answer) == plain(NOT_IN_DOCUMENTS)
}

pub(super) fn is_of_mark(char: char) -> bool {
    char.is_ascii_digit() || matches!(char, ' ' | ',' | ';' | '-' | '–')
}

/// The numbers in a mark such as `[1, 3-5]`; none if it is not one.
fn numbers(mark: &str) -> Vec<u32> {
    let inner = mark.trim_start_matches('[').trim_end_matches(']');
    let mut numbers = Vec::new();
    for part in inner.split([',', ';']) {
        let (first, last) = part.split_once(['-', '–']).unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>())
        else {
            return Vec::new();
        };
        if last < first || last - first >= RANGE_MAX {
            return Vec::new();
        }
        numbers
            .extend((first..=last).filter(|number| !numbers.contains(number)).collect::<Vec<_>>());
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::passage::tests::hit, *};
    use crate::answer::{PassageLimits, passages};

    fn reader(count: u32) -> CitationReader {
        let hits: Vec<_> = (0..count).map(|n| hit(&format!("d{n}"), 0, 0, "text")).collect();
        CitationReader::new(&passages(&hits, &PassageLimits::default()))
    }

    /// The text and the cited numbers of an answer that comes in these parts.
    fn read(parts: &[&str]) -> (String, Vec<(u32, usize)>) {
        let mut reader = reader(9);
        let (mut text, mut cited) = (String::new(), Vec::new());
        for piece in parts.iter().flat_map(|part| reader.push(part)) {
            match piece {
                Piece::Text(more) | Piece::Mark(more) => text += &more,
                Piece::Citation(it) => cited.push((it.passage.number, it.at)),
            }
        }
        let answered = reader.finish();
        text += answered.rest.as_deref().unwrap_or_default();
        assert_eq!(answered.citations.len(), cited.len());
        (text, cited)
    }

    #[test]
    fn marks_of_all_kinds() {
        for (answer, cited) in [
            ("A [1].", vec![(1, 2)]),
            ("[1][2]", vec![(1, 0), (2, 3)]),
            ("é [2, 3; 3]", vec![(2, 2), (3, 2)]),
            ("[1-3] and [ 4 – 5 ]", vec![(1, 0), (2, 0), (3, 0), (4, 10), (5, 10)]),
            ("[[1]]", vec![(1, 1)]),
            ("[10] [0] [x] [1 [] [,] [1-999999] [3-1] [99999999999]", vec![]),
            ("[2", vec![]),
        ] {
            assert_eq!(read(&[answer]), (answer.to_owned(), cited), "{answer}");
        }
    }

    #[test]
    fn code_cites_nothing() {
        for (answer, cited) in [
            ("`a[1]` and [2]", vec![(2, 11)]),
            ("``a`[1]`` [2]", vec![(2, 10)]),
            ("```rust\nlet x = a[1];\n``` \n[2]", vec![(2, 27)]),
            ("  ~~~\n[1]\n```\n[1]\n~~~~\n[2]", vec![(2, 23)]),
            ("a ~~~ b [1]", vec![(1, 8)]),
            ("a lonely ` is none [1]\nbut here it is [2]", vec![(2, 38)]),
            ("```\nno end [1]", vec![]),
        ] {
            assert_eq!(read(&[answer]), (answer.to_owned(), cited), "{answer}");
        }
    }

    #[test]
    fn marks_without_end_take_no_time() {
        let answer = "[0]".repeat(300_000);
        let started = std::time::Instant::now();
        assert_eq!(read(&[&answer]).1, []);
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }

    #[test]
    fn the_plain_no_is_told_from_an_answer() {
        let is_in = |answer: &str| {
            let mut reader = reader(1);
            reader.push(answer);
            reader.finish().is_in_documents
        };
        assert!(!is_in("The documents do not say.") && !is_in(" **the documents do not say**\n"));
        assert!(is_in("The documents do not say. [1]"));
        assert!(is_in("The documents do not say when, but they say where."));
        assert!(is_in(""));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_it_is_split(
            answer in "([a\\[\\]é ,`\n]|\\[[1-9]\\]|```|[0-9-]){0,30}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let chars: Vec<char> = answer.chars().collect();
            let mut places: Vec<usize> = cuts.iter().map(|it| it.index(chars.len() + 1)).collect();
            places.extend([0, chars.len()]);
            places.sort_unstable();
            let parts: Vec<String> =
                places.windows(2).map(|it| chars[it[0]..it[1]].iter().collect()).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(read(&parts), read(&[&answer]));
            prop_assert_eq!(read(&parts).0, answer);
        }
    }
}
