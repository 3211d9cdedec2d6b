//! Where the body of an answer ends (RFC 9112, section 6).

use std::{mem, ops::Range};

use super::Error;

/// As many digits as fit into 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;
/// What may stand beside the sizes of all chunks of a body, in bytes.
const EXTENSION_BYTES_MAX: u32 = 16 << 10;
/// How many blanks may stand behind a size. Some servers write all sizes equally long.
const BLANKS_MAX: u16 = 256;
/// What may come after the last chunk, in bytes.
const TRAILER_BYTES_MAX: u32 = 16 << 10;

/// How a body is told from what comes after it, and how much of it is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are to come, at least one.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    /// What came is no body. Data before it have been given out.
    Bad(&'static str),
    /// All of it was there.
    End,
}

/// Where a body in chunks is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chunks {
    /// The size of the chunk as far as it is read, then what is to come of its data.
    left: u64,
    /// How many bytes of extensions, and then of trailers, there were.
    extra: u32,
    /// How many digits of the size there were.
    digits: u8,
    /// How many blanks there were behind them.
    blanks: u16,
    next: Next,
}

/// What the next byte is of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    #[default]
    Size,
    /// Blanks after the size.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The first of a trailer, or of the empty line that ends the body.
    Trailer,
    InTrailer,
    TrailerLf,
    EndLf,
    End,
}

impl Framing {
    pub(super) fn of_length(length: u64) -> Self {
        if length == 0 { Self::End } else { Self::Length(length) }
    }

    pub(super) fn is_end(&self) -> bool {
        *self == Self::End
    }

    /// How many bytes are data for sure, whatever they are.
    pub(super) fn data_left(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(Chunks { next: Next::Data, left, .. }) => *left,
            _ => 0,
        }
    }

    /// Reads on in the body. The data of several chunks are moved together, so that they are one
    /// piece: where they stand in `raw`, and how many bytes of `raw` are of this body.
    pub(super) fn decode(&mut self, raw: &mut [u8]) -> (Range<usize>, usize) {
        match self {
            Self::Length(_) => {
                let used = self.skip(raw.len());
                (0..used, used)
            }
            Self::Chunked(chunks) => match chunks.decode(raw) {
                Ok((data, used)) => {
                    if chunks.next == Next::End {
                        *self = Self::End;
                    }
                    (data, used)
                }
                Err((data, reason)) => {
                    let used = data.end;
                    *self = Self::Bad(reason);
                    (data, used)
                }
            },
            Self::UntilClose => (0..raw.len(), raw.len()),
            Self::Bad(_) | Self::End => (0..0, 0),
        }
    }

    /// So many bytes of [`data_left`](Self::data_left) have come, or fewer if these are too many.
    pub(super) fn skip(&mut self, bytes: usize) -> usize {
        let left = self.data_left();
        let bytes = usize::try_from(left).map_or(bytes, |left| left.min(bytes));
        let left = left - bytes as u64;
        match self {
            Self::Length(_) => *self = Self::of_length(left),
            Self::Chunked(chunks) => chunks.set_left(left),
            _ => {}
        }
        bytes
    }

    /// The connection has ended, which ends the body or cuts it off.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        match mem::replace(self, Self::End) {
            Self::UntilClose | Self::End => Ok(()),
            Self::Bad(reason) => Err(Error::Malformed(reason)),
            Self::Length(_) | Self::Chunked(_) => Err(Error::CutOff),
        }
    }
}

type Reason = &'static str;

