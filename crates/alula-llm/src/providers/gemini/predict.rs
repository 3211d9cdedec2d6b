//! Embeddings, in the form of Vertex AI.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::embed::{purpose_from_text, purpose_to_text};
use crate::{
    EmbedRequest, EmbedResponse, Part, Result, Usage,
    model::{
        EmbedContent, EmbedInput, EmbedProtocol, Encoding, Extra,
        fields::{Fields, object},
    },
    providers::vector::{self, Arrived, Leaving, invalid},
};

const PROTOCOL: EmbedProtocol = EmbedProtocol::Vertex;

const TASK: &str = "task_type";

/// Reads the JSON body of a request to `predict`. The model is not part of it, but of the address.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when there is no list of
/// instances. What else is wrong stays in `extra`, for the provider to judge.
pub fn predict_request_from_json(body: Value) -> Result<EmbedRequest> {
    let mut body = vector::fields(body)?;
    let items =
        body.take_array("instances").ok_or_else(|| invalid("instances: a list is missing"))?;
    let task = items.first().and_then(|it| Some(it.get(TASK)?.as_str()?.to_owned()));
    let inputs = items.into_iter().map(|item| input_from_json(item, task.as_deref()));
    Ok(EmbedRequest {
        inputs: inputs.collect(),
        purpose: task.as_deref().map(purpose_from_text),
        dimensions: body
            .take_within("parameters", |it| it.take_u64("outputDimensionality"))
            .flatten(),
        origin: Some(PROTOCOL),
        extra: body,
        ..EmbedRequest::default()
    })
}

