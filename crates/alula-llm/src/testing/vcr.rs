//! Cassettes of VCR.py: a list of interactions in YAML.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::Url;
use serde_json::{Map, Value};

use super::{
    Interaction, LoadError,
    encoding::decoded,
    matching::{compared_headers, read_body, without_keys},
    yaml,
};

/// Reads all interactions that are calls over HTTP.
pub(super) fn read(file: &Path, text: &str) -> Result<Vec<Interaction>, LoadError> {
    let value = yaml::parse(text).map_err(|error| LoadError::new(file, error))?;
    let list = value.get("interactions").and_then(Value::as_array);
    let list = list.ok_or_else(|| LoadError::new(file, "it has no list of interactions"))?;
    list.iter().filter_map(|it| interaction(file, it).transpose()).collect()
}

/// A call over HTTP, with its answer as it was before it was compressed.
fn interaction(file: &Path, value: &Value) -> Result<Option<Interaction>, LoadError> {
    const ENCODING: &str = "content-encoding";
    let Some(mut call) = call(file, value) else { return Ok(None) };
    let encoding = call.header(ENCODING).unwrap_or_default();
    let body = decoded(encoding, &call.body)
        .map_err(|reason| LoadError::new(file, format_args!("{}: {reason}", call.call())))?;
    call.headers.retain(|(name, _)| name != ENCODING);
    Ok(Some(Interaction { body, ..call }))
}

fn call(file: &Path, value: &Value) -> Option<Interaction> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a":1}`, by gzip.
    const GZIP: &str = "H4sIAAAAAAAC/6tWSlSyMqwFAK+sG1YHAAAA";

    fn recorded(encoding: &str, body: &str) -> Result<Vec<Interaction>, LoadError> {
        let text = format!(
            "interactions:\n- request: {{method: POST, uri: 'https://x.example/v1/y', body: '{{}}'}}\n  \
             response:\n    status: {{code: 200}}\n    headers: {{content-encoding: [{encoding}]}}\n    \
             body: {{string: !!binary '{body}'}}\n"
        );
        read(Path::new("a.yaml"), &text)
    }

    #[test]
    fn a_compressed_answer_is_read() {
        let calls = recorded("gzip", GZIP).unwrap();
        assert_eq!((calls.len(), &*calls[0].body), (1, &b"{\"a\":1}"[..]));
        assert_eq!(calls[0].header("content-encoding"), None);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_an_error() {
        let error = recorded("zstd", "KLUv/SQH").unwrap_err().to_string();
        assert!(
            error.starts_with("a.yaml: POST /v1/y: a body is compressed by \"zstd\""),
            "{error}"
        );
    }
}
