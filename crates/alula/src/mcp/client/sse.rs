//! The events of an answer that is a stream: only their data matters.

use bytes::Bytes;

use super::ClientError;

/// Takes bytes as they come, and gives the data of each event.
#[derive(Debug)]
pub(super) struct Decoder {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_cr: bool,
    bytes_max: usize,
}

impl Decoder {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), data: None, after_cr: false, bytes_max }
    }

    /// The data of the events that these bytes complete.
    ///
    /// # Errors
    ///
    /// If an event is too large.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Bytes>, ClientError> {
        let mut events = Vec::new();
        while let Some(&first) = bytes.first() {
            // The second half of an end of a line.
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.line.extend_from_slice(part);
            let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
            if held > self.bytes_max {
                return Err(ClientError::TooLarge(self.bytes_max));
            }
            let Some((mark, rest)) = rest.split_first() else { break };
            self.after_cr = *mark == b'\r';
            events.extend(self.end_line());
            bytes = rest;
        }
        Ok(events)
    }

    /// Takes in a line, which may be the end of an event.
    fn end_line(&mut self) -> Option<Bytes> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take().filter(|data| !data.is_empty()).map(Bytes::from);
        }
        // A mark of the byte order may stand before all.
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line);
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hi\r\nevent: message\r\ndata: {\"a\":\r\ndata:1}\r\n\r\nid: 7\n\
                          data:\n\ndata: b\r\rretry: 5\n\ndata: left";

    #[test]
    fn events_are_the_same_however_their_bytes_are_split() {
        for size in 1..STREAM.len() {
            let mut decoder = Decoder::new(100);
            let chunks = STREAM.as_bytes().chunks(size);
            let events: Vec<Bytes> = chunks.flat_map(|it| decoder.push(it).unwrap()).collect();
            assert_eq!(events, ["{\"a\":\n1}", "b"], "{size}");
        }
    }

    #[test]
    fn an_event_has_a_limit() {
        let mut decoder = Decoder::new(10);
        assert!(decoder.push(b"data: 1234\n\ndata: 5678\n\n").is_ok());
        assert_eq!(decoder.push(b"data: 12345"), Err(ClientError::TooLarge(10)));
        let mut decoder = Decoder::new(16);
        assert_eq!(decoder.push(b"data: 12345\ndata: 123456"), Err(ClientError::TooLarge(16)));
    }
}
