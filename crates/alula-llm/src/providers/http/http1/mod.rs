//! HTTP/1.1 from the client's side.
//!
//! A connection has no task of its own: whoever waits for an answer writes the request and reads
//! what comes. Between two reads a stream is a socket and some forty bytes that say where in its
//! body it is, in one piece of memory: no buffer waits for bytes.

mod connection;
mod framing;
mod head;
mod request;
#[cfg(any(fuzzing, test))]
pub(crate) mod script;
#[cfg(test)]
mod tests;

use std::io;

pub(super) use self::{
    connection::{Body, Connection, Link, call},
    request::Request,
};

/// Why a call by HTTP/1.1 did not come through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request could not be sent")]
    Write(#[source] io::Error),
    #[error("the answer could not be read")]
    Read(#[source] io::Error),
    #[error("the connection ended before the answer")]
    NoAnswer,
    #[error("the connection ended inside the answer")]
    CutOff,
    #[error("the answer is not HTTP/1.1: {0}")]
    Parse(httparse::Error),
    #[error("the answer is not HTTP/1.1: {0}")]
    Malformed(&'static str),
}
