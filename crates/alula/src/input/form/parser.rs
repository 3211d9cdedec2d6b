//! An incremental parser of `multipart/form-data` bodies (RFC 7578, RFC 2046 section 5.1).
//!
//! It takes the body in pieces of any size and gives back slices of them, so the data of a part is
//! never copied here, and each byte is looked at a fixed number of times. What it keeps is the head
//! of one part, at most.
//!
//! It is stricter than RFC 2046 where leniency would let two readers see two forms: there is no
//! preamble, lines end in CRLF, and a line that begins with the boundary is a delimiter, which
//! nothing but blanks may follow.

use std::fmt;

use memchr::{memchr, memmem};

/// RFC 2046 section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// What comes next in a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A part begins: its headers, each line with its end.
    Head(&'a [u8]),
    /// More of the content of the part.
    Data(&'a [u8]),
    /// The part is complete.
    End,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    BoundaryMissing,
    BoundaryLength,
    BoundaryCharacter,
    Start,
    Delimiter,
    /// The head of a part is larger than the limit.
    HeadSize,
    Head,
    Truncated,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BoundaryMissing => "Missing boundary in multipart.",
            Self::BoundaryLength => {
                "Invalid multipart data: the boundary is not 1 to 70 characters"
            }
            Self::BoundaryCharacter => {
                "Invalid multipart data: the boundary has a character that none may have"
            }
            Self::Start => "Invalid multipart data: the body does not begin with the boundary",
            Self::Delimiter => {
                "Invalid multipart data: the boundary is followed by something else than a new line"
            }
            Self::HeadSize => "Invalid multipart data: the head of a part is too large",
            Self::Head => "Invalid multipart data: the head of a part cannot be read",
            Self::Truncated => "Invalid multipart data: the body ends before its last boundary",
        })
    }
}

/// A body on its way through.
#[derive(Debug)]
pub(crate) struct Parser {
    /// CRLF, two hyphens and the boundary. CR is nowhere else in it, so a mismatch anywhere means
    /// that none of the bytes before can begin another one.
    delimiter: Box<[u8]>,
    finder: memmem::Finder<'static>,
    state: State,
    /// The head of the part that begins; empty in all other states.
    head: Vec<u8>,
    head_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but line ends came.
    Start,
    /// This much of the first delimiter came.
    FirstDelimiter(usize),
    /// The delimiter came; the next byte says what it is.
    Delimited,
    /// A hyphen came after it.
    Closing,
    /// Blanks came after it.
    Padding,
    /// CR came after it.
    LineEnd,
    Head,
    /// The head was given out.
    HeadGiven,
    /// This much of a delimiter came, which may still be data.
    Data(usize),
    /// The last delimiter came. What follows means nothing.
    Done,
}