impl Chunks {
    fn decode(&mut self, raw: &mut [u8]) -> Result<(Range<usize>, usize), (Range<usize>, Reason)> {
        let mut data = 0..0;
        let mut at = 0;
        while let Some(&byte) = raw.get(at) {
            if self.next == Next::Data {
                let there = raw.len() - at;
                let size = usize::try_from(self.left).map_or(there, |left| left.min(there));
                self.set_left(self.left - size as u64);
                if data.is_empty() {
                    data = at..at + size;
                } else {
                    raw.copy_within(at..at + size, data.end);
                    data.end += size;
                }
                at += size;
                continue;
            }
            at += 1;
            match self.step(byte) {
                Ok(next) => self.next = next,
                Err(reason) => return Err((data, reason)),
            }
            if self.next == Next::End {
                break;
            }
        }
        Ok((data, at))
    }

    fn set_left(&mut self, left: u64) {
        self.left = left;
        if left == 0 {
            self.next = Next::DataCr;
        }
    }

    /// Reads a byte that is no data. That lines end in CR and LF is insisted upon: who takes
    /// either alone reads another body than the next one in line.
    fn step(&mut self, byte: u8) -> Result<Next, Reason> {
        match (self.next, byte) {
            (Next::Size, _) => self.size(byte),
            (Next::Blank, b' ' | b'\t') => self.blank(),
            (Next::Blank, b';') => self.extension(Next::Extension),
            (Next::Blank | Next::Extension, b'\r') => Ok(Next::SizeLf),
            (Next::Blank, _) => Err("a chunk size is no number"),
            (Next::Extension, b'\n') => Err("a line feed stands alone in a chunk extension"),
            (Next::Extension, _) => self.extension(Next::Extension),
            (Next::SizeLf, b'\n') if self.left > 0 => Ok(Next::Data),
            (Next::SizeLf, b'\n') => {
                self.extra = 0;
                Ok(Next::Trailer)
            }
            (Next::DataCr, b'\r') => Ok(Next::DataLf),
            (Next::DataLf, b'\n') => {
                self.digits = 0;
                self.blanks = 0;
                Ok(Next::Size)
            }
            (Next::DataCr | Next::DataLf, _) => Err("a chunk is longer than its size"),
            (Next::Trailer, b'\r') => Ok(Next::EndLf),
            (Next::InTrailer, b'\r') => Ok(Next::TrailerLf),
            (Next::Trailer | Next::InTrailer, _) => self.trailer(),
            (Next::TrailerLf, b'\n') => Ok(Next::Trailer),
            (Next::EndLf, b'\n') => Ok(Next::End),
            (Next::SizeLf | Next::TrailerLf | Next::EndLf, _) => {
                Err("a line of the chunks does not end in CR and LF")
            }
            // These are not read byte by byte.
            (Next::Data | Next::End, _) => Ok(self.next),
        }
    }

    fn size(&mut self, byte: u8) -> Result<Next, Reason> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if self.digits == SIZE_DIGITS_MAX {
                return Err("a chunk size has too many digits");
            }
            self.digits += 1;
            // Before the first digit nothing is left of the chunk before.
            self.left = self.left << 4 | u64::from(digit);
            return Ok(Next::Size);
        }
        match byte {
            _ if self.digits == 0 => Err("a chunk has no size"),
            b'\r' => Ok(Next::SizeLf),
            b';' => self.extension(Next::Extension),
            b' ' | b'\t' => self.blank(),
            _ => Err("a chunk size is no number"),
        }
    }

    fn blank(&mut self) -> Result<Next, Reason> {
        self.blanks += 1;
        let fits = self.blanks <= BLANKS_MAX;
        if fits { Ok(Next::Blank) } else { Err("there are too many blanks behind a chunk size") }
    }

    fn extension(&mut self, next: Next) -> Result<Next, Reason> {
        self.extra += 1;
        let fits = self.extra <= EXTENSION_BYTES_MAX;
        if fits { Ok(next) } else { Err("the chunk extensions are too long") }
    }

    fn trailer(&mut self) -> Result<Next, Reason> {
        self.extra += 1;
        let fits = self.extra <= TRAILER_BYTES_MAX;
        if fits { Ok(Next::InTrailer) } else { Err("the trailers are too long") }
    }
}
