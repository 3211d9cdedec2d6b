//! Embeddings, in OpenAI's form.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    dialect::Embeddings,
    part::{part_from_json, part_to_json},
};
use crate::{
    EmbedRequest, EmbedResponse, Error, ErrorKind, Result, Usage,
    model::{
        EmbedContent, EmbedInput, EmbedProtocol, Encoding, Extra,
        fields::{Fields, object},
    },
    providers::vector::{self, Arrived, Leaving, invalid},
};

const PROTOCOL: EmbedProtocol = EmbedProtocol::OpenAi;

/// Reads the JSON body of a request to `/v1/embeddings`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when there is no model or no input. What else is wrong stays in
/// `extra`, for the provider to judge.
pub fn embed_request_from_json(body: Value) -> Result<EmbedRequest> {
    let mut body = vector::fields(body)?;
    let model = body.take_string("model").ok_or_else(|| invalid("model: a name is missing"))?;
    let input = body.shift_remove("input").unwrap_or_default();
    let (inputs, single) = inputs_from_json(input)?;
    let encoding = match body.get(ENCODING).and_then(Value::as_str) {
        Some("float") => Some(Encoding::Float),
        Some("base64") => Some(Encoding::Base64),
        _ => None,
    };
    if encoding.is_some() {
        body.shift_remove(ENCODING);
    }
    Ok(EmbedRequest {
        model,
        inputs,
        single,
        encoding,
        dimensions: body.take_u64(DIMENSIONS),
        purpose: None,
        user: body.take_string("user"),
        origin: Some(PROTOCOL),
        extra: body,
    })
}

/// Writes the JSON body of a request to `/v1/embeddings`.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
pub fn embed_request_to_json(request: &EmbedRequest) -> Result<Value> {
    let own = PROTOCOL.accepts(request.origin);
    let mut inputs = request.inputs.iter().map(|input| input_to_json(input, own));
    let input = match (request.single, &*request.inputs) {
        (true, [_]) => inputs.next().transpose()?.unwrap_or_default(),
        _ => Value::Array(inputs.collect::<Result<_>>()?),
    };
    let mut body = object([("model", request.model.as_str().into()), ("input", input)]);
    body.put(DIMENSIONS, request.dimensions);
    body.put(ENCODING, request.encoding.map(encoding_name));
    body.put("user", request.user.as_deref());
    if own {
        body.fill(&request.extra);
    }
    Ok(Value::Object(body))
}

/// Reads the JSON of an answer, whatever form its vectors have.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when it holds no list of vectors, or not all of them have the same
/// length.
pub fn embed_response_from_slice(body: &[u8]) -> Result<EmbedResponse> {
    let mut body: Read = vector::parse(body)?;
    put_in_order(&mut body.data)?;
    let mut beside = Vec::with_capacity(body.data.len());
    let arrived: Vec<Arrived> = body
        .data
        .into_iter()
        .map(|mut item| {
            if item.extra.says("object", OBJECT) {
                item.extra.shift_remove("object");
            }
            beside.push(item.extra);
            item.embedding
        })
        .collect();
    let (vectors, encoding) = vector::gather(arrived.into_iter())?;
    Ok(EmbedResponse {
        id: body.extra.take_string("id"),
        model: body.extra.take_text("model").unwrap_or_default(),
        vectors,
        usage: body.extra.take_object("usage").map(usage_from_json),
        encoding,
        single: false,
        beside: vector::some(beside),
        origin: Some(PROTOCOL),
        extra: body.extra,
    })
}

/// Writes the JSON of an answer, with its vectors in this form.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when it cannot be JSON, which is never so with what was read.
pub fn embed_response_to_vec(response: &EmbedResponse, encoding: Encoding) -> Result<Vec<u8>> {
    vector::write(&written(response, encoding))
}

/// As [`embed_response_to_vec`], as a tree of JSON.
///
/// # Errors
///
/// As there.
pub fn embed_response_to_json(response: &EmbedResponse, encoding: Encoding) -> Result<Value> {
    serde_json::to_value(written(response, encoding))
        .map_err(|error| invalid(format!("the answer cannot be written: {error}")))
}

const ENCODING: &str = "encoding_format";
const DIMENSIONS: &str = "dimensions";
const PROMPT: &str = "prompt_tokens";
const TOTAL: &str = "total_tokens";
/// What a vector says that it is.
const OBJECT: &str = "embedding";

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Float => "float",
        Encoding::Base64 => "base64",
    }
}

impl Embeddings {
    /// The JSON body of a request, as the server knows it.
    pub(super) fn body(self, request: &EmbedRequest) -> Result<Value> {
        let mut body = embed_request_to_json(request)?;
        if let Some(body) = body.as_object_mut() {
            if self.base64 && !body.contains_key(ENCODING) {
                body.insert(ENCODING.to_owned(), encoding_name(Encoding::Base64).into());
            }
            if let Some(dimensions) = request.dimensions.filter(|_| self.dimensions != DIMENSIONS) {
                body.shift_remove(DIMENSIONS);
                body.insert(self.dimensions.to_owned(), dimensions.into());
            }
        }
        Ok(body)
    }
}

