use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use pin_project_lite::pin_project;

use super::{Decoder, Error, Frame};

pin_project! {
    /// The frames of a stream of bytes.
    ///
    /// It ends after the first error. Bytes that end inside an event give
    /// [`Error::Truncated`] as the last item.
    ///
    /// ```
    /// use alula_llm::sse::{EventStream, Frame};
    /// use futures_util::{StreamExt, stream};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let bytes = stream::iter(["data: a\n", "\n: ping\n"].map(Ok::<_, std::io::Error>));
    /// let mut frames = EventStream::new(bytes, 1024);
    /// assert!(matches!(frames.next().await, Some(Ok(Frame::Event(event))) if event.data == "a"));
    /// assert!(matches!(frames.next().await, Some(Ok(Frame::Comment(_)))));
    /// assert!(frames.next().await.is_none());
    /// # });
    /// ```
    #[derive(Debug)]
    pub struct EventStream<S> {
        #[pin]
        bytes: S,
        decoder: Decoder,
        ended: bool,
    }
}

/// Why the frames of an [`EventStream`] ended early.
///
/// ```
/// use std::io;
///
/// use alula_llm::sse::{EventStream, ReadError};
/// use futures_util::{StreamExt, stream};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let broken = io::Error::from(io::ErrorKind::ConnectionReset);
/// let mut frames = EventStream::new(stream::iter([Ok("data: a\n\n"), Err(broken)]), 1024);
/// assert!(matches!(frames.next().await, Some(Ok(_))));
/// assert!(matches!(frames.next().await, Some(Err(ReadError::Read(_)))));
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The bytes are not server-sent events.
    #[error(transparent)]
    Decode(#[from] Error),
    /// The bytes could not be read.
    #[error("the stream of server-sent events broke off")]
    Read(#[source] E),
}

impl<S> EventStream<S> {
    /// Reads frames from `bytes`, each line and event at most `limit` bytes.
    pub fn new(bytes: S, limit: usize) -> Self {
        Self { bytes, decoder: Decoder::new(limit), ended: false }
    }

    /// The decoder, for the last event id and the retry time.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

impl<S, B, E> Stream for EventStream<S>
where
    S: Stream<Item = Result<B, E>>,
    B: AsRef<[u8]>,
{
    type Item = Result<Frame, ReadError<E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        loop {
            match this.decoder.next() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(error) => {
                    *this.ended = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
            match ready!(this.bytes.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) => this.decoder.push(bytes),
                Some(Err(error)) => {
                    *this.ended = true;
                    return Poll::Ready(Some(Err(ReadError::Read(error))));
                }
                None => {
                    *this.ended = true;
                    let end = this.decoder.finish().err();
                    return Poll::Ready(end.map(|error| Err(error.into())));
                }
            }
        }
    }
}
