//! The pieces that are never cut: sentences and lines, or parts of them where they are long.

use alula_llm::estimate_tokens;

/// No piece is longer, however long a run without spaces is.
const CHARS_MAX: usize = 1_000;

/// How well a text may be cut at a place, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// Within a word.
    Word,
    /// Between two words.
    Space,
    /// Between two sentences.
    Sentence,
    /// Between two lines.
    Line,
    /// Between two paragraphs.
    Paragraph,
    /// In front of a heading.
    Heading,
}

/// A piece of a text: some of its characters, with the white space behind them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom {
    /// Its first character, as bytes and as characters are counted.
    pub(super) start: usize,
    pub(super) start_char: usize,
    /// How many bytes and characters it has.
    pub(super) len: usize,
    pub(super) chars: usize,
    pub(super) tokens: u64,
    /// How well the text may be cut in front of it.
    pub(super) cut: Cut,
}

/// Cuts a text into pieces.
#[derive(Debug)]
pub(super) struct Atoms<'a> {
    rest: &'a str,
    start: usize,
    start_char: usize,
    cut: Cut,
    /// Where headings begin, in order, counted in characters.
    headings: Headings<'a>,
    /// How many tokens a piece has at most, and how many characters fit into that hereabouts.
    tokens_max: u64,
    fitting: usize,
}

/// Where the headings begin that are still to come.
#[derive(Debug)]
struct Headings<'a>(std::slice::Iter<'a, crate::Heading>);

impl Headings<'_> {
    /// The first that begins at a character or behind it.
    fn next_from(&mut self, char: usize) -> Option<usize> {
        while let Some(heading) = self.0.as_slice().first() {
            if heading.start >= char {
                return Some(heading.start);
            }
            self.0.next();
        }
        None
    }
}

impl<'a> Atoms<'a> {
    /// Pieces of at most so many tokens, unless a single character has more.
    pub(super) fn new(text: &'a str, headings: &'a [crate::Heading], tokens_max: u64) -> Self {
        let headings = Headings(headings.iter());
        Self {
            rest: text,
            start: 0,
            start_char: 0,
            cut: Cut::Paragraph,
            headings,
            tokens_max,
            fitting: CHARS_MAX,
        }
    }
}

impl Iterator for Atoms<'_> {
    type Item = Atom;

    fn next(&mut self) -> Option<Atom> {
        if self.rest.is_empty() {
            return None;
        }
        let heading = self.headings.next_from(self.start_char);
        let is_heading = heading == Some(self.start_char);
        let heading = self.headings.next_from(self.start_char + 1);
        let chars_max = heading.map_or(self.fitting, |at| (at - self.start_char).min(self.fitting));
        let mut piece = first_piece(self.rest, chars_max);
        let mut tokens = self.tokens(piece);
        self.fitting = (self.fitting * 2).min(CHARS_MAX);
        while tokens > self.tokens_max && piece.chars > 1 {
            self.fitting = piece.chars.div_ceil(2);
            piece = first_piece(self.rest, self.fitting);
            tokens = self.tokens(piece);
        }
        let atom = Atom {
            start: self.start,
            start_char: self.start_char,
            len: piece.len,
            chars: piece.chars,
            tokens,
            cut: if is_heading { Cut::Heading } else { self.cut },
        };
        self.rest = self.rest.get(piece.len..).unwrap_or_default();
        self.start += piece.len;
        self.start_char += piece.chars;
        self.cut = piece.end;
        Some(atom)
    }
}

impl Atoms<'_> {
    fn tokens(&self, piece: Piece) -> u64 {
        estimate_tokens(self.rest.get(..piece.len).unwrap_or_default())
    }
}

/// The beginning of a text, with how well it may be cut behind it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    len: usize,
    chars: usize,
    end: Cut,
}

