//! Words: what a text is found by.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::Span;

/// How many bytes of a word count.
const WORD_BYTES_MAX: usize = 64;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<'t> {
    /// Where it stands.
    pub span: Span,
    /// It in lower case, without accents: words that are the same by this are the same.
    pub folded: Cow<'t, str>,
}

/// The words of a text that is to be found, in their order.
///
/// A word is a run of letters and digits. Scripts that do not set words apart, such as Chinese, give
/// each letter, and each two that follow each other.
///
/// ```
/// use alula_rag::search::words;
///
/// let folded: Vec<_> = words("Les Étés, 2026: 鳥類").map(|word| word.folded).collect();
/// assert_eq!(folded, ["les", "etes", "2026", "鳥", "鳥類", "類"]);
/// ```
pub fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let all = Runs { text, at: 0, char: 0 }.flat_map(|run| Words { run, next: 0, pair: false });
    // Of an accent on its own nothing is left.
    all.filter(|word| !word.folded.is_empty())
}

/// The words that a question is searched by: each once, without those that are in all questions.
///
/// A question of nothing but such words keeps them.
///
/// ```
/// use alula_rag::search::query_words;
///
/// assert_eq!(query_words("What is an alula? 鳥類"), ["alula", "鳥類"]);
/// assert_eq!(query_words("who is"), ["who", "is"]);
/// ```
pub fn query_words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for run in (Runs { text, at: 0, char: 0 }) {
        // Pairs say more than the letters they are of.
        let has_pairs = run.is_unspaced && run.chars > 1;
        let words = Words { run, next: 0, pair: false }.filter(|word| !word.folded.is_empty());
        for word in words.filter(|word| !has_pairs || word.span.end - word.span.start > 1) {
            if !all.iter().any(|it| *it == word.folded) {
                all.push(word.folded.into_owned());
            }
        }
    }
    let telling: Vec<String> = all.iter().filter(|it| !is_stop_word(it)).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

/// Words that say nothing of what an English question is about.
fn is_stop_word(word: &str) -> bool {
    const STOP: &[&str] = &[
        "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
        "could", "did", "do", "does", "for", "from", "had", "has", "have", "how", "i", "if", "in",
        "into", "is", "it", "its", "me", "my", "of", "on", "or", "our", "s", "shall", "should",
        "so", "t", "than", "that", "the", "their", "them", "then", "there", "these", "they",
        "this", "those", "to", "was", "we", "were", "what", "when", "where", "which", "who",
        "whom", "whose", "why", "will", "with", "would", "you", "your",
    ];
    STOP.binary_search(&word).is_ok()
}

/// Letters and digits that stand together, of one kind of script.
#[derive(Debug, Clone, Copy)]
struct Run<'t> {
    text: &'t str,
    /// Its first character.
    start: usize,
    chars: usize,
    is_unspaced: bool,
}

#[derive(Debug)]
struct Runs<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
    /// In characters.
    char: usize,
}

impl<'t> Iterator for Runs<'t> {
    type Item = Run<'t>;

    fn next(&mut self) -> Option<Run<'t>> {
        let rest = self.text.get(self.at..)?;
        let mut chars = rest.char_indices().skip_while(|(_, char)| {
            let is_between = !char.is_alphanumeric();
            self.char += usize::from(is_between);
            is_between
        });
        let (from, first) = chars.next()?;
        let is_unspaced = is_unspaced(first);
        let (mut to, mut count) = (from + first.len_utf8(), 1);
        for (at, char) in chars {
            let goes_on = is_combining_mark(char)
                || (char.is_alphanumeric() && self::is_unspaced(char) == is_unspaced);
            if !goes_on {
                break;
            }
            (to, count) = (at + char.len_utf8(), count + 1);
        }
        let run = Run { text: rest.get(from..to)?, start: self.char, chars: count, is_unspaced };
        self.at += to;
        self.char += count;
        Some(run)
    }
}

