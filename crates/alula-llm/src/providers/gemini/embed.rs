//! Embeddings, in the form of the Gemini API.

use std::mem;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::part::{Origin, part_from_json, part_to_json};
use crate::{
    EmbedRequest, EmbedResponse, Part, Result, Usage,
    model::{
        EmbedContent, EmbedInput, EmbedProtocol, Encoding, Extra, Purpose,
        fields::{Fields, object},
    },
    providers::vector::{self, Arrived, Leaving, invalid},
};

const PROTOCOL: EmbedProtocol = EmbedProtocol::Gemini;

const TASK: &str = "taskType";
const DIMENSIONS: &str = "outputDimensionality";

/// Reads the JSON body of a request to `batchEmbedContents` or `embedContent`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when there is no content. What
/// else is wrong stays in `extra`, for the provider to judge.
pub fn embed_request_from_json(body: Value) -> Result<EmbedRequest> {
    let mut body = vector::fields(body)?;
    let single = body.contains_key("content");
    let items = match single {
        true => vec![Value::Object(mem::take(&mut body))],
        false => {
            body.take_array("requests").ok_or_else(|| invalid("requests: a list is missing"))?
        }
    };
    let common = Common::of(items.first());
    let inputs = items.into_iter().enumerate().map(|(index, item)| match item {
        Value::Object(item) => Ok(input_from_json(item, &common)),
        _ => Err(invalid(format!("requests[{index}]: no object"))),
    });
    Ok(EmbedRequest {
        inputs: inputs.collect::<Result<_>>()?,
        model: common.model.strip_prefix(MODELS).unwrap_or(&common.model).to_owned(),
        dimensions: common.dimensions,
        purpose: common.task.as_deref().map(purpose_from_text),
        encoding: None,
        user: None,
        single,
        origin: Some(PROTOCOL),
        extra: body,
    })
}

/// Writes the JSON body of a request to `batchEmbedContents`, or to `embedContent` if it was
/// [single](EmbedRequest::single).
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the format cannot say what
/// the request asks for.
pub fn embed_request_to_json(request: &EmbedRequest) -> Result<Value> {
    let own = PROTOCOL.accepts(request.origin);
    let items = request.inputs.iter().map(|input| input_to_json(input, request, own));
    let mut items = items.collect::<Result<Vec<_>>>()?;
    let mut body = match (request.single && own, items.pop()) {
        (true, Some(only)) if items.is_empty() => only,
        (_, last) => {
            let items = items.into_iter().chain(last).map(Value::Object).collect();
            object([("requests", Value::Array(items))])
        }
    };
    if own {
        body.fill(&request.extra);
    }
    Ok(Value::Object(body))
}

/// Reads the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when it holds no vectors, or not all of them
/// have the same length.
pub fn embed_response_from_slice(body: &[u8]) -> Result<EmbedResponse> {
    let body: Read = vector::parse(body)?;
    let single = body.embedding.is_some();
    let items = body.embedding.into_iter().chain(body.embeddings.into_iter().flatten());
    let (beside, arrived): (Vec<_>, Vec<_>) = items.map(|it| (it.extra, it.values)).unzip();
    let (vectors, encoding) = vector::gather(arrived.into_iter())?;
    let tokens =
        body.extra.get("usageMetadata").and_then(|it| it.get("promptTokenCount")?.as_u64());
    Ok(EmbedResponse {
        id: None,
        model: String::new(),
        vectors,
        usage: tokens.map(|input| Usage { input, ..Usage::default() }),
        encoding,
        single,
        beside: vector::some(beside),
        origin: Some(PROTOCOL),
        extra: body.extra,
    })
}

/// Writes the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when it cannot be JSON, which is
/// never so with what was read.
pub fn embed_response_to_vec(response: &EmbedResponse) -> Result<Vec<u8>> {
    let own = PROTOCOL.accepts(response.origin);
    let mut items = response.vectors.iter().enumerate().map(|(index, values)| WrittenItem {
        values: Leaving { values, encoding: Encoding::Float },
        extra: response.beside.get(index).filter(|_| own),
    });
    let is_single = response.single && own;
    let usage = response.usage.as_ref().filter(|_| response.origin != Some(PROTOCOL));
    vector::write(&Written {
        embedding: if is_single { items.next() } else { None },
        embeddings: (!is_single).then(|| items.collect()),
        usage: usage.map(|usage| object([("promptTokenCount", usage.input.into())])),
        extra: Some(&response.extra).filter(|_| own),
    })
}

