//! JSON that is gone through without being read: what is found is where its values stand.

use std::ops::Range;

/// A place in a text that is to be JSON. What goes on from it is nothing where the text is none.
///
/// As with serde, text within strings need not be UTF-8 where nobody reads it.
#[derive(Debug)]
pub(super) struct Cursor<'j> {
    json: &'j [u8],
    at: usize,
    grows: bool,
}

/// How many digits a number may have that is written anew as it is.
const DIGITS_MAX: usize = 19;

/// Goes through the fields of an object, which must be all there is. `field` gets the name of each,
/// and must go behind its value.
pub(super) fn object<'j>(
    json: &'j [u8],
    field: impl FnMut(&mut Cursor<'j>, &[u8]) -> Option<()>,
) -> Option<()> {
    let mut cursor = Cursor { json, at: 0, grows: false };
    cursor.object(field)?;
    cursor.skip_space();
    (cursor.at == json.len()).then_some(())
}

impl<'j> Cursor<'j> {
    /// The first byte of what comes next, which says what it is.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.json.get(self.at).copied()
    }

    /// What stands there.
    pub(super) fn text(&self, at: Range<usize>) -> &'j [u8] {
        self.json.get(at).unwrap_or_default()
    }

    /// Whether there was a number so far that takes more bytes where it is written anew: `1e15` may
    /// become `1000000000000000.0`.
    pub(super) fn grows(&self) -> bool {
        self.grows
    }

    /// Goes behind a value, and returns where it stands.
    pub(super) fn value(&mut self) -> Option<Range<usize>> {
        self.skip_space();
        let start = self.at;
        self.skip()?;
        Some(start..self.at)
    }

    /// Goes behind an object.
    pub(super) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &[u8]) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            let name = self.name()?;
            if memchr::memchr(b'\\', name).is_none() {
                field(self, name)?;
            } else {
                let quoted = [b"\"", name, b"\""].concat();
                let name: String = serde_json::from_slice(&quoted).ok()?;
                field(self, name.as_bytes())?;
            }
            if self.peek()? != b',' {
                return self.take(b'}');
            }
            self.at += 1;
        }
    }

    /// Goes behind an array.
    pub(super) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            item(self)?;
            if self.peek()? != b',' {
                return self.take(b']');
            }
            self.at += 1;
        }
    }

    /// Goes behind a value, however deep it is.
    pub(super) fn skip(&mut self) -> Option<()> {
        let mut ends = Vec::new();
        loop {
            match self.peek()? {
                b'"' => self.string().map(drop)?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                begin @ (b'[' | b'{') => {
                    self.at += 1;
                    // Their ends stand two places behind their beginnings in ASCII.
                    let end = begin + 2;
                    if self.peek()? != end {
                        ends.push(end);
                        if begin == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                _ => self.number()?,
            }
            while let Some(end) = ends.last().copied() {
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if end == b'}' {
                            self.name()?;
                        }
                        break;
                    }
                    byte if byte == end => {
                        self.at += 1;
                        ends.pop();
                    }
                    _ => return None,
                }
            }
            if ends.is_empty() {
                return Some(());
            }
        }
    }

    /// The name of a field as it is written, without its quotes and the colon behind it.
    fn name(&mut self) -> Option<&'j [u8]> {
        self.skip_space();
        let string = self.string()?;
        self.take(b':')?;
        self.json.get(string.start + 1..string.end - 1)
    }

    fn string(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            let stop = stop(self.json, self.at)?;
            match self.json.get(self.at..stop)?.last() {
                Some(b'\\') => {
                    let backslash = stop - 1;
                    self.at = backslash + escape(self.json.get(backslash..)?)?;
                    // A text that is all escapes would be gone through window by window.
                    while self.json.get(self.at) == Some(&b'\\') {
                        self.at += escape(self.json.get(self.at..)?)?;
                    }
                }
                _ if self.json.get(stop) == Some(&b'"') => {
                    self.at = stop + 1;
                    return Some(start..self.at);
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.json.get(self.at) == Some(&b'-') {
            self.at += 1;
            // As a number with a sign, zero is none of the whole ones.
            self.grows |= self.json.get(self.at) == Some(&b'0');
        }
        match self.json.get(self.at)? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.json.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.json.get(self.at) {
            self.at += 1;
            self.grows = true;
            if let Some(b'+' | b'-') = self.json.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.grows |= self.at - start > DIGITS_MAX;
        Some(())
    }

    /// Goes behind digits, of which there must be one.
    fn digits(&mut self) -> Option<()> {
        let rest = self.json.get(self.at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.json.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.json.get(self.at) {
            self.at += 1;
        }
    }
}

/// How long the escape is that a backslash begins.
fn escape(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' if text.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}

/// Where a string that goes on at `from` ends or needs a closer look: at its quote, at a control, or
/// at what stands behind a backslash and is not one of its most frequent escapes. These are passed
/// over many bytes at a time, since prompts are full of them.
fn stop(json: &[u8], from: usize) -> Option<usize> {
    // Whatever stands before it, the first byte is not escaped.
    if let b'"' | ..b' ' = json.get(from)? {
        return Some(from);
    }
    let mut begin = from;
    loop {
        let rest = json.get(begin..)?;
        let stops = match rest.first_chunk() {
            Some(window) => stops_in(window),
            None if rest.len() < 2 => return None,
            None => {
                let mut window = [b' '; WINDOW];
                window.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
                stops_in(&window)
            }
        };
        if stops != 0 {
            return Some(begin + 1 + stops.trailing_zeros() as usize);
        }
        begin += WINDOW - 1;
    }
}

/// How many bytes are looked at at a time, with the one before them.
const WINDOW: usize = 1 + 64;

/// Where to stop in a window, a bit for each byte but the first. It is written so that the compiler
/// makes vectors of it.
fn stops_in(window: &[u8; WINDOW]) -> u64 {
    /// Brings the lowest bits of the bytes of a word together in its highest byte.
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    let ([befores @ .., _], [_, bytes @ ..]) = (window, window);
    let mut is_stop = [0; WINDOW - 1];
    for ((is_stop, before), byte) in is_stop.iter_mut().zip(befores).zip(bytes) {
        let is_quote = *byte == b'"';
        let is_frequent = is_quote | (*byte == b'n') | (*byte == b't');
        let ends = if *before == b'\\' { !is_frequent } else { is_quote };
        *is_stop = u8::from((*byte < b' ') | ends);
    }
    let (words, _) = is_stop.as_chunks();
    if words.iter().fold(0, |any, word| any | u64::from_le_bytes(*word)) == 0 {
        return 0;
    }
    let mut stops = [0; 8];
    for (stops, word) in stops.iter_mut().zip(words) {
        let [.., together] = u64::from_le_bytes(*word).wrapping_mul(TOGETHER).to_le_bytes();
        *stops = together;
    }
    u64::from_le_bytes(stops)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn is_object(json: &[u8]) -> bool {
        object(json, |cursor, _| cursor.skip()).is_some()
    }

    fn is_object_for_serde(json: &[u8]) -> bool {
        type Fields = std::collections::HashMap<String, IgnoredAny>;
        serde_json::from_slice::<Fields>(json).is_ok()
    }

    #[test]
    fn what_is_an_object_is_what_serde_takes_for_one() {
        for json in [
            "",
            "{",
            "{}",
            " {\t}\r\n",
            "{},",
            "{}{}",
            "[]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":[1,]}",
            "{\"a\":[,1]}",
            "{\"a\":[1 2]}",
            "{\"a\":[1}]",
            "{\"a\":{\"b\":[{}]}}",
            "{\"a\":{\"b\":[{]}}}",
            "{\"a\":{\"b\" 1}}",
            "{\"a\":tru}",
            "{\"a\":true,\"b\":false,\"c\":null}",
            "{\"a\":truefalse}",
            "{\"a\":-}",
            "{\"a\":-0.5e+10}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":+1}",
            "{\"a\":\"\\u00e9\\n\\/\"}",
            "{\"a\":\"\\u00g0\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\u{1}2345678\"}",
            "{\"a\":\"12345678\u{1f}\"}",
            "{\"\\u0061\":\"12345678\\\"12345678é12345678\"}",
            "{\"\\ud800\":1}",
        ] {
            assert_eq!(is_object(json.as_bytes()), is_object_for_serde(json.as_bytes()), "{json}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(is_object(deep.as_bytes()));
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let json = br#" { "a" : [1, {"b": "]"}] , "\u0062":"x", "c":-1.5e3}"#;
        let mut found = Vec::new();
        object(json, |cursor, name| {
            let at = cursor.value()?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(name), text(cursor.text(at))));
            Some(())
        });
        let expected = [("a", r#"[1, {"b": "]"}]"#), ("b", r#""x""#), ("c", "-1.5e3")];
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn strings_end_where_they_end_for_serde_wherever_that_is() {
        let pieces = [
            "\"", "\\", "\\\\", "\\n", "\\t", "\\\"", "\\/", "\\u00e9", "\\x", "\n", "é", "\u{1f}",
        ];
        for before in 0..=2 * WINDOW {
            for (piece, next) in pieces.iter().flat_map(|it| pieces.map(|next| (it, next))) {
                for behind in [0, 3, WINDOW] {
                    let text =
                        ["a".repeat(before), "a".repeat(behind)].join(&format!("{piece}{next}"));
                    let json = format!("{{\"a\":\"{text}\"}}");
                    let is_one = is_object(json.as_bytes());
                    assert_eq!(is_one, is_object_for_serde(json.as_bytes()), "{json}");
                }
            }
        }
        let json = format!("{{\"a\":\"{}\\u00e9\\\\\\n\"}}", "a".repeat(WINDOW));
        for length in 0..json.len() {
            assert!(!is_object(&json.as_bytes()[..length]), "{length}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_taken_otherwise_than_by_serde(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\\", "a", "1", "-", "0", ".", "e", " ",
                "true", "null", "\"a\"", "\"a\":", "{\"a\":", "\\u00e9", "\n", "abcdefgh",
            ]), 0..24),
        ) {
            let json = format!("{{\"a\":{}}}", tokens.concat());
            prop_assert_eq!(is_object(json.as_bytes()), is_object_for_serde(json.as_bytes()));
        }
    }
}
