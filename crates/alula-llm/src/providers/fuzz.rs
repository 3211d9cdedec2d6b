//! What the fuzz targets call.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Anthropic, Cohere, Gemini, OpenAi, OpenAiResponses,
    endpoint::{self, Speaker},
    failure::Failure,
    wire,
};
use crate::{Error, HttpLimits, RelayResponse, RelayStream, Result, model::Protocol};

/// Calls a function for the provider of a protocol.
macro_rules! of_provider {
    ($protocol:expr, $function:ident, $($argument:expr),+) => {
        match $protocol {
            Protocol::OpenAiChat => $function::<OpenAi>($($argument),+),
            Protocol::AnthropicMessages => $function::<Anthropic>($($argument),+),
            Protocol::OpenAiResponses => $function::<OpenAiResponses>($($argument),+),
            Protocol::GeminiGenerate => $function::<Gemini>($($argument),+),
            Protocol::CohereChat => $function::<Cohere>($($argument),+),
        }
    };
}

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
        wire::pass(bytes, &HttpLimits::default(), P::Wire::default(), wants_usage)
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
    fn failure<P: Speaker>(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
        let failure = Failure::of_answer(status, headers, body);
        let kind = P::failure_kind(&failure);
        failure.into_error(kind)
    }
    let value = HeaderValue::from_bytes(header);
    let names = ["retry-after", "retry-after-ms", "x-request-id"].map(HeaderName::from_static);
    let headers = names.into_iter().filter_map(|name| Some((name, value.as_ref().ok()?.clone())));
    of_provider!(protocol, failure, status, &headers.collect(), body)
}
