//! Embeddings, in Cohere's form.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    EmbedRequest, EmbedResponse, Media, Part, Result, Usage,
    model::{
        EmbedContent, EmbedInput, EmbedProtocol, Encoding, Extra, Purpose,
        fields::{Fields, object},
    },
    providers::{
        openai,
        vector::{self, Arrived, Leaving, invalid},
    },
};

const PROTOCOL: EmbedProtocol = EmbedProtocol::Cohere;

/// What the vectors are for where a request does not say it; the API demands an answer.
const USUAL: Purpose = Purpose::Document;

/// The lists that hold what is turned into vectors, of which a request has one.
const LISTS: [&str; 3] = ["texts", "images", "inputs"];
const TEXTS: &str = LISTS[0];
const IMAGES: &str = LISTS[1];
const INPUTS: &str = LISTS[2];

/// Reads the JSON body of a request to `/v2/embed`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when there is no model or no
/// list of inputs. What else is wrong stays in `extra`, for the provider to judge.
pub fn embed_request_from_json(body: Value) -> Result<EmbedRequest> {
    let mut body = vector::fields(body)?;
    let model = body.take_string("model").ok_or_else(|| invalid("model: a name is missing"))?;
    let list = LISTS.into_iter().find(|name| body.get(*name).is_some_and(Value::is_array));
    let list = list.ok_or_else(|| invalid("texts: a list is missing"))?;
    let items = body.take_array(list).unwrap_or_default();
    if items.is_empty() {
        // Which one it was.
        body.insert(list.to_owned(), Value::Array(Vec::new()));
    }
    let is_float = |types: &Value| types.as_array().is_some_and(|it| it == &["float"]);
    let encoding = body.get(TYPES).is_some_and(is_float).then_some(Encoding::Float);
    if encoding.is_some() {
        body.shift_remove(TYPES);
    }
    Ok(EmbedRequest {
        model,
        inputs: items.into_iter().map(|item| input_from_json(item, list)).collect(),
        dimensions: body.take_u64("output_dimension"),
        purpose: body.take_string(PURPOSE).map(purpose_from_text),
        encoding,
        user: None,
        single: false,
        origin: Some(PROTOCOL),
        extra: body,
    })
}

/// Writes the JSON body of a request to `/v2/embed`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the format cannot say what
/// the request asks for.
pub fn embed_request_to_json(request: &EmbedRequest) -> Result<Value> {
    let own = PROTOCOL.accepts(request.origin);
    let mut body = object([("model", request.model.as_str().into())]);
    if !(request.inputs.is_empty() && LISTS.iter().any(|it| request.extra.contains_key(*it))) {
        let list = list_for(&request.inputs);
        let items = request.inputs.iter().map(|input| input_to_json(input, list, own));
        body.insert(list.to_owned(), Value::Array(items.collect::<Result<_>>()?));
    }
    body.put(PURPOSE, request.purpose.as_ref().map(purpose_to_text).transpose()?);
    body.put(TYPES, request.encoding.map(|_| vec!["float"]));
    body.put("output_dimension", request.dimensions);
    if own {
        body.fill(&request.extra);
    }
    Ok(Value::Object(body))
}

/// Writes a request with all that the API demands.
pub(super) fn whole_request_to_json(request: &EmbedRequest) -> Result<Value> {
    let mut body = embed_request_to_json(request)?;
    if let Some(body) = body.as_object_mut() {
        if !body.contains_key(PURPOSE) {
            body.insert(PURPOSE.to_owned(), purpose_to_text(&USUAL)?.into());
        }
        body.entry(TYPES).or_insert_with(|| vec!["float"].into());
    }
    Ok(body)
}

