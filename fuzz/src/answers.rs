//! Whole answers of providers: chats, vectors, counts of tokens, errors.

use alula_llm::{
    __fuzz, RelayResponse, Result,
    model::{EmbedProtocol, Protocol},
};
use bytes::Bytes;
use serde_json::Value;

/// The formats of chats.
pub const PROTOCOLS: [Protocol; 5] = [
    Protocol::OpenAiChat,
    Protocol::AnthropicMessages,
    Protocol::OpenAiResponses,
    Protocol::GeminiGenerate,
    Protocol::CohereChat,
];

const EMBED_PROTOCOLS: [EmbedProtocol; 4] =
    [EmbedProtocol::OpenAi, EmbedProtocol::Gemini, EmbedProtocol::Vertex, EmbedProtocol::Cohere];

/// The first byte says what the answer is to, the rest is its body.
pub fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let protocol = PROTOCOLS[usize::from(*kind) % PROTOCOLS.len()];
    failure(protocol, body);
    let embed_protocol = EMBED_PROTOCOLS[usize::from(*kind) % EMBED_PROTOCOLS.len()];
    vectors(embed_protocol, body);
    // Of what is passed on only some fields are read.
    let passed = __fuzz::relayed(protocol, Bytes::copy_from_slice(body));
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return };
    count(protocol, &json);
    chat(protocol, json, passed);
}

/// What is passed on is understood as what is read; and what was read can be written in every
/// format, or is refused.
fn chat(protocol: Protocol, json: Value, passed: Result<RelayResponse>) {
    let Ok(answer) = protocol.response_from_json(json) else { return };
    if let Ok(passed) = passed {
        assert_eq!((passed.id, passed.usage), (answer.id.clone(), answer.usage.clone()));
    }
    for other in PROTOCOLS {
        // What a format cannot say is refused.
        if let Ok(written) = other.response_to_json(&answer) {
            let _ = other.response_from_json(written);
        }
    }
}

fn count(protocol: Protocol, json: &Value) {
    let Ok(count) = protocol.count_from_json(json.clone()) else { return };
    let written = protocol.count_to_json(&count).unwrap();
    assert_eq!(protocol.count_from_json(written).unwrap(), count);
}

fn vectors(protocol: EmbedProtocol, body: &[u8]) {
    let Ok(answer) = protocol.response_from_slice(body) else { return };
    for other in EMBED_PROTOCOLS {
        // A number that is not finite is refused.
        let Ok(written) = other.response_to_vec(&answer) else { continue };
        let read = other.response_from_slice(&written);
        assert!(read.is_ok(), "{other}: {read:?} of {}", String::from_utf8_lossy(&written));
    }
}

/// It has a message, whatever the provider says; the first line is also that of its headers.
fn failure(protocol: Protocol, body: &[u8]) {
    let header = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    for status in [400, 429, 500] {
        let error = __fuzz::failure(protocol, status, header, body);
        assert!(!error.message().is_empty());
        for other in PROTOCOLS {
            let (status, _) = other.error_to_json(&error);
            assert!((400..600).contains(&status), "{status}");
        }
    }
}
