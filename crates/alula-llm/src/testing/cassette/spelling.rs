//! Texts in the ways in which JSON and URLs spell them.

use std::ops::Range;

/// What stands at the beginning of some bytes.
pub(super) struct Unit {
    meaning: [u8; 4],
    meaning_length: usize,
    /// How many bytes it is written with.
    length: usize,
}

impl Unit {
    fn byte(byte: u8, length: usize) -> Self {
        Self { meaning: [byte, 0, 0, 0], meaning_length: 1, length }
    }

    fn char(char: char, length: usize) -> Self {
        let mut meaning = [0; 4];
        let meaning_length = char.encode_utf8(&mut meaning).len();
        Self { meaning, meaning_length, length }
    }

    fn meaning(&self) -> &[u8] {
        self.meaning.get(..self.meaning_length).unwrap_or_default()
    }
}

/// A way to read what comes next; `None` at the end.
pub(super) type Read = fn(&[u8]) -> Option<Unit>;

/// Every byte means itself.
pub(super) fn plain(text: &[u8]) -> Option<Unit> {
    text.first().map(|byte| Unit::byte(*byte, 1))
}

/// As in paths and queries.
pub(super) fn percent(text: &[u8]) -> Option<Unit> {
    match text {
        [b'+', ..] => Some(Unit::byte(b' ', 1)),
        [b'%', digits @ ..] => match hex(digits, 2).and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => Some(Unit::byte(byte, 3)),
            None => plain(text),
        },
        _ => plain(text),
    }
}

/// As within the quotes of a JSON string, which end it.
pub(super) fn json(text: &[u8]) -> Option<Unit> {
    let escaped = match text {
        [b'"', ..] => return None,
        [b'\\', escaped, ..] => *escaped,
        _ => return plain(text),
    };
    let byte = match escaped {
        b'"' | b'\\' | b'/' => escaped,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode(text).or_else(|| plain(text)),
        _ => return plain(text),
    };
    Some(Unit::byte(byte, 2))
}

/// `\u` and four digits, or two of them for one character.
fn unicode(text: &[u8]) -> Option<Unit> {
    const LENGTH: usize = 6;
    let code = |at: usize| hex(text.get(at..)?.strip_prefix(b"\\u")?, 4);
    let first = code(0)?;
    if let Some(char) = char::from_u32(first) {
        return Some(Unit::char(char, LENGTH));
    }
    let pair = code(LENGTH).map(|second| [first, second].map(|it| u16::try_from(it).ok()));
    let pair = pair.and_then(|[first, second]| {
        char::decode_utf16([first?, second?]).next().and_then(Result::ok)
    });
    Some(match pair {
        Some(char) => Unit::char(char, 2 * LENGTH),
        None => Unit::char(char::REPLACEMENT_CHARACTER, LENGTH),
    })
}

fn hex(text: &[u8], count: usize) -> Option<u32> {
    let digits = text.get(..count)?.iter();
    digits.map(|digit| char::from(*digit).to_digit(16)).try_fold(0, |all, it| Some(all * 16 + it?))
}

/// Adds where any of the values stands within these bytes, however it is spelled. Places begin
/// between the units of the first way to read; the longest value counts.
pub(super) fn find(
    text: &[u8],
    within: Range<usize>,
    values: &[String],
    ways: &[Read],
    places: &mut Vec<Range<usize>>,
) {
    let Range { start: mut at, end } = within;
    while let Some(rest) = text.get(at..end)
        && let Some(unit) = ways.first().and_then(|read| read(rest))
    {
        let read = values.iter().flat_map(|value| ways.iter().map(move |read| (value, read)));
        let found = read.filter_map(|(value, read)| begins(rest, value.as_bytes(), *read)).max();
        if let Some(length) = found {
            places.push(at..at + length);
        }
        at += found.unwrap_or(unit.length);
    }
}

/// How many bytes spell the value at the beginning of a text, if it begins with it.
fn begins(text: &[u8], mut value: &[u8], read: Read) -> Option<usize> {
    let mut length = 0;
    while !value.is_empty() {
        let unit = read(text.get(length..)?)?;
        value = value.strip_prefix(unit.meaning())?;
        length += unit.length;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ways: &[Read], text: &str, value: &str, expected: &[&str]) {
        let mut places = Vec::new();
        find(text.as_bytes(), 0..text.len(), &[value.to_owned()], ways, &mut places);
        let found: Vec<_> = places.into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, expected, "{value:?} in {text:?}");
    }

    #[test]
    fn a_value_is_found_however_json_spells_it() {
        let ways: &[Read] = &[json];
        check(ways, r"k=1\u003d, k\u003D1, k\u003d1", "k=1", &["k=1", r"k\u003D1", r"k\u003d1"]);
        check(ways, r"é \u00e9 \u00E9", "é", &["é", r"\u00e9", r"\u00E9"]);
        check(ways, r"😀 \ud83d\ude00 \ud83d", "😀", &["😀", r"\ud83d\ude00"]);
        check(ways, r#"a\"b\/c\n"#, "a\"b/c\n", &[r#"a\"b\/c\n"#]);
        // Neither the letter of an escape nor what comes after the end of the string.
        check(ways, r#"\n\\n" n"#, "n", &["n"]);
        check(ways, r#"a","b"#, "a\",\"b", &[]);
        for odd in [r"\", r"\u12", r"\x", r"\ud83d\u12"] {
            check(ways, odd, "never", &[]);
        }
    }

    #[test]
    fn a_value_is_found_however_a_url_spells_it() {
        let ways: &[Read] = &[percent, plain];
        check(ways, "a=b%3d+1&c=b%3D%201&d=b=+1", "b= 1", &["b%3d+1", "b%3D%201", "b=+1"]);
        check(ways, "a+b %zz 1+%", "a+b", &["a+b"]);
        check(ways, "%25 25", "25", &["25"]);
    }
}