/// The words of a run: it itself, or of an unspaced one each letter and each pair.
#[derive(Debug)]
struct Words<'t> {
    run: Run<'t>,
    next: usize,
    /// The pair that begins at the letter comes next.
    pair: bool,
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        let Run { text, start, chars, is_unspaced } = self.run;
        if self.next >= chars {
            return None;
        }
        if !is_unspaced {
            self.next = chars;
            let span = Span { start, end: start + chars };
            return Some(Word { span, folded: fold(text) });
        }
        let length = 1 + usize::from(self.pair);
        let mut indices = text.char_indices().skip(self.next).map(|(at, _)| at);
        let from = indices.next()?;
        let to = indices.nth(length - 1).unwrap_or(text.len());
        let span = Span { start: start + self.next, end: start + self.next + length };
        let has_pair = self.next + 1 < chars;
        if self.pair || !has_pair {
            self.next += 1;
            self.pair = false;
        } else {
            self.pair = true;
        }
        Some(Word { span, folded: fold(text.get(from..to)?) })
    }
}

/// Lower case, without accents, and not longer than it needs to be.
fn fold(word: &str) -> Cow<'_, str> {
    let word = shortened(word);
    if word.is_ascii() {
        let is_lower = !word.bytes().any(|byte| byte.is_ascii_uppercase());
        return if is_lower { word.into() } else { word.to_ascii_lowercase().into() };
    }
    let is_accent = |char: &char| ('\u{300}'..='\u{36f}').contains(char);
    let plain = word.nfkd().filter(|char| !is_accent(char)).flat_map(char::to_lowercase);
    // Composed again, as letters of Korean are taken apart too.
    let is_of_word = |char: &char| char.is_alphanumeric() || is_combining_mark(*char);
    let folded: String = plain.nfc().filter(is_of_word).collect();
    shortened(&folded).to_owned().into()
}

fn shortened(word: &str) -> &str {
    let end = word.floor_char_boundary(WORD_BYTES_MAX);
    word.get(..end).unwrap_or(word)
}

/// Whether a letter is of a script that does not set words apart.
fn is_unspaced(char: char) -> bool {
    matches!(char,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{2e80}'..='\u{31ff}' // radicals, Kana, Bopomofo
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{ac00}'..='\u{d7af}' // Hangul, whose endings are part of the word
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).map(|word| word.folded.into_owned()).collect()
    }

    #[test]
    fn the_same_word_is_the_same_however_it_is_written() {
        assert_eq!(folded("Été e\u{301}te\u{301} ETE"), ["ete", "ete", "ete"]);
        assert_eq!(
            folded("snake_case kebab-case don't C3PO"),
            ["snake", "case", "kebab", "case", "don", "t", "c3po"]
        );
        assert_eq!(folded("ﬁn ＡＢＣ ⑴ x½"), ["fin", "abc", "1", "x12"]);
        assert_eq!(folded(""), [""; 0]);
        assert_eq!(folded("… !"), [""; 0]);
        assert_eq!(folded("한국어"), ["한", "한국", "국", "국어", "어"]);
    }

    #[test]
    fn stop_words_are_in_order() {
        for word in ["a", "your", "with", "they", "i", "t", "s", "from", "whom"] {
            assert!(is_stop_word(word), "{word}");
        }
        assert!(!is_stop_word("alula"));
    }

    #[test]
    fn long_words_are_cut_alike() {
        let long = "é".repeat(100);
        assert_eq!(folded(&long), [folded(&format!("{long}x"))[0].clone()]);
    }

    proptest! {
        #[test]
        fn spans_are_where_the_words_are(text in "\\PC{0,40}") {
            let chars: Vec<char> = text.chars().collect();
            let mut last = 0;
            for word in words(&text) {
                prop_assert!(word.span.start >= last && word.span.end <= chars.len());
                let there: String = chars[word.span.start..word.span.end].iter().collect();
                prop_assert_eq!(&fold(&there), &word.folded);
                prop_assert!(word.folded.chars().all(|it| it.is_alphanumeric() || is_combining_mark(it)));
                last = word.span.start;
            }
        }
    }
}
