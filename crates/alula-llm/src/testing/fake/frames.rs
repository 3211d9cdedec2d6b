//! The bytes of an answer, and what can be wrong with them.

use std::slice;

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

use super::Fault;

/// The body of an answer: one frame, or those of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frames {
    list: Vec<Frame>,
    stream: bool,
}

/// Bytes that are sent at once: in a stream, the events that the protocol makes of one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    bytes: Vec<u8>,
    /// Whether it is a piece of the answer, and not its beginning or its end.
    piece: bool,
}

const PAGE: &str = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>";
const COMMENT: &str = ": still here\n\n";
const NO_JSON: &str = "{so: sorry";

impl Frames {
    /// A stream, empty for now.
    pub(super) fn stream() -> Self {
        Self { list: Vec::new(), stream: true }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self::whole(body.to_string().into())
    }

    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        Self { list: vec![Frame { bytes, piece: true }], stream: false }
    }

    /// Adds server-sent events, unless there are none.
    pub(super) fn push(&mut self, bytes: Vec<u8>, piece: bool) {
        if !bytes.is_empty() {
            self.list.push(Frame { bytes, piece });
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.stream
    }

    pub(super) fn bytes(&self) -> usize {
        self.list.iter().map(|frame| frame.bytes.len()).sum()
    }

    /// Spoils the bytes in the way of these faults.
    pub(super) fn spoil(&mut self, faults: &[Fault]) {
        faults.iter().for_each(|fault| self.spoil_one(fault));
        if self.stream && faults.contains(&Fault::CrLf) {
            // The others look for events by their line ends.
            self.edit_lines();
        }
    }

    fn spoil_one(&mut self, fault: &Fault) {
        match fault {
            Fault::CloseAfter(pieces) | Fault::ResetAfter(pieces) | Fault::StallAfter(pieces) => {
                self.keep(*pieces);
            }
            Fault::Html => self.replace(PAGE),
            Fault::NotEvents => self.replace("Hello\nworld\n"),
            Fault::Empty | Fault::Redirect(_) => self.list.clear(),
            Fault::NotJson if self.stream => {
                self.edit_first(|event| *event = format!("data: {NO_JSON}\n\n").into());
            }
            Fault::NotJson => self.replace(NO_JSON),
            Fault::NotUtf8 => self.edit_first(|event| {
                let place = memchr::memchr(b'{', event).unwrap_or_default();
                event.insert(place + 1, 0xff);
            }),
            Fault::Truncated => {
                self.keep(1);
                if self.stream {
                    self.edit_first(|event| event.truncate(event.len() / 2));
                }
            }
            Fault::Duplicate if self.stream => {
                self.edit_first(|event| event.extend_from_within(..));
            }
            Fault::Comments if self.stream => {
                for frame in &mut self.list {
                    frame.bytes.splice(..0, COMMENT.bytes());
                }
            }
            _ => {}
        }
    }

    fn edit_lines(&mut self) {
        for frame in &mut self.list {
            let bytes = frame.bytes.iter().flat_map(|byte| match byte {
                b'\n' => b"\r\n",
                other => slice::from_ref(other),
            });
            frame.bytes = bytes.copied().collect();
        }
    }

    fn replace(&mut self, text: &str) {
        self.list = vec![Frame { bytes: text.into(), piece: true }];
    }

    /// Keeps what comes until the end of so many pieces; of an answer in one piece, half of it.
    fn keep(&mut self, pieces: usize) {
        let ends = self.list.iter().enumerate().filter(|(_, frame)| frame.piece);
        let end = pieces.checked_sub(1).map(|last| ends.map(|(index, _)| index).nth(last));
        match end {
            None => self.list.clear(),
            Some(end) => self.list.truncate(end.map_or(usize::MAX, |index| index + 1)),
        }
        if !self.stream {
            for frame in &mut self.list {
                frame.bytes.truncate(frame.bytes.len() / 2);
            }
        }
    }

    /// Edits the last event of the first piece, or the whole answer.
    fn edit_first(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        let Some(frame) = self.list.iter_mut().find(|frame| frame.piece) else { return };
        let start = frame.bytes.len() - last_event(&frame.bytes).len();
        let mut event = frame.bytes.split_off(start);
        edit(&mut event);
        frame.bytes.append(&mut event);
    }

    /// The bytes in the chunks in which they are sent.
    pub(super) fn chunks(self, faults: &[Fault]) -> Vec<Bytes> {
        let ends: Vec<usize> = self
            .list
            .iter()
            .scan(0, |end, frame| {
                *end += frame.bytes.len();
                Some(*end)
            })
            .collect();
        let bytes: Bytes = self.list.into_iter().flat_map(|frame| frame.bytes).collect();
        let has = |fault| faults.contains(&fault);
        let drips = faults.iter().any(|fault| matches!(fault, Fault::Drip(_)));
        let cuts: Vec<usize> = if drips || has(Fault::EveryByte) {
            (1..bytes.len()).collect()
        } else if has(Fault::SplitInsideEvent) {
            let starts = [0].iter().chain(&ends);
            starts.zip(&ends).map(|(start, end)| start.midpoint(*end)).collect()
        } else if has(Fault::SplitUtf8) {
            let inside = bytes.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 == 0x80);
            inside.map(|(index, _)| index).collect()
        } else {
            ends
        };
        cut(&bytes, &cuts)
    }
}

