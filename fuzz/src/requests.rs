//! Requests that are gone through without being read: what is found in them is there.

use alula_llm::{RelayRequest, model::Protocol};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::answers::PROTOCOLS;

const MODEL: &str = "another \"model\"";

/// The first byte says which protocol the rest is of.
pub fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let protocol = PROTOCOLS[usize::from(*kind) % PROTOCOLS.len()];
    let Ok(request) = RelayRequest::new(protocol, Bytes::copy_from_slice(body)) else { return };
    let read = serde_json::from_slice::<IgnoredAny>(body);
    assert!(read.is_ok(), "it is no JSON: {read:?}");
    // What is no UTF-8, or is too deep, is for the provider to judge.
    let Ok(json) = serde_json::from_slice::<Map<String, Value>>(body) else { return };
    if let Some(model) = json.get("model").and_then(Value::as_str) {
        assert_eq!(request.model(), model);
    }
    is_no_smaller(protocol, &request, json.clone());
    let sent = request.with_model(MODEL).body_for_model();
    let sent = serde_json::from_slice(&sent).expect("what goes on is JSON");
    assert_eq!(without_route(json), without_route(sent));
}

/// Who only counts the bytes of a request does not take it for a smaller one.
fn is_no_smaller(protocol: Protocol, request: &RelayRequest, json: Map<String, Value>) {
    let Ok(chat) = protocol.request_from_json(Value::Object(json)) else { return };
    match (request.size().input, chat.size().input) {
        (None, _) => {}
        (Some(seen), Some(read)) => assert!(seen >= read, "{seen} < {read}"),
        (Some(seen), None) => panic!("{seen}, and there may be more"),
    }
}

/// All fields but those that say where a request goes, and how the answer comes.
fn without_route(mut request: Map<String, Value>) -> Map<String, Value> {
    request.shift_remove("model");
    request.shift_remove("stream");
    request
}