/// The first sentence or line of a text, or as many words of it as fit.
fn first_piece(text: &str, chars_max: usize) -> Piece {
    let mut reader = Reader::default();
    let mut words = None;
    for (at, char) in text.char_indices() {
        if reader.chars == chars_max {
            return words.unwrap_or(Piece { len: at, chars: reader.chars, end: reader.cut() });
        }
        // White space belongs to what is in front of it.
        if !char.is_whitespace() && reader.chars > 0 {
            let here = Piece { len: at, chars: reader.chars, end: reader.cut_before(char) };
            match here.end {
                Cut::Word => {}
                Cut::Space => words = Some(here),
                _ => return here,
            }
        }
        reader.push(char);
    }
    Piece { len: text.len(), chars: reader.chars, end: reader.cut() }
}

/// What has been read of a piece, as far as it says how it may be cut.
#[derive(Debug, Default)]
struct Reader {
    chars: usize,
    /// Line ends in the white space that was read last.
    line_ends: usize,
    spaces: usize,
    /// Whether a sentence has ended in front of that white space.
    ended: bool,
    /// Whether it ended with a sign that needs no space behind it.
    ended_wide: bool,
}

impl Reader {
    fn push(&mut self, char: char) {
        self.chars += 1;
        match char {
            '\n' => (self.line_ends, self.spaces) = (self.line_ends + 1, self.spaces + 1),
            char if char.is_whitespace() => self.spaces += 1,
            _ => {
                (self.line_ends, self.spaces) = (0, 0);
                let closes = matches!(char, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』');
                self.ended_wide = matches!(char, '。' | '！' | '？') || closes && self.ended_wide;
                self.ended = matches!(char, '.' | '!' | '?' | '…')
                    || closes && self.ended
                    || self.ended_wide;
            }
        }
    }

    /// How well the text may be cut behind what was read.
    fn cut(&self) -> Cut {
        match (self.line_ends, self.spaces) {
            (2.., _) => Cut::Paragraph,
            (1, _) => Cut::Line,
            _ if self.ended_wide || self.ended && self.spaces > 0 => Cut::Sentence,
            (_, 1..) => Cut::Space,
            _ => Cut::Word,
        }
    }

    /// The same, if this follows. What goes on in lower case was an abbreviation, and a sign that
    /// closes belongs to the sentence.
    fn cut_before(&self, next: char) -> Cut {
        match self.cut() {
            Cut::Sentence if next.is_lowercase() && !self.ended_wide => Cut::Space,
            Cut::Sentence if self.spaces == 0 && !next.is_alphanumeric() => Cut::Word,
            cut => cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(&str, Cut)> {
        let atoms = Atoms::new(text, &[], 200);
        atoms.map(|atom| (&text[atom.start..][..atom.len], atom.cut)).collect()
    }

    #[test]
    fn sentences_and_lines_are_pieces() {
        let text = "One, e.g. this. \"Two!\" (Three?)\nFour\n\nFive";
        let expected = [
            ("One, e.g. this. ", Cut::Paragraph),
            ("\"Two!\" ", Cut::Sentence),
            ("(Three?)\n", Cut::Sentence),
            ("Four\n\n", Cut::Line),
            ("Five", Cut::Paragraph),
        ];
        assert_eq!(pieces(text), expected);
        let expected =
            [("はい。」", Cut::Paragraph), ("いいえ！", Cut::Sentence), ("x", Cut::Sentence)];
        assert_eq!(pieces("はい。」いいえ！x"), expected);
    }

    #[test]
    fn long_ones_are_cut_behind_a_word_if_there_is_one() {
        let text = format!("{} end", "abc ".repeat(300));
        let pieces = pieces(&text);
        let lengths: Vec<_> = pieces.iter().map(|(piece, cut)| (piece.len(), *cut)).collect();
        assert!(lengths.iter().all(|(length, _)| length % 4 == 0 || *length == 204), "{lengths:?}");
        assert!(lengths[1..].iter().all(|(_, cut)| *cut == Cut::Space), "{lengths:?}");
        let text = "a".repeat(2_500);
        assert_eq!(
            Atoms::new(&text, &[], u64::MAX).map(|it| it.len).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
    }
}