/// What a purpose is called by Google.
pub(super) fn purpose_to_text(purpose: &Purpose) -> &str {
    match purpose {
        Purpose::Query => "RETRIEVAL_QUERY",
        Purpose::Document => "RETRIEVAL_DOCUMENT",
        Purpose::Similarity => "SEMANTIC_SIMILARITY",
        Purpose::Classification => "CLASSIFICATION",
        Purpose::Clustering => "CLUSTERING",
        Purpose::Other(purpose) => purpose,
    }
}

pub(super) fn purpose_from_text(text: &str) -> Purpose {
    match text {
        "RETRIEVAL_QUERY" => Purpose::Query,
        "RETRIEVAL_DOCUMENT" => Purpose::Document,
        "SEMANTIC_SIMILARITY" => Purpose::Similarity,
        "CLASSIFICATION" => Purpose::Classification,
        "CLUSTERING" => Purpose::Clustering,
        other => Purpose::Other(other.to_owned()),
    }
}

/// How the name of a model begins.
const MODELS: &str = "models/";

/// An answer as it is read.
#[derive(Deserialize)]
struct Read {
    embedding: Option<ReadItem>,
    embeddings: Option<Vec<ReadItem>>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct ReadItem {
    values: Arrived,
    #[serde(flatten)]
    extra: Extra,
}

/// An answer as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<WrittenItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<WrittenItem<'a>>>,
    #[serde(rename = "usageMetadata", skip_serializing_if = "Option::is_none")]
    usage: Option<Map<String, Value>>,
    #[serde(flatten)]
    extra: Option<&'a Extra>,
}

#[derive(Serialize)]
struct WrittenItem<'a> {
    values: Leaving<'a>,
    #[serde(flatten)]
    extra: Option<&'a Extra>,
}

/// What the requests of a batch have in common, as far as the first one says it. Others that say
/// something else keep it.
struct Common {
    model: String,
    task: Option<String>,
    dimensions: Option<u64>,
}

impl Common {
    fn of(first: Option<&Value>) -> Self {
        let text = |name: &str| Some(first?.get(name)?.as_str()?.to_owned());
        Self {
            model: text("model").unwrap_or_default(),
            task: text(TASK),
            dimensions: first.and_then(|it| it.get(DIMENSIONS)?.as_u64()),
        }
    }
}

fn input_from_json(mut item: Map<String, Value>, common: &Common) -> EmbedInput {
    let dimensions = common.dimensions.map(Value::from);
    let model = Some(Value::from(&*common.model));
    let task = common.task.as_deref().map(Value::from);
    for (name, value) in [("model", model), (TASK, task), (DIMENSIONS, dimensions)] {
        if item.get(name) == value.as_ref() {
            item.shift_remove(name);
        } else if value.is_some() {
            // Written back as it is, or not at all.
            item.entry(name).or_insert(Value::Null);
        }
    }
    let parts = item.take_within("content", |content| content.take_array("parts")).flatten();
    let content = match parts {
        Some(parts) => content_from_json(parts),
        None => EmbedContent::Other(item.shift_remove("content").unwrap_or_default()),
    };
    EmbedInput { content, extra: item }
}

fn content_from_json(parts: Vec<Value>) -> EmbedContent {
    let mut parts: Vec<Part> = parts.into_iter().map(part_from_json).collect();
    match parts.as_mut_slice() {
        [Part::Text(text)] if text.extra.is_empty() => {
            EmbedContent::Text(mem::take(&mut text.text))
        }
        _ => EmbedContent::Parts(parts),
    }
}

