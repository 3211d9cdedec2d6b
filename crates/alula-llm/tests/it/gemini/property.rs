//! Whatever stands in the known fields, it is written back as it was.

use alula_llm::model::Protocol;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::streams::accumulate;

/// Names that the adapter looks at, at every depth.
const NAMES: [&str; 46] = [
    "contents",
    "systemInstruction",
    "role",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "mimeType",
    "data",
    "fileUri",
    "functionCall",
    "functionResponse",
    "name",
    "args",
    "id",
    "response",
    "output",
    "error",
    "tools",
    "functionDeclarations",
    "parameters",
    "parametersJsonSchema",
    "description",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "allowedFunctionNames",
    "generationConfig",
    "thinkingConfig",
    "thinkingBudget",
    "thinkingLevel",
    "responseMimeType",
    "responseSchema",
    "stopSequences",
    "candidates",
    "content",
    "finishReason",
    "index",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "thoughtsTokenCount",
];

/// Values that mean something in one of the fields.
const TEXTS: [&str; 9] =
    ["", "a", "user", "model", "STOP", "SAFETY", "ANY", "application/json", "{\"output\":\"a\"}"];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => proptest::sample::select(&TEXTS[..]).prop_map(Value::from),
        2 => (-1_i64..4).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            3 => proptest::collection::vec((name, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A part in a shape that is nearly right.
fn part() -> impl Strategy<Value = Value> {
    let kinds = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];
    let inner = (value(), value(), value(), value()).prop_map(|(a, b, c, d)| {
        json!({"name": "f", "mimeType": "image/png", "data": "AAAA", "fileUri": "u", "args": a,
            "response": b, "id": c, "parts": d})
    });
    let inner = prop_oneof![value(), inner];
    (proptest::sample::select(kinds.to_vec()), inner, value(), any::<bool>()).prop_map(
        |(kind, mut inner, more, thought)| {
            // Fields of other types fall away now and then.
            if let Value::Object(fields) = &mut inner {
                fields.retain(|_, value| !value.is_boolean());
            }
            let mut fields = Map::from_iter([(kind.to_owned(), inner)]);
            if thought {
                fields.insert("thought".to_owned(), true.into());
            }
            fields.insert("thoughtSignature".to_owned(), more);
            fields.into()
        },
    )
}

fn content() -> impl Strategy<Value = Value> {
    let whole = (value(), proptest::collection::vec(part(), 0..4))
        .prop_map(|(role, parts)| json!({"role": role, "parts": parts}));
    prop_oneof![whole, value()]
}

proptest! {
    #[test]
    fn any_request(
        contents in proptest::collection::vec(content(), 0..4),
        system in content(), tools in value(), functions in value(), rule in value(),
        config in value(), more in value(),
    ) {
        let tools = json!([{"functionDeclarations": functions}, tools]);
        let mut body = json!({"contents": contents, "systemInstruction": system, "tools": tools,
            "toolConfig": {"functionCallingConfig": rule}, "generationConfig": config});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more.into_iter().filter(|(name, _)| name != "contents"));
        }
        if let Ok(request) = Protocol::GeminiGenerate.request_from_json(body.clone()) {
            let written = Protocol::GeminiGenerate.request_to_json(&request, false).unwrap();
            prop_assert_eq!(written, body);
        }
    }

    #[test]
    fn any_answer(
        contents in proptest::collection::vec(content(), 0..3),
        fields in value(), usage in value(), feedback in value(), more in value(),
    ) {
        let candidate = |content: Value| {
            let mut candidate = json!({"content": content});
            if let (Some(candidate), Value::Object(fields)) = (candidate.as_object_mut(), &fields) {
                candidate.extend(fields.clone());
            }
            candidate
        };
        let candidates: Vec<_> = contents.into_iter().map(candidate).collect();
        let mut body = json!({"candidates": candidates, "usageMetadata": usage,
            "promptFeedback": feedback});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        if let Ok(response) = Protocol::GeminiGenerate.response_from_json(body.clone()) {
            let written = Protocol::GeminiGenerate.response_to_json(&response).unwrap();
            prop_assert_eq!(written, body);
        }
    }

    #[test]
    fn any_stream(chunks in proptest::collection::vec(proptest::collection::vec(piece(), 0..3), 1..6)) {
        let last = chunks.len() - 1;
        let chunk = |(number, parts): (usize, Vec<Value>)| {
            let mut candidate = json!({"content": {"role": "model", "parts": parts}});
            if number == last {
                candidate["finishReason"] = "STOP".into();
            }
            format!("data: {}\n\n", json!({"candidates": [candidate], "responseId": "r"}))
        };
        let text: String = chunks.into_iter().enumerate().map(chunk).collect();
        accumulate(&text);
    }
}

/// A part of a stream: mostly text that goes on.
fn piece() -> impl Strategy<Value = Value> {
    let text = proptest::sample::select(vec!["", "a", "b"]);
    let said = (text, any::<bool>(), proptest::option::weighted(0.2, Just("x")));
    let said = said.prop_map(|(text, thought, seal)| {
        let mut part = json!({"text": text});
        if thought {
            part["thought"] = true.into();
        }
        if let Some(seal) = seal {
            part["thoughtSignature"] = seal.into();
        }
        part
    });
    prop_oneof![5 => said, 1 => part(), 1 => value()]
}