impl Parser {
    /// A parser of bodies with this boundary.
    pub(crate) fn new(boundary: &[u8], head_bytes_max: usize) -> Result<Self, Malformed> {
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
            return Err(Malformed::BoundaryLength);
        }
        // Wider than RFC 2046, as clients are; what matters is that no line can end inside.
        if !boundary.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(Malformed::BoundaryCharacter);
        }
        let delimiter = [b"\r\n--", boundary].concat().into_boxed_slice();
        let finder = memmem::Finder::new(&delimiter).into_owned();
        Ok(Self { delimiter, finder, state: State::Start, head: Vec::new(), head_bytes_max })
    }

    /// The next event, and `input` without what was used up; `None` when all of it was.
    pub(crate) fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'a>>, Malformed> {
        loop {
            match self.state {
                State::Head => {
                    if self.take_head(input)? {
                        self.state = State::HeadGiven;
                        return Ok(Some(Event::Head(&self.head)));
                    }
                    return Ok(None);
                }
                State::HeadGiven => {
                    self.head.clear();
                    self.state = State::Data(0);
                }
                State::Data(matched) => match self.data(matched, input) {
                    Step::Again => {}
                    Step::Starved => return Ok(None),
                    Step::End => return Ok(Some(Event::End)),
                    Step::Held(held) => {
                        return Ok(self.delimiter.get(..held).map(Event::Data));
                    }
                    Step::Data(data) => return Ok(Some(Event::Data(data))),
                },
                State::Done => {
                    *input = &[];
                    return Ok(None);
                }
                between => {
                    let Some((byte, rest)) = input.split_first() else { return Ok(None) };
                    self.state = self.between(between, *byte)?;
                    // The byte that begins the first delimiter is looked at again.
                    if (between, self.state) != (State::Start, State::FirstDelimiter(2)) {
                        *input = rest;
                    }
                }
            }
        }
    }

    /// The body ends here.
    ///
    /// A body of nothing is a form without parts.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        match self.state {
            State::Start | State::Done => Ok(()),
            _ => Err(Malformed::Truncated),
        }
    }

    /// One byte outside of parts.
    fn between(&mut self, state: State, byte: u8) -> Result<State, Malformed> {
        match (state, byte) {
            (State::Start, b'\r' | b'\n') => Ok(State::Start),
            // As if the line end before it had come.
            (State::Start, _) => Ok(State::FirstDelimiter(2)),
            (State::FirstDelimiter(matched), _) => {
                if self.delimiter.get(matched) != Some(&byte) {
                    return Err(Malformed::Start);
                }
                Ok(match matched + 1 == self.delimiter.len() {
                    true => State::Delimited,
                    false => State::FirstDelimiter(matched + 1),
                })
            }
            (State::Delimited, b'-') => Ok(State::Closing),
            (State::Closing, b'-') => Ok(State::Done),
            (State::Delimited | State::Padding, b' ' | b'\t') => Ok(State::Padding),
            (State::Delimited | State::Padding, b'\r') => Ok(State::LineEnd),
            (State::LineEnd, b'\n') => Ok(State::Head),
            _ => Err(Malformed::Delimiter),
        }
    }

    /// Whether the head of a part is complete, an empty line included.
    fn take_head(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        while !input.is_empty() {
            let end = memchr(b'\n', input).map_or(input.len(), |at| at + 1);
            let Some((line, rest)) = input.split_at_checked(end) else { break };
            if self.head.len() + line.len() > self.head_bytes_max {
                return Err(Malformed::HeadSize);
            }
            self.head.extend_from_slice(line);
            *input = rest;
            if self.head.ends_with(HEAD_END) || self.head == b"\r\n" {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One step through the content of a part, of which `matched` bytes of a delimiter came.
    fn data<'a>(&mut self, matched: usize, input: &mut &'a [u8]) -> Step<'a> {
        if matched > 0 {
            return self.partial(matched, input);
        }
        let (data, next) = match self.finder.find(input) {
            // The delimiter goes the way of one that comes in two pieces.
            Some(at) => (at, self.delimiter.len()),
            None => {
                let held = self.partial_at_end(input);
                (input.len() - held, held)
            }
        };
        let Some((data, rest)) = input.split_at_checked(data) else { return Step::Starved };
        let Some(rest) = rest.get(next..) else { return Step::Starved };
        *input = rest;
        self.state = State::Data(next);
        match (data.is_empty(), next) {
            (false, _) => Step::Data(data),
            (true, 0) => Step::Starved,
            (true, _) => Step::Again,
        }
    }

    /// A delimiter that began in an earlier piece of the body.
    fn partial<'a>(&mut self, matched: usize, input: &mut &'a [u8]) -> Step<'a> {
        let missing = self.delimiter.get(matched..).unwrap_or_default();
        if missing.is_empty() {
            self.state = State::Delimited;
            return Step::End;
        }
        let same = missing.iter().zip(*input).take_while(|(one, other)| one == other).count();
        *input = input.get(same..).unwrap_or_default();
        let matched = matched + same;
        self.state = State::Data(matched);
        if same == missing.len() {
            return Step::Again;
        }
        if input.is_empty() {
            return Step::Starved;
        }
        self.state = State::Data(0);
        Step::Held(matched)
    }

    /// How many bytes at the end of `input` may begin a delimiter.
    fn partial_at_end(&self, input: &[u8]) -> usize {
        let tail = input.len().saturating_sub(self.delimiter.len() - 1);
        let tail = input.get(tail..).unwrap_or_default();
        let begins =
            |at: &usize| tail.get(*at..).is_some_and(|end| self.delimiter.starts_with(end));
        // A delimiter has one CR, so only the last CR can begin one that is cut off here.
        memchr::memrchr(b'\r', tail).filter(begins).map_or(0, |at| tail.len() - at)
    }
}

/// What a look at the content of a part came to.
enum Step<'a> {
    /// The state has changed.
    Again,
    /// There is no more input.
    Starved,
    Data(&'a [u8]),
    /// This much of the delimiter was data after all.
    Held(usize),
    End,
}