fn input_to_json(
    input: &EmbedInput,
    request: &EmbedRequest,
    own: bool,
) -> Result<Map<String, Value>> {
    let origin = match request.origin {
        Some(PROTOCOL) => Origin::Here,
        None => Origin::Hand,
        Some(_) => Origin::Elsewhere,
    };
    let content = match &input.content {
        EmbedContent::Text(text) => of_parts(vec![object([("text", text.as_str().into())]).into()]),
        EmbedContent::Parts(parts) => {
            let written = parts.iter().map(|part| {
                part_to_json(part, origin)?
                    .ok_or_else(|| invalid(format!("input: {PROTOCOL} take no such part")))
            });
            of_parts(written.collect::<Result<_>>()?)
        }
        EmbedContent::Other(content) if own => content.clone(),
        EmbedContent::Tokens(_) => {
            return Err(invalid(format!("input: {PROTOCOL} take texts and not tokens")));
        }
        EmbedContent::Other(content) => {
            return Err(invalid(format!("input: {PROTOCOL} have no {content}")));
        }
    };
    let mut item = object([("content", content)]);
    if own {
        item.fill(&input.extra);
    }
    let collection = if request.model.contains('/') { "" } else { MODELS };
    let model = (!request.model.is_empty()).then(|| format!("{collection}{}", request.model));
    for (name, value) in [
        ("model", model.map(Value::from)),
        (TASK, request.purpose.as_ref().map(|it| purpose_to_text(it).into())),
        (DIMENSIONS, request.dimensions.map(Value::from)),
    ] {
        match item.get(name) {
            Some(Value::Null) => drop(item.shift_remove(name)),
            Some(_) => {}
            None => item.put(name, value),
        }
    }
    Ok(item)
}

fn of_parts(parts: Vec<Value>) -> Value {
    Value::Object(object([("parts", Value::Array(parts))]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    fn item(text: &str) -> Value {
        json!({"model": "models/m", "content": {"parts": [{"text": text}], "role": "user"}})
    }

    #[track_caller]
    fn check_request(body: &Value) -> EmbedRequest {
        let request = embed_request_from_json(body.clone()).unwrap();
        assert_eq!(&embed_request_to_json(&request).unwrap(), body);
        request
    }

    #[test]
    fn requests_lose_nothing() {
        let mut titled = item("b");
        titled["title"] = "t".into();
        let mut query = item("a");
        query[TASK] = "RETRIEVAL_QUERY".into();
        query[DIMENSIONS] = 8.into();
        let mut document = item("b");
        document[TASK] = "RETRIEVAL_DOCUMENT".into();
        document["model"] = "models/other".into();
        let image = json!({"model": "models/m", "content": {"parts": [
            {"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}});
        for items in [
            json!([item("a"), titled]),
            json!([query, query]),
            json!([query, document]),
            json!([query, item("b")]),
            json!([item("a"), query]),
            json!([image]),
            json!([{"model": "models/m", "content": "odd"}]),
            json!([]),
        ] {
            check_request(&json!({"requests": items, "new": 1}));
        }
        let request = check_request(&json!({"requests": [query, query]}));
        assert_eq!((request.model.as_str(), request.dimensions), ("m", Some(8)));
        assert_eq!(request.purpose, Some(Purpose::Query));
        assert!(check_request(&query).single);
        check_request(&json!({"content": {"parts": [{"text": "a"}]}}));
    }

    #[test]
    fn a_request_of_another_protocol_becomes_a_batch() {
        let body = json!({"model": "m", "input": "a", "dimensions": 8, "input_type": "query"});
        let mut request = EmbedProtocol::OpenAi.request_from_json(body).unwrap();
        request.purpose = Some(Purpose::Document);
        let written = embed_request_to_json(&request).unwrap();
        let expected = json!({"requests": [{"content": {"parts": [{"text": "a"}]},
            "model": "models/m", TASK: "RETRIEVAL_DOCUMENT", DIMENSIONS: 8}]});
        assert_eq!(written, expected);
        let tokens = EmbedRequest::new("m").input(EmbedContent::Tokens(vec![1]));
        let error = embed_request_to_json(&tokens).unwrap_err();
        assert_eq!(error.message(), "input: Gemini embeddings take texts and not tokens");
    }

    #[test]
    fn answers_lose_nothing() {
        for body in [
            json!({"embeddings": [{"values": [0.5, 1.0]}, {"values": [0.25, 0.0], "shape": [2]}],
                "usageMetadata": {"promptTokenCount": 7}}),
            json!({"embedding": {"values": [0.5]}}),
        ] {
            let response = embed_response_from_slice(body.to_string().as_bytes()).unwrap();
            let written = embed_response_to_vec(&response).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body);
        }
        let error = embed_response_from_slice(br#"{"embeddings":[{}]}"#).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Decode);
    }
}
