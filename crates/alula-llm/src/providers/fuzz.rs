//! What the fuzz targets call.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};

use super::{
    Anthropic, Cohere, Gemini, OpenAi, OpenAiResponses,
    answered::{self, of_provider},
    endpoint::{self, Speaker},
    http, wire,
};
use crate::{Error, HttpLimits, RelayResponse, RelayStream, Result, model::Protocol};

/// Passes the bytes of a streamed answer on as they are.
pub fn pass<S, E>(protocol: Protocol, bytes: S, wants_usage: bool) -> RelayStream
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    fn pass<P: Speaker>(
        bytes: impl Stream<Item = Result<Bytes, impl std::error::Error + Send + Sync + 'static>>
        + Send
        + 'static,
        wants_usage: bool,
    ) -> RelayStream {
        wire::pass(Box::pin(bytes), &HttpLimits::default(), P::Wire::default(), wants_usage)
    }
    of_provider!(protocol, pass, bytes, wants_usage)
}

/// Reads of a whole answer that is passed on what the server keeps.
pub fn relayed(protocol: Protocol, body: Bytes) -> Result<RelayResponse> {
    use endpoint::relayed;
    of_provider!(protocol, relayed, 200, body)
}

/// The error that an answer is, with this in the headers that are read.
pub fn failure(protocol: Protocol, status: u16, header: &[u8], body: &[u8]) -> Error {
    let value = HeaderValue::from_bytes(header);
    let names = ["retry-after", "retry-after-ms", "x-request-id"].map(HeaderName::from_static);
    let headers = names.into_iter().filter_map(|name| Some((name, value.as_ref().ok()?.clone())));
    answered::failure(protocol, status, &headers.collect(), body)
}

/// What an answer by HTTP/1.1 is that comes in these pieces, after which the connection ends or
/// not.
pub fn http1(pieces: Vec<Vec<u8>>, has_no_body: bool, ends: bool) -> String {
    let method = if has_no_body { Method::HEAD } else { Method::POST };
    http::script::read(&method, pieces.into(), ends)
}
