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
        let rest = self.json.get(self.at..)?;
        let mut escaped = 0;
        for at in Special::new(rest) {
            if at < escaped {
                continue;
            }
            match rest.get(at)? {
                b'"' => {
                    self.at += at + 1;
                    return Some(start..self.at);
                }
                b'\\' => escaped = at + escape(rest.get(at..)?)?,
                _ => return None,
            }
        }
        None
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

/// How many bytes are looked at at a time.
const BLOCK: usize = 64;

/// The places of what may not stand in a string as it is: its end, escapes and controls. In prompts
/// they are so frequent that a search for the next one costs more than to mark all of a block.
struct Special<'j> {
    text: &'j [u8],
    /// Where the block begins that is marked next.
    next: usize,
    /// The places in the block before it that are left, a bit for each.
    marks: u64,
}

impl<'j> Special<'j> {
    fn new(text: &'j [u8]) -> Self {
        Self { text, next: 0, marks: 0 }
    }
}

impl Iterator for Special<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.marks == 0 {
            let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
            self.marks = match rest.first_chunk() {
                Some(block) => marks(block),
                None => {
                    let mut block = [b' '; BLOCK];
                    block.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
                    marks(&block)
                }
            };
            self.next += BLOCK;
        }
        let at = self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(self.next - BLOCK + at)
    }
}

/// The places in a block of what may not stand in a string as it is, a bit for each. It is written
/// so that the compiler makes vectors of it.
fn marks(block: &[u8; BLOCK]) -> u64 {
    /// Brings the lowest bits of the bytes of a word together in its highest byte.
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    let are_special = block.map(|byte| u8::from((byte < b' ') | (byte == b'"') | (byte == b'\\')));
    let mut marks = [0; BLOCK / 8];
    for (marks, word) in marks.iter_mut().zip(are_special.as_chunks().0) {
        let [.., together] = u64::from_le_bytes(*word).wrapping_mul(TOGETHER).to_le_bytes();
        *marks = together;
    }
    u64::from_le_bytes(marks)
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
    fn what_is_special_is_found_wherever_it_stands() {
        for length in 0..=2 * BLOCK + 1 {
            for at in 0..length {
                for special in [b'"', b'\\', 0, b'\n', 0x1f] {
                    let mut text = vec![b'a'; length];
                    text[at] = special;
                    let last = length - 1;
                    text[last] = special;
                    let expected = if at == last { vec![at] } else { vec![at, last] };
                    assert_eq!(Special::new(&text).collect::<Vec<_>>(), expected);
                }
            }
        }
        let others: Vec<u8> =
            (b' '..=u8::MAX).filter(|byte| !matches!(byte, b'"' | b'\\')).collect();
        assert_eq!(Special::new(&others).next(), None);
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
