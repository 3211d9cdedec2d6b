//! How many tokens a text has, about, without a tokenizer.

/// The longest text that is looked at whole; of a longer one pieces all over it are, and no more
/// bytes than this.
const BYTES_MAX: usize = 64 << 10;
const PIECES: usize = 16;

/// Thousandths of a token.
type Mille = u64;

const TOKEN: Mille = 1_000;

/// About how many tokens a text has.
///
/// It is read as words, numbers and signs, which is how tokenizers cut texts before they join
/// what they know. The figures for each script are those of `o200k_base`.
pub(super) fn tokens(text: &str) -> u64 {
    if text.len() <= BYTES_MAX {
        return mille(text).div_ceil(TOKEN);
    }
    let piece = BYTES_MAX / PIECES;
    let stride = text.len() / PIECES;
    let (mut seen, mut sum) = (0_u64, 0);
    for index in 0..PIECES {
        let from = text.floor_char_boundary(index * stride);
        let to = text.floor_char_boundary(index * stride + piece);
        let piece = text.get(from..to).unwrap_or_default();
        seen += piece.len() as u64;
        sum += mille(piece);
    }
    scaled(sum, text.len() as u64, seen.max(1)).div_ceil(TOKEN)
}

/// `count` times `over` to `of`.
pub(super) fn scaled(count: u64, over: u64, of: u64) -> u64 {
    let product = u128::from(count) * u128::from(over) / u128::from(of);
    u64::try_from(product).unwrap_or(u64::MAX)
}

fn mille(text: &str) -> Mille {
    let mut sum = 0;
    let mut run = Run::Space(0);
    let mut was_lower = false;
    for char in text.chars() {
        let next = Run::of(char);
        // `camelCase` is two words.
        let begins_word = was_lower && char.is_ascii_uppercase();
        was_lower = char.is_ascii_lowercase();
        run = match (run, next) {
            (Run::Word(length), Run::Word(more)) if !begins_word => Run::Word(length + more),
            (Run::Digits(length), Run::Digits(_)) => Run::Digits(length + 1),
            (Run::Signs(length), Run::Signs(_)) => Run::Signs(length + 1),
            (Run::Space(length), Run::Space(_)) => Run::Space(length + 1),
            (before, next) => {
                sum += before.mille();
                next
            }
        };
    }
    sum + run.mille()
}

/// Characters that tokenizers keep together, with how many they are.
#[derive(Clone, Copy)]
enum Run {
    /// Letters of a script with spaces between the words.
    Word(u64),
    Digits(u64),
    Signs(u64),
    Space(u64),
    /// A character by itself, with what it costs.
    Char(Mille),
}

impl Run {
    fn of(char: char) -> Self {
        match char {
            'a'..='z' | 'A'..='Z' => Self::Word(1),
            '0'..='9' => Self::Digits(1),
            ' ' | '\t' | '\n' | '\r' => Self::Space(1),
            '\0'..='\x7f' => Self::Signs(1),
            // Latin with accents, and the scripts of Europe: their words have more tokens.
            '\u{c0}'..='\u{24f}' => Self::Word(2),
            '\u{370}'..='\u{58f}' => Self::Char(TOKEN * 28 / 100),
            // Hebrew, Arabic and the scripts of India and its neighbors.
            '\u{590}'..='\u{8ff}' => Self::Char(TOKEN * 36 / 100),
            '\u{900}'..='\u{dff}' => Self::Char(TOKEN * 32 / 100),
            // Thai and its neighbors, which write no spaces.
            '\u{e00}'..='\u{10ff}' => Self::Char(TOKEN * 42 / 100),
            // Kana, Han and Hangul.
            '\u{3040}'..='\u{30ff}' => Self::Char(TOKEN * 70 / 100),
            '\u{3400}'..='\u{9fff}' => Self::Char(TOKEN * 75 / 100),
            '\u{ac00}'..='\u{d7af}' => Self::Char(TOKEN * 65 / 100),
            // Emoji, and signs of which there are many.
            '\u{10000}'.. => Self::Char(TOKEN * 2),
            _ => Self::Char(TOKEN),
        }
    }

    fn mille(self) -> Mille {
        match self {
            // A space belongs to the word behind it.
            Self::Space(0 | 1) => 0,
            Self::Space(_) => TOKEN * 60 / 100,
            Self::Word(length) => TOKEN + length.saturating_sub(4) * 60,
            Self::Digits(length) => length.div_ceil(3) * TOKEN,
            Self::Signs(length) => TOKEN + length.saturating_sub(2) * 200,
            Self::Char(mille) => mille,
        }
    }
}
