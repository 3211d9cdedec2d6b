//! Server-sent events, decoded as the bytes arrive.
//!
//! [`Decoder`] follows the WHATWG rules for `text/event-stream` and does no I/O: push bytes in
//! whatever pieces they come, take frames out. [`EventStream`] does the same over a stream of
//! bytes.
//!
//! ```
//! use alula_llm::sse::{Decoder, Frame};
//!
//! let mut decoder = Decoder::new(1024);
//! decoder.push("data: hel");
//! assert_eq!(decoder.next()?, None);
//! decoder.push("lo\n\n");
//! let Some(Frame::Event(event)) = decoder.next()? else { panic!() };
//! assert_eq!(event.data, "hello");
//! # Ok::<(), alula_llm::sse::Error>(())
//! ```

mod decoder;
mod stream;

pub use decoder::{Decoder, Error, Event, Frame};
pub use stream::{EventStream, ReadError};
