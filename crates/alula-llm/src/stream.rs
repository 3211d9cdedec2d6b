use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

use crate::{Accumulator, ChatEvent, ChatResponse, Result};

/// The events of an answer, as they arrive.
///
/// An answer is complete only when the stream ends without an error: a connection that breaks
/// off is an [`ErrorKind::Stream`](crate::ErrorKind::Stream), never a silent end. An error of
/// kind [`Decode`](crate::ErrorKind::Decode) concerns one malformed event, and the stream may
/// be read on; every other error is the last item.
///
/// Dropping the stream closes the connection to the provider.
pub struct ChatStream(BoxStream<'static, Result<ChatEvent>>);

impl ChatStream {
    /// A stream of these events.
    pub fn new(events: impl Stream<Item = Result<ChatEvent>> + Send + 'static) -> Self {
        Self(events.boxed())
    }

    /// Waits for the first content, so that a failure before it is a failure of the call: it
    /// can be given its own status, or another provider can be asked.
    ///
    /// The stream returned has all events but the pings that came before.
    ///
    /// # Errors
    ///
    /// The first error of the stream, if it comes before any content.
    pub async fn ready(mut self) -> Result<Self> {
        let mut early = Vec::new();
        while let Some(event) = self.0.next().await {
            let event = event?;
            let answered = event.is_content() || matches!(event, ChatEvent::Stop { .. });
            if event != ChatEvent::Ping {
                early.push(Ok(event));
            }
            if answered {
                break;
            }
        }
        Ok(Self::new(stream::iter(early).chain(self.0)))
    }

    /// Reads to the end and returns the whole answer.
    ///
    /// # Errors
    ///
    /// The first error of the stream.
    pub async fn accumulate(mut self) -> Result<ChatResponse> {
        let mut answer = Accumulator::new();
        while let Some(event) = self.0.next().await {
            answer.push(event?);
        }
        Ok(answer.finish())
    }
}

impl Stream for ChatStream {
    type Item = Result<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatStream")
    }
}