/// Writes the JSON body of a request to `predict`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the format cannot say what
/// the request asks for.
pub fn predict_request_to_json(request: &EmbedRequest) -> Result<Value> {
    let own = PROTOCOL.accepts(request.origin);
    let items = request.inputs.iter().map(|input| input_to_json(input, request, own));
    let mut body = object([("instances", Value::Array(items.collect::<Result<_>>()?))]);
    let parameters = request.dimensions.map(|it| object([("outputDimensionality", it.into())]));
    body.put("parameters", parameters);
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
pub fn predict_response_from_slice(body: &[u8]) -> Result<EmbedResponse> {
    let body: Read = vector::parse(body)?;
    let (beside, arrived): (Vec<_>, Vec<_>) = body
        .predictions
        .into_iter()
        .map(|it| {
            let mut beside = it.extra;
            let inner = Some(it.embeddings.extra).filter(|inner| !inner.is_empty());
            beside.put(INNER, inner);
            (beside, it.embeddings.values)
        })
        .unzip();
    let input = beside.iter().filter_map(tokens).reduce(u64::saturating_add);
    let (vectors, encoding) = vector::gather(arrived.into_iter())?;
    Ok(EmbedResponse {
        vectors,
        usage: input.map(|input| Usage { input, ..Usage::default() }),
        encoding,
        beside: vector::some(beside),
        origin: Some(PROTOCOL),
        extra: body.extra,
        ..EmbedResponse::default()
    })
}

/// Writes the JSON of an answer.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when it cannot be JSON, which is
/// never so with what was read.
pub fn predict_response_to_vec(response: &EmbedResponse) -> Result<Vec<u8>> {
    let own = PROTOCOL.accepts(response.origin);
    let predictions = response.vectors.iter().enumerate().map(|(index, values)| {
        let mut extra = response.beside.get(index).filter(|_| own).cloned().unwrap_or_default();
        WrittenItem {
            embeddings: WrittenVector {
                values: Leaving { values, encoding: Encoding::Float },
                extra: extra.take_object(INNER).unwrap_or_default(),
            },
            extra,
        }
    });
    vector::write(&Written {
        predictions: predictions.collect(),
        extra: Some(&response.extra).filter(|_| own),
    })
}

/// Where a vector is within its prediction.
const INNER: &str = "embeddings";

/// An answer as it is read.
#[derive(Deserialize)]
struct Read {
    predictions: Vec<ReadItem>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct ReadItem {
    embeddings: ReadVector,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct ReadVector {
    values: Arrived,
    #[serde(flatten)]
    extra: Extra,
}

/// An answer as it is written.
#[derive(Serialize)]
struct Written<'a> {
    predictions: Vec<WrittenItem<'a>>,
    #[serde(flatten)]
    extra: Option<&'a Extra>,
}

#[derive(Serialize)]
struct WrittenItem<'a> {
    embeddings: WrittenVector<'a>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Serialize)]
struct WrittenVector<'a> {
    values: Leaving<'a>,
    #[serde(flatten)]
    extra: Extra,
}

/// The tokens of an input, which the API writes as a fraction now and then.
fn tokens(beside: &Extra) -> Option<u64> {
    let count = beside.get(INNER)?.pointer("/statistics/token_count")?;
    count.as_u64().or_else(|| format!("{:.0}", count.as_f64()?).parse().ok())
}

fn input_from_json(item: Value, task: Option<&str>) -> EmbedInput {
    let Value::Object(mut fields) = item else { return EmbedContent::Other(item).into() };
    let Some(text) = fields.take_string("content") else {
        return EmbedContent::Other(Value::Object(fields)).into();
    };
    if fields.get(TASK).and_then(Value::as_str) == task {
        fields.shift_remove(TASK);
    } else if task.is_some() {
        // Written back as it is, or not at all.
        fields.entry(TASK).or_insert(Value::Null);
    }
    EmbedInput { content: EmbedContent::Text(text), extra: fields }
}

fn input_to_json(input: &EmbedInput, request: &EmbedRequest, own: bool) -> Result<Value> {
    let text = match &input.content {
        EmbedContent::Text(text) => text,
        EmbedContent::Parts(parts) => match &**parts {
            [Part::Text(text)] => &text.text,
            _ => return Err(invalid(format!("input: {PROTOCOL} take text and nothing else"))),
        },
        EmbedContent::Tokens(_) => {
            return Err(invalid(format!("input: {PROTOCOL} take texts and not tokens")));
        }
        EmbedContent::Other(item) if own => return Ok(item.clone()),
        EmbedContent::Other(item) => {
            return Err(invalid(format!("input: {PROTOCOL} have no {item}")));
        }
    };
    let mut item: Map<String, Value> = object([("content", text.as_str().into())]);
    if own {
        item.fill(&input.extra);
    }
    match item.get(TASK) {
        Some(Value::Null) => drop(item.shift_remove(TASK)),
        Some(_) => {}
        None => item.put(TASK, request.purpose.as_ref().map(purpose_to_text)),
    }
    Ok(Value::Object(item))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_lose_nothing() {
        let query = json!({"content": "a", TASK: "RETRIEVAL_QUERY", "title": "t"});
        for instances in [
            json!([query, query]),
            json!([query, {"content": "b", TASK: "CLUSTERING"}]),
            json!([query, {"content": "b"}]),
            json!([{"content": "b"}, query, {"text": "c"}, 1]),
            json!([]),
        ] {
            let body = json!({"instances": instances,
                "parameters": {"outputDimensionality": 8, "autoTruncate": false}, "new": 1});
            let request = predict_request_from_json(body.clone()).unwrap();
            assert_eq!(request.dimensions, Some(8));
            assert_eq!(predict_request_to_json(&request).unwrap(), body);
        }
    }

    #[test]
    fn answers_lose_nothing_and_their_tokens_are_added_up() {
        let one = |tokens: Value| {
            json!({"embeddings": {"values": [0.5, 0.25],
                "statistics": {"token_count": tokens, "truncated": false}}, "new": 1})
        };
        let body = json!({"predictions": [one(4.into()), one(2.0.into())], "metadata": {"a": 1}});
        let response = predict_response_from_slice(body.to_string().as_bytes()).unwrap();
        assert_eq!(response.usage.as_ref().unwrap().input, 6);
        let written = predict_response_to_vec(&response).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body);
    }
}
