//! Cassettes of VCR.py: a list of interactions in YAML.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::Url;
use serde_json::{Map, Value};

use super::{
    Interaction, LoadError,
    matching::{compared_headers, read_body, without_keys},
    yaml,
};

/// Reads all interactions that are calls over HTTP.
pub(super) fn read(file: &Path, text: &str) -> Result<Vec<Interaction>, LoadError> {
    let value = yaml::parse(text).map_err(|error| LoadError::new(file, error))?;
    let list = value.get("interactions").and_then(Value::as_array);
    let list = list.ok_or_else(|| LoadError::new(file, "it has no list of interactions"))?;
    Ok(list.iter().filter_map(|it| interaction(file, it)).collect())
}

fn interaction(file: &Path, value: &Value) -> Option<Interaction> {
    let request = value.get("request")?;
    let response = value.get("response")?;
    let url = Url::parse(request.get("uri")?.as_str()?).ok()?;
    let status = response.get("status")?;
    let status = status.get("code").unwrap_or(status).as_u64()?;
    let request_headers = headers(request);
    let request_headers =
        compared_headers(request_headers.iter().map(|(name, value)| (&**name, &**value)));
    let (json, bytes) = request_body(request);
    Some(Interaction {
        file: file.to_owned(),
        method: request.get("method")?.as_str()?.to_ascii_uppercase(),
        host: url.host_str().unwrap_or_default().to_owned(),
        path: url.path().to_owned(),
        query: url.query().and_then(without_keys),
        request_headers,
        request: json,
        request_bytes: bytes,
        status: status.try_into().ok()?,
        headers: headers(response),
        body: body(response)?,
        ..Interaction::default()
    })
}

/// The body of a request, as JSON where it is some.
fn request_body(request: &Value) -> (Value, Option<Bytes>) {
    match parsed_body(request) {
        Some(body) => (body.clone(), None),
        None => read_body(body(request).unwrap_or_default()),
    }
}

/// A body that is JSON already: in a place of its own, or with its type beside it.
fn parsed_body(message: &Value) -> Option<&Value> {
    let typed = || {
        let body = message.get("body")?;
        (body.get("type")? == "json").then(|| body.get("content"))?
    };
    message.get("parsed_body").or_else(typed)
}

fn body(message: &Value) -> Option<Bytes> {
    if let Some(body) = parsed_body(message) {
        return Some(body.to_string().into());
    }
    let body = message.get("body")?;
    // A request has the text itself, a response puts it under `string`, and newer recorders put
    // both under `content`.
    let body = body.get("string").or_else(|| body.get("content")).unwrap_or(body);
    match body.get(yaml::BINARY) {
        Some(data) => STANDARD.decode(data.as_str()?).ok().map(Bytes::from),
        None => Some(body.as_str()?.to_owned().into()),
    }
}

fn headers(message: &Value) -> Vec<(String, String)> {
    let empty = Map::new();
    let headers = message.get("headers").and_then(Value::as_object).unwrap_or(&empty);
    let mut list = Vec::with_capacity(headers.len());
    for (name, values) in headers {
        let values = match values {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values.into_iter().filter_map(Value::as_str) {
            list.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    list
}
