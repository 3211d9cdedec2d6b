//! What an answer is, by the protocol of its provider.

use reqwest::header::HeaderMap;

use super::{
    Anthropic, Cohere, Gemini, OpenAi, OpenAiResponses, endpoint::Speaker, failure::Failure,
};
use crate::{Error, model::Protocol};

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
#[cfg(fuzzing)]
pub(super) use of_provider;

/// The error that an answer is.
pub(crate) fn failure(protocol: Protocol, status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    fn failure<P: Speaker>(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
        let failure = Failure::of_answer(status, headers, body);
        let kind = P::failure_kind(&failure);
        failure.into_error(kind)
    }
    of_provider!(protocol, failure, status, headers, body)
}