/// An answer as it is read.
#[derive(Deserialize)]
struct Read {
    data: Vec<ReadItem>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
struct ReadItem {
    index: Option<u64>,
    embedding: Arrived,
    #[serde(flatten)]
    extra: Extra,
}

/// An answer as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    data: Vec<WrittenItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(flatten)]
    extra: Option<&'a Extra>,
}

#[derive(Serialize)]
struct WrittenItem<'a> {
    object: &'static str,
    index: usize,
    embedding: Leaving<'a>,
    #[serde(flatten)]
    extra: Option<&'a Extra>,
}

fn written(response: &EmbedResponse, encoding: Encoding) -> Written<'_> {
    let own = PROTOCOL.accepts(response.origin);
    let is_exact = response.origin == Some(PROTOCOL);
    let items = response.vectors.iter().enumerate().map(|(index, values)| WrittenItem {
        object: OBJECT,
        index,
        embedding: Leaving { values, encoding },
        extra: response.beside.get(index).filter(|_| own),
    });
    Written {
        object: (!is_exact).then_some("list"),
        id: response.id.as_deref(),
        data: items.collect(),
        model: Some(&*response.model).filter(|it| !it.is_empty() || !is_exact),
        usage: response.usage.as_ref().map(|usage| usage_to_json(usage, own)),
        extra: Some(&response.extra).filter(|_| own),
    }
}

/// Sorts the vectors by the number of their input, where they do not come in order.
fn put_in_order(items: &mut [ReadItem]) -> Result<()> {
    let is_at = |(at, item): (usize, &ReadItem)| {
        item.index.is_none_or(|index| usize::try_from(index) == Ok(at))
    };
    if items.iter().enumerate().all(is_at) {
        return Ok(());
    }
    items.sort_by_key(|item| item.index);
    match items.iter().enumerate().all(is_at) {
        true => Ok(()),
        false => {
            let message = "the vectors of the answer are not numbered from 0 on";
            Err(Error::new(ErrorKind::Decode, message))
        }
    }
}

fn inputs_from_json(input: Value) -> Result<(Vec<EmbedInput>, bool)> {
    match input {
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_number) => {
            Ok((vec![input_from_json(Value::Array(list))], true))
        }
        Value::Array(list) => Ok((list.into_iter().map(input_from_json).collect(), false)),
        input @ (Value::String(_) | Value::Object(_)) => Ok((vec![input_from_json(input)], true)),
        _ => Err(invalid("input: a text or a list is missing")),
    }
}

fn input_from_json(input: Value) -> EmbedInput {
    let token = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match input {
        Value::String(text) => EmbedContent::Text(text).into(),
        Value::Array(list) => match list.iter().map(token).collect() {
            Some(tokens) => EmbedContent::Tokens(tokens).into(),
            None => EmbedContent::Other(Value::Array(list)).into(),
        },
        Value::Object(mut extra) => match extra.take_array("content") {
            Some(parts) => {
                let parts = parts.into_iter().map(part_from_json).collect();
                EmbedInput { content: EmbedContent::Parts(parts), extra }
            }
            None => EmbedContent::Other(Value::Object(extra)).into(),
        },
        other => EmbedContent::Other(other).into(),
    }
}

fn input_to_json(input: &EmbedInput, own: bool) -> Result<Value> {
    match &input.content {
        EmbedContent::Text(text) => Ok(text.as_str().into()),
        EmbedContent::Tokens(tokens) => Ok(tokens.as_slice().into()),
        EmbedContent::Parts(parts) => {
            let parts = parts.iter().map(|part| part_to_json(part, own));
            let mut fields = object([("content", parts.collect::<Result<Vec<_>>>()?.into())]);
            if own {
                fields.fill(&input.extra);
            }
            Ok(Value::Object(fields))
        }
        EmbedContent::Other(input) if own => Ok(input.clone()),
        EmbedContent::Other(input) => Err(invalid(format!("input: {PROTOCOL} have no {input}"))),
    }
}

/// Reads usage. Some servers count only the total; a `null` notes that.
fn usage_from_json(mut fields: Map<String, Value>) -> Usage {
    let total = fields.take_u64(TOTAL);
    let prompt = fields.take_u64(PROMPT);
    if prompt.is_none() {
        fields.entry(PROMPT).or_insert(Value::Null);
    }
    Usage { input: prompt.or(total).unwrap_or_default(), total, extra: fields, ..Usage::default() }
}

fn usage_to_json(usage: &Usage, own: bool) -> Value {
    let mut fields = Map::new();
    let is_noted = own && usage.extra.contains_key(PROMPT);
    fields.put(PROMPT, (!is_noted).then_some(usage.input));
    fields.put(TOTAL, usage.total.or((!own).then(|| usage.total())));
    if own {
        fields.fill(&usage.extra);
        if fields.get(PROMPT).is_some_and(Value::is_null) {
            fields.shift_remove(PROMPT);
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests;