/// Reads the JSON of an answer. Vectors of other types than `float` stay in `extra`.
///
/// # Errors
///
/// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when it holds no vectors, or not all of them
/// have the same length.
pub fn embed_response_from_slice(body: &[u8]) -> Result<EmbedResponse> {
    let body: Read = vector::parse(body)?;
    let mut extra = body.extra;
    let others = Some(body.embeddings.others).filter(|others| !others.is_empty());
    extra.put("embeddings", others);
    let (vectors, encoding) = vector::gather(body.embeddings.float.into_iter())?;
    let tokens =
        extra.get("meta").and_then(|it| it.pointer("/billed_units/input_tokens")?.as_u64());
    Ok(EmbedResponse {
        id: extra.take_string("id"),
        model: String::new(),
        vectors,
        usage: tokens.map(|input| Usage { input, ..Usage::default() }),
        encoding,
        single: false,
        beside: Vec::new(),
        origin: Some(PROTOCOL),
        extra,
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
    let foreign = response.origin != Some(PROTOCOL);
    let mut extra = if own { response.extra.clone() } else { Extra::new() };
    if let Some(usage) = response.usage.as_ref().filter(|_| foreign) {
        let units = object([("input_tokens", usage.input.into())]);
        extra.put("meta", Some(object([("billed_units", units.into())])));
    }
    let leaving = |values| Leaving { values, encoding: Encoding::Float };
    let others = extra.take_object("embeddings").unwrap_or_default();
    vector::write(&Written {
        id: response.id.as_deref(),
        embeddings: WrittenVectors {
            float: Some(response.vectors.iter().map(leaving).collect())
                .filter(|it: &Vec<_>| !it.is_empty() || others.is_empty()),
            others,
        },
        response_type: foreign.then_some("embeddings_by_type"),
        extra,
    })
}

const PURPOSE: &str = "input_type";
const TYPES: &str = "embedding_types";

/// An answer as it is read.
#[derive(Deserialize)]
struct Read {
    embeddings: ReadVectors,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct ReadVectors {
    #[serde(default)]
    float: Vec<Arrived>,
    #[serde(flatten)]
    others: Extra,
}

/// An answer as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    embeddings: WrittenVectors<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Serialize)]
struct WrittenVectors<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<Vec<Leaving<'a>>>,
    #[serde(flatten)]
    others: Extra,
}

fn purpose_to_text(purpose: &Purpose) -> Result<&str> {
    match purpose {
        Purpose::Query => Ok("search_query"),
        Purpose::Document => Ok("search_document"),
        Purpose::Classification => Ok("classification"),
        Purpose::Clustering => Ok("clustering"),
        Purpose::Similarity => Err(invalid(format!("purpose: {PROTOCOL} have no similarity"))),
        Purpose::Other(purpose) => Ok(purpose),
    }
}

fn purpose_from_text(text: String) -> Purpose {
    match text.as_str() {
        "search_query" => Purpose::Query,
        "search_document" => Purpose::Document,
        "classification" => Purpose::Classification,
        "clustering" => Purpose::Clustering,
        _ => Purpose::Other(text),
    }
}

/// The simplest list that takes all inputs.
fn list_for(inputs: &[EmbedInput]) -> &'static str {
    let is_image = |parts: &[Part]| matches!(parts, [Part::Image(_)]);
    let plain = |input: &EmbedInput| input.extra.is_empty();
    // What is neither a text nor an object was among texts.
    let text = |it: &EmbedInput| match &it.content {
        EmbedContent::Text(_) => plain(it),
        EmbedContent::Other(item) => !item.is_object(),
        _ => false,
    };
    let image = |it: &EmbedInput| {
        plain(it) && matches!(&it.content, EmbedContent::Parts(parts) if is_image(parts))
    };
    match inputs {
        all if all.iter().all(text) => TEXTS,
        all if all.iter().all(image) => IMAGES,
        _ => INPUTS,
    }
}

fn input_from_json(item: Value, list: &str) -> EmbedInput {
    match (list, item) {
        (TEXTS, Value::String(text)) => EmbedContent::Text(text).into(),
        (IMAGES, Value::String(url)) => {
            EmbedContent::Parts(vec![Part::Image(Media::from_url(url))]).into()
        }
        (INPUTS, Value::Object(mut extra)) => match extra.take_array("content") {
            Some(parts) => {
                let parts = parts.into_iter().map(openai::part_from_json).collect();
                EmbedInput { content: EmbedContent::Parts(parts), extra }
            }
            None => EmbedContent::Other(Value::Object(extra)).into(),
        },
        (_, item) => EmbedContent::Other(item).into(),
    }
}

fn input_to_json(input: &EmbedInput, list: &str, own: bool) -> Result<Value> {
    let parts = match (&input.content, list) {
        (EmbedContent::Text(text), TEXTS) => return Ok(text.as_str().into()),
        (EmbedContent::Text(text), _) => {
            let part = object([("type", "text".into()), ("text", text.as_str().into())]);
            vec![Value::Object(part)]
        }
        (EmbedContent::Parts(parts), IMAGES) => return image_to_json(parts),
        (EmbedContent::Parts(parts), _) => {
            let parts = parts.iter().map(|part| openai::part_to_json(part, own));
            parts.collect::<Result<_>>()?
        }
        (EmbedContent::Tokens(_), _) => {
            return Err(invalid(format!("input: {PROTOCOL} take texts and not tokens")));
        }
        (EmbedContent::Other(item), _) if own => return Ok(item.clone()),
        (EmbedContent::Other(item), _) => {
            return Err(invalid(format!("input: {PROTOCOL} have no {item}")));
        }
    };
    let mut fields: Map<String, Value> = object([("content", Value::Array(parts))]);
    if own {
        fields.fill(&input.extra);
    }
    Ok(Value::Object(fields))
}

fn image_to_json(parts: &[Part]) -> Result<Value> {
    let url = match parts {
        [Part::Image(image)] => image.to_url(),
        _ => None,
    };
    url.map(Value::from).ok_or_else(|| invalid(format!("input: {PROTOCOL} take an image as bytes")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_lose_nothing() {
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}});
        for inputs in [
            json!({"texts": ["a", "b"]}),
            json!({"texts": []}),
            json!({"images": ["data:image/png;base64,AAAA"]}),
            json!({"inputs": [{"content": [{"type": "text", "text": "a"}, image], "new": 1}]}),
            json!({"inputs": []}),
            json!({"texts": ["a", 1]}),
        ] {
            let mut body = json!({"model": "m", "input_type": "search_query", "max_tokens": null,
                "embedding_types": ["float"], "output_dimension": 256, "truncate": "NONE"});
            body.as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
            let request = embed_request_from_json(body.clone()).unwrap();
            assert_eq!((&request.purpose, request.dimensions), (&Some(Purpose::Query), Some(256)));
            assert_eq!(embed_request_to_json(&request).unwrap(), body);
        }
        let body = json!({"model": "m", "texts": ["a"], "embedding_types": ["int8", "float"]});
        let request = embed_request_from_json(body.clone()).unwrap();
        assert_eq!(embed_request_to_json(&request).unwrap(), body);
    }

    #[test]
    fn what_the_api_demands_is_added() {
        let request = EmbedRequest::new("m").text("a");
        let body = whole_request_to_json(&request).unwrap();
        let expected = json!({"model": "m", "texts": ["a"], "input_type": "search_document",
            "embedding_types": ["float"]});
        assert_eq!(body, expected);
        let request = request.image(Media::bytes("image/png", [0])).purpose(Purpose::Clustering);
        let body = whole_request_to_json(&request).unwrap();
        assert_eq!(body["input_type"], "clustering");
        assert_eq!(
            body["inputs"][1]["content"][0]["image_url"]["url"],
            "data:image/png;base64,AA=="
        );
    }

    #[test]
    fn answers_lose_nothing() {
        for embeddings in [
            json!({"float": [[0.5, 1.0], [0.25, 0.0]], "int8": [[1, 2], [3, 4]]}),
            json!({"float": [[0.5]]}),
            json!({"int8": [[1, 2]]}),
        ] {
            let body = json!({"id": "1", "embeddings": embeddings, "texts": ["a"],
                "meta": {"billed_units": {"input_tokens": 2}},
                "response_type": "embeddings_by_type"});
            let response = embed_response_from_slice(body.to_string().as_bytes()).unwrap();
            assert_eq!(response.usage.as_ref().unwrap().input, 2);
            let written = embed_response_to_vec(&response).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body);
        }
    }
}
