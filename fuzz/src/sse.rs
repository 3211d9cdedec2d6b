//! Server-sent events: where the bytes are split makes no difference.

use alula_llm::sse::{Decoder, Error, Frame};

/// Small, so that it is reached.
const LIMIT: usize = 64;

/// The first byte says how the rest is split.
pub fn run(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let whole = decode([bytes]);
    assert_eq!(whole, decode(bytes.chunks(usize::from(*size) % 16 + 1)));
    assert_eq!(whole, decode(bytes.chunks(1)));
}

/// All frames, and how it ended.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Result<(), Error>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, decoder.finish())
}
