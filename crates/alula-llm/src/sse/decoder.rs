use std::{mem, time::Duration};

/// One thing that a server sent.
///
/// ```
/// use alula_llm::sse::{Decoder, Frame};
///
/// let mut decoder = Decoder::new(1024);
/// decoder.push(": keep-alive\n\ndata: hello\n\n");
/// let mut heard = Vec::new();
/// while let Some(frame) = decoder.next()? {
///     heard.push(match frame {
///         Frame::Event(event) => event.data,
///         Frame::Comment(_) => continue, // the server is alive, and has nothing to say
///     });
/// }
/// assert_eq!(heard, ["hello"]);
/// # Ok::<(), alula_llm::sse::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An event.
    Event(Event),
    /// A comment line, without its colon: what servers send to keep a connection open.
    Comment(String),
}

/// An event: the lines up to a blank one.
///
/// ```
/// use alula_llm::sse::{Decoder, Frame};
///
/// let mut decoder = Decoder::new(1024);
/// decoder.push("event: delta\nid: 7\ndata: one\ndata: two\n\n");
/// let Some(Frame::Event(event)) = decoder.next()? else { panic!("no event") };
/// assert_eq!((event.event.as_str(), event.id.as_deref()), ("delta", Some("7")));
/// assert_eq!(event.data, "one\ntwo");
/// # Ok::<(), alula_llm::sse::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The type; empty when the server named none, which stands for `message`.
    pub event: String,
    /// The `data` lines, joined by line feeds.
    pub data: String,
    /// The `id` that this event set.
    pub id: Option<String>,
}

/// Why bytes are not a stream of events.
///
/// ```
/// use alula_llm::sse::{Decoder, Error};
///
/// let mut decoder = Decoder::new(1024);
/// decoder.push("data: hel");
/// assert_eq!(decoder.next(), Ok(None)); // more may come,
/// assert_eq!(decoder.finish(), Err(Error::Truncated)); // but does not
///
/// let mut decoder = Decoder::new(8);
/// decoder.push("data: hello\n\n");
/// assert_eq!(decoder.next(), Err(Error::TooLong { limit: 8 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line or an event is longer than the limit.
    #[error("a server-sent event is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The text is not UTF-8.
    #[error("a server-sent event is not valid UTF-8")]
    InvalidUtf8,
    /// The bytes ended inside an event, which is therefore discarded.
    #[error("the stream ended inside a server-sent event")]
    Truncated,
}

/// An incremental decoder of `text/event-stream`.
///
/// Where the bytes are split makes no difference, be it inside a character or between CR and LF.
/// After an error the decoder only repeats it.
///
/// ```
/// use alula_llm::sse::Decoder;
///
/// let mut decoder = Decoder::new(1024);
/// for piece in [&b"data: caf\xC3"[..], b"\xA9\r", b"\nid: 1\r\n\r\n"] {
///     decoder.push(piece);
/// }
/// assert!(decoder.next()?.is_some());
/// assert_eq!(decoder.raw(), b"data: caf\xC3\xA9\r\nid: 1\r\n\r\n");
/// assert_eq!(decoder.last_event_id(), "1");
/// # Ok::<(), alula_llm::sse::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// Bytes not yet turned into lines; those before `start` are used up, and those before
    /// `raw_end` are of frames that were given out, the last of which begins at `raw_start`.
    buffer: Vec<u8>,
    start: usize,
    raw_start: usize,
    raw_end: usize,
    /// Bytes from `start` that are known to hold no line end.
    scanned: usize,
    /// The last line ended in CR, so that an LF right after it belongs to that line end.
    after_cr: bool,
    /// 1 when the raw bytes of this frame begin with an LF that belongs to the frame before.
    late_lf: usize,
    /// Nothing has been read, so that a byte order mark may come.
    at_beginning: bool,
    data: Vec<u8>,
    has_data: bool,
    event: String,
    id: Option<String>,
    last_event_id: String,
    retry: Option<Duration>,
    failed: Option<Error>,
}

