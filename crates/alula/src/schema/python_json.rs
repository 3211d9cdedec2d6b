//! Where and why Python's `json` module refuses a text, as its C scanner of 3.11 says it.
//!
//! FastAPI repeats that message, so clients know it. The scanner below follows the `_json.c`
//! of Python step by step, without recursion.

/// The first error of a text that is not JSON to Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) message: &'static str,
    /// In bytes from the start of the text, always at a character.
    pub(super) at: usize,
}

/// Finds the first error; `None` when Python reads the text, which includes `NaN`, lone
/// surrogates and any depth.
pub(super) fn first_error(text: &str) -> Option<SyntaxError> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0, open: Vec::new() };
    scanner.skip_space();
    scanner.document().err()
}

#[derive(Clone, Copy)]
enum Container {
    List,
    Object,
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// The containers around the current place, innermost last.
    open: Vec<Container>,
}

type Scanned = Result<(), SyntaxError>;

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, message: &'static str) -> SyntaxError {
        SyntaxError { message, at: self.at }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Scanned {
        loop {
            if self.value_starts_container()? {
                continue;
            }
            if self.close_containers()? {
                return Ok(());
            }
        }
    }

    /// Reads a value, or the start of a container up to its first value, which is then next.
    fn value_starts_container(&mut self) -> Result<bool, SyntaxError> {
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.skip_space();
                if self.peek() != Some(b'}') {
                    self.open.push(Container::Object);
                    self.key()?;
                    return Ok(true);
                }
                self.at += 1;
            }
            Some(b'[') => {
                self.at += 1;
                self.skip_space();
                if self.peek() != Some(b']') {
                    self.open.push(Container::List);
                    return Ok(true);
                }
                self.at += 1;
            }
            Some(b'"') => self.string()?,
            _ => self.word_or_number()?,
        }
        Ok(false)
    }

    /// Reads what may follow a value; true at the end of the text, false before another value.
    fn close_containers(&mut self) -> Result<bool, SyntaxError> {
        loop {
            self.skip_space();
            let Some(container) = self.open.last().copied() else {
                return if self.peek().is_none() {
                    Ok(true)
                } else {
                    Err(self.error("Extra data"))
                };
            };
            let close = match container {
                Container::List => b']',
                Container::Object => b'}',
            };
            match self.peek() {
                Some(byte) if byte == close => {
                    self.at += 1;
                    self.open.pop();
                }
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    if matches!(container, Container::Object) {
                        self.key()?;
                    }
                    return Ok(false);
                }
                _ => return Err(self.error("Expecting ',' delimiter")),
            }
        }
    }

    /// Reads a property name and its colon.
    fn key(&mut self) -> Scanned {
        if self.peek() != Some(b'"') {
            return Err(self.error("Expecting property name enclosed in double quotes"));
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("Expecting ':' delimiter"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Scanned {
        let begin = self.at;
        let unterminated = SyntaxError { message: "Unterminated string starting at", at: begin };
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(unterminated),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(..=0x1f) => return Err(self.error("Invalid control character at")),
                Some(b'\\') => self.escape(unterminated)?,
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, unterminated: SyntaxError) -> Scanned {
        match self.bytes.get(self.at + 1) {
            None => Err(unterminated),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let unit = self.unicode_escape()?;
                let is_high = (0xd800..0xdc00).contains(&unit);
                if is_high && self.rest().starts_with("\\u") && self.has_chars(7) {
                    let before = self.at;
                    let unit = self.unicode_escape()?;
                    if !(0xdc00..0xe000).contains(&unit) {
                        self.at = before;
                    }
                }
                Ok(())
            }
            Some(_) => Err(self.error("Invalid \\escape")),
        }
    }

    /// Reads `\u` and four digits; the last digit may not end the text.
    fn unicode_escape(&mut self) -> Result<u32, SyntaxError> {
        let error = SyntaxError { message: "Invalid \\uXXXX escape", at: self.at + 1 };
        if !self.has_chars(7) {
            return Err(error);
        }
        let digits = self.bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + char::from(*digit).to_digit(16).ok_or(error)?;
        }
        self.at += 6;
        Ok(unit)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn has_chars(&self, count: usize) -> bool {
        self.rest().chars().take(count).count() == count
    }

    fn word_or_number(&mut self) -> Scanned {
        const WORDS: [&str; 6] = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];
        if let Some(word) = WORDS.iter().find(|word| self.rest().starts_with(**word)) {
            self.at += word.len();
            return Ok(());
        }
        self.number()
    }

    fn number(&mut self) -> Scanned {
        let error = self.error("Expecting value");
        let mut at = self.at;
        let digit = |at: usize| self.bytes.get(at).is_some_and(u8::is_ascii_digit);
        let byte = |at: usize| self.bytes.get(at).copied();
        if byte(at) == Some(b'-') {
            at += 1;
        }
        if !digit(at) {
            return Err(error);
        }
        if byte(at) == Some(b'0') {
            at += 1;
        } else {
            while digit(at) {
                at += 1;
            }
        }
        if byte(at) == Some(b'.') && digit(at + 1) {
            at += 1;
            while digit(at) {
                at += 1;
            }
        }
        if matches!(byte(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(byte(at + 1), Some(b'+' | b'-')));
            let mut end = at + 1 + sign;
            if digit(end) {
                while digit(end) {
                    end += 1;
                }
                at = end;
            }
        }
        self.at = at;
        Ok(())
    }
}