/// The last of some server-sent events.
pub(super) fn last_event(bytes: &[u8]) -> &[u8] {
    let before = bytes.strip_suffix(b"\n\n").unwrap_or(bytes);
    let start = memmem::rfind(before, b"\n\n").map_or(0, |end| end + 2);
    bytes.get(start..).unwrap_or(bytes)
}

/// The bytes in pieces that end at these places, and what is left.
fn cut(bytes: &Bytes, cuts: &[usize]) -> Vec<Bytes> {
    let mut rest = bytes.clone();
    let mut done = 0;
    let mut chunks = Vec::with_capacity(cuts.len() + 1);
    for end in cuts {
        chunks.push(rest.split_to(end - done));
        done = *end;
    }
    chunks.push(rest);
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stream() -> Frames {
        let mut frames = Frames::stream();
        for (text, piece) in [
            ("data: {0}\n\n", false),
            ("data: {1}\n\ndata: {\"é\"}\n\n", true),
            ("data: {3}\n\n", true),
            ("data: {4}\n\n", false),
        ] {
            frames.push(text.into(), piece);
        }
        frames
    }

    /// The chunks of a stream with these faults, with `|` between them.
    fn spoiled(mut frames: Frames, faults: &[Fault]) -> String {
        frames.spoil(faults);
        let chunks = frames.chunks(faults);
        let texts: Vec<_> = chunks.iter().map(|it| it.escape_ascii().to_string()).collect();
        texts.join("|").replace("data: ", "").replace("\\n", ".")
    }

    #[test]
    fn streams_are_spoiled_as_one_says() {
        for (fault, expected) in [
            (Fault::Stall, "{0}..|{1}..{\\\"\\xc3\\xa9\\\"}..|{3}..|{4}.."),
            (Fault::CloseAfter(0), ""),
            (Fault::ResetAfter(1), "{0}..|{1}..{\\\"\\xc3\\xa9\\\"}.."),
            (Fault::StallAfter(9), "{0}..|{1}..{\\\"\\xc3\\xa9\\\"}..|{3}..|{4}.."),
            (Fault::NotEvents, "Hello.world."),
            (Fault::Empty, ""),
            (Fault::NotJson, "{0}..|{1}..{so: sorry..|{3}..|{4}.."),
            (Fault::NotUtf8, "{0}..|{1}..{\\xff\\\"\\xc3\\xa9\\\"}..|{3}..|{4}.."),
            (Fault::Truncated, "{0}..|{1}..{"),
            (
                Fault::Duplicate,
                "{0}..|{1}..{\\\"\\xc3\\xa9\\\"}..{\\\"\\xc3\\xa9\\\"}..|{3}..|{4}..",
            ),
            (Fault::SplitUtf8, "{0}..{1}..{\\\"\\xc3|\\xa9\\\"}..{3}..{4}.."),
        ] {
            assert_eq!(spoiled(stream(), slice::from_ref(&fault)), expected, "{fault:?}");
        }
        assert_eq!(
            spoiled(stream(), &[Fault::Comments, Fault::CloseAfter(1), Fault::CrLf]),
            ": still here\\r.\\r.{0}\\r.\\r.|: still here\\r.\\r.{1}\\r.\\r.{\\\"\\xc3\\xa9\\\"}\\r.\\r."
        );
        let bytes = stream().bytes();
        assert_eq!(stream().chunks(&[Fault::EveryByte]).len(), bytes);
        let chunks = stream().chunks(&[Fault::SplitInsideEvent]);
        assert_eq!(chunks.len(), 5);
        assert!(chunks[..4].iter().all(|chunk| !chunk.ends_with(b"\n\n")));
    }

    #[test]
    fn a_whole_answer_breaks_in_the_middle() {
        let whole = || Frames::json(&json!("12345678"));
        for (fault, expected) in [
            (Fault::Comments, "\\\"12345678\\\""),
            (Fault::CloseAfter(0), ""),
            (Fault::CloseAfter(3), "\\\"1234"),
            (Fault::Truncated, "\\\"1234"),
            (Fault::NotJson, "{so: sorry"),
            (Fault::SplitInsideEvent, "\\\"1234|5678\\\""),
        ] {
            assert_eq!(spoiled(whole(), slice::from_ref(&fault)), expected, "{fault:?}");
        }
    }
}