impl Decoder {
    /// A decoder that refuses lines and events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            start: 0,
            raw_start: 0,
            raw_end: 0,
            scanned: 0,
            after_cr: false,
            late_lf: 0,
            at_beginning: true,
            data: Vec::new(),
            has_data: false,
            event: String::new(),
            id: None,
            last_event_id: String::new(),
            retry: None,
            failed: None,
        }
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) {
        if self.raw_end > 0 {
            self.buffer.drain(..self.raw_end);
            self.start -= self.raw_end;
            self.raw_start = 0;
            self.raw_end = 0;
        }
        self.buffer.extend_from_slice(bytes.as_ref());
    }

    /// The bytes of the frame that [`next`](Self::next) has just returned, its end included, as
    /// they came.
    pub fn raw(&self) -> &[u8] {
        self.buffer.get(self.raw_start..self.raw_end).unwrap_or_default()
    }

    /// The next frame, or `None` until more bytes are pushed.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] and [`Error::InvalidUtf8`]; neither can be recovered from.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: `None` is not the end")]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance().inspect_err(|error| self.failed = Some(*error))
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when an event was begun and not ended; the rules discard it.
    pub fn finish(&self) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let pending = self.buffer.len() > self.start || self.has_data;
        if pending { Err(Error::Truncated) } else { Ok(()) }
    }

    /// The id of the last whole event that had one, to send as `Last-Event-ID`.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long the server asks clients to wait before they connect again.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn advance(&mut self) -> Result<Option<Frame>, Error> {
        if !self.skip_byte_order_mark() {
            return Ok(None);
        }
        while let Some((start, end)) = self.next_line()? {
            // Lines are parsed in place: the buffer is lent out and given back.
            let buffer = mem::take(&mut self.buffer);
            let frame = self.line(buffer.get(start..end).unwrap_or_default());
            self.buffer = buffer;
            self.mark_raw(end)?;
            if let Some(frame) = frame? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Notes where the bytes of a frame end, whose last line ends at `end`. Those of a comment
    /// inside an event are the event's, and those of an event without data are nobody's.
    fn mark_raw(&mut self, end: usize) -> Result<(), Error> {
        self.raw_start = self.raw_end;
        if self.has_data || self.id.is_some() || !self.event.is_empty() {
            // With its comments and the names of its fields it may be longer than its data. An LF
            // that belongs to a CR may still be on its way, here or before the frame: neither
            // counts.
            return self.check((end - self.raw_end - self.late_lf) / 2);
        }
        self.raw_end = self.start;
        self.late_lf = 0;
        Ok(())
    }

    /// Whether enough bytes are there to know if the stream begins with a mark.
    fn skip_byte_order_mark(&mut self) -> bool {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if !self.at_beginning {
            return true;
        }
        if self.buffer.starts_with(MARK) {
            self.start = MARK.len();
        } else if MARK.starts_with(&self.buffer) {
            return false;
        }
        self.at_beginning = false;
        true
    }

    /// The bounds of the next whole line in the buffer, without its end.
    fn next_line(&mut self) -> Result<Option<(usize, usize)>, Error> {
        if self.after_cr && self.start < self.buffer.len() {
            self.after_cr = false;
            if self.buffer.get(self.start) == Some(&b'\n') {
                if self.start == self.raw_end {
                    self.late_lf = 1;
                }
                self.start += 1;
            }
        }
        let unread = self.buffer.get(self.start..).unwrap_or_default();
        let unscanned = unread.get(self.scanned..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'\n', b'\r', unscanned) else {
            self.scanned = unread.len();
            return self.check(unread.len()).map(|()| None);
        };
        let length = self.scanned + found;
        self.check(length)?;
        let (start, end) = (self.start, self.start + length);
        let after = unscanned.get(found..).unwrap_or_default();
        self.after_cr = after == b"\r";
        self.start = end + if after.starts_with(b"\r\n") { 2 } else { 1 };
        self.scanned = 0;
        Ok(Some((start, end)))
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Frame>, Error> {
        let Some(colon) = memchr::memchr(b':', line) else {
            if line.is_empty() {
                return self.dispatch();
            }
            return self.field(line, b"").map(|()| None);
        };
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if name.is_empty() {
            return Ok(Some(Frame::Comment(text(value)?.to_owned())));
        }
        self.field(name, value).map(|()| None)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        match name {
            b"data" => {
                self.check(self.data.len() + value.len() + 1)?;
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => text(value)?.clone_into(&mut self.event),
            b"id" if !value.contains(&0) => {
                self.id = Some(text(value)?.to_owned());
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = text(value)?.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Result<Option<Frame>, Error> {
        let event = mem::take(&mut self.event);
        let id = self.id.take();
        // An event without data still counts: servers send such to move the id on.
        if let Some(id) = &id {
            id.clone_into(&mut self.last_event_id);
        }
        if !mem::take(&mut self.has_data) {
            return Ok(None);
        }
        let data = String::from_utf8(mem::take(&mut self.data)).map_err(|_| Error::InvalidUtf8)?;
        Ok(Some(Frame::Event(Event { event, data, id })))
    }

    fn check(&self, length: usize) -> Result<(), Error> {
        if length > self.limit { Err(Error::TooLong { limit: self.limit }) } else { Ok(()) }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::InvalidUtf8)
}

#[cfg(test)]
mod tests;
