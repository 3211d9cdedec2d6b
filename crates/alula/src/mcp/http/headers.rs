//! Headers of requests, which repeat what stands in them so that nobody on the way need read them.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use serde_json::Value;

use crate::mcp::{
    context::Era,
    message::{LEGACY, MODERN, Params, Request, RpcError},
    registry::Registry,
};

pub(in crate::mcp) const VERSION: &str = "mcp-protocol-version";
pub(super) const SESSION: &str = "mcp-session-id";

/// Which revision a request is of.
pub(in crate::mcp) fn era(headers: &HeaderMap, params: &Params<'_>) -> Result<Era, RpcError> {
    let header = match headers.get(VERSION).map(|value| value.to_str()) {
        None => None,
        Some(Ok(version)) => Some(version),
        Some(Err(_)) => return Err(mismatch("MCP-Protocol-Version is no text")),
    };
    match (header, params.modern()) {
        (None, None) => Ok(Era::Legacy),
        (None, Some(_)) => Err(mismatch("the header MCP-Protocol-Version is missing")),
        (Some(header), Some(body)) if header != body => Err(mismatch(&format!(
            "MCP-Protocol-Version is '{header}', and the request says '{body}'"
        ))),
        (Some(MODERN), _) => Ok(Era::Modern),
        (Some(header), None) if LEGACY.contains(&header) => Ok(Era::Legacy),
        (Some(header), _) => Err(RpcError::unsupported_version(header)),
    }
}

/// Whether the headers of a request say what it says itself.
pub(in crate::mcp) fn check(
    headers: &HeaderMap,
    request: &Request,
    params: &Params<'_>,
    registry: &Registry,
) -> Result<(), RpcError> {
    agree(headers, "mcp-method", &request.method)?;
    let name = match request.method.as_str() {
        "tools/call" | "prompts/get" => params.name.as_deref(),
        "resources/read" => params.uri.as_deref(),
        _ => None,
    };
    let Some(name) = name else { return Ok(()) };
    agree(headers, "mcp-name", name)?;
    let tool = (request.method == "tools/call").then(|| registry.tools.find(name)).flatten();
    let Some(tool) = tool.filter(|tool| !tool.item.headers.is_empty()) else { return Ok(()) };
    let arguments = params.arguments.map(|raw| serde_json::from_str(raw.get()));
    let arguments: Value = arguments.and_then(Result::ok).unwrap_or_default();
    for parameter in &tool.item.headers {
        let value = parameter.path.iter().try_fold(&arguments, |value, name| value.get(name));
        match value.filter(|value| !value.is_null()) {
            Some(value) => agree_on_value(headers, parameter.header.as_str(), value)?,
            // Nobody need send it; who does says something that the request does not.
            None if headers.contains_key(&parameter.header) => {
                let header = &parameter.header;
                return Err(mismatch(&format!("{header} is there, and its argument is not")));
            }
            None => {}
        }
    }
    Ok(())
}

fn agree(headers: &HeaderMap, name: &str, expected: &str) -> Result<(), RpcError> {
    let found = decoded(headers, name)?;
    match found == expected {
        true => Ok(()),
        false => Err(mismatch(&format!("{name} is '{found}', and the request says '{expected}'"))),
    }
}

fn agree_on_value(headers: &HeaderMap, name: &str, expected: &Value) -> Result<(), RpcError> {
    let found = decoded(headers, name)?;
    let is_same = match expected {
        Value::String(text) => found == *text,
        // `42.0` is 42.
        Value::Number(number) => {
            found.parse::<f64>().is_ok_and(|found| Some(found) == number.as_f64())
        }
        value => found == value.to_string(),
    };
    match is_same {
        true => Ok(()),
        false => Err(mismatch(&format!("{name} is '{found}', and its argument is {expected}"))),
    }
}

/// The value of a header, which may be encoded.
fn decoded<'a>(headers: &'a HeaderMap, name: &str) -> Result<Cow<'a, str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| mismatch(&format!("the header {name} is missing")))?;
    if values.next().is_some() {
        return Err(mismatch(&format!("the header {name} is there twice")));
    }
    let is_odd = || mismatch(&format!("the value of {name} cannot be read"));
    let text = value.to_str().map_err(|_| is_odd())?.trim();
    let encoded = text.strip_prefix("=?base64?").and_then(|text| text.strip_suffix("?="));
    let Some(encoded) = encoded else { return Ok(text.into()) };
    let bytes = STANDARD.decode(encoded).map_err(|_| is_odd())?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| is_odd())
}

fn mismatch(what: &str) -> RpcError {
    RpcError::new(RpcError::HEADER_MISMATCH, format!("Header mismatch: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn era_of(header: Option<&'static str>, body: &str) -> Result<Era, i32> {
        let headers = header.map_or_else(HeaderMap::new, |version| headers(&[(VERSION, version)]));
        let params = match body {
            "" => "{}".to_owned(),
            version => {
                format!(r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}"}}}}"#)
            }
        };
        era(&headers, &Params::parse(params.as_bytes()).unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn the_revision_is_in_the_header_and_in_the_request() {
        assert_eq!(era_of(None, ""), Ok(Era::Legacy));
        assert_eq!(era_of(Some("2025-06-18"), ""), Ok(Era::Legacy));
        assert_eq!(era_of(Some(MODERN), ""), Ok(Era::Modern));
        assert_eq!(era_of(Some(MODERN), MODERN), Ok(Era::Modern));
        assert_eq!(era_of(Some(MODERN), "x"), Err(RpcError::HEADER_MISMATCH));
        assert_eq!(era_of(None, MODERN), Err(RpcError::HEADER_MISMATCH));
        assert_eq!(era_of(Some("x"), "x"), Err(RpcError::UNSUPPORTED_VERSION));
        assert_eq!(era_of(Some("x"), ""), Err(RpcError::UNSUPPORTED_VERSION));
    }

    #[test]
    fn values_may_be_encoded() {
        let headers = headers(&[("a", " x "), ("b", "=?base64?Y2Fmw6k=?="), ("c", "=?base64?!?=")]);
        assert_eq!(decoded(&headers, "a").unwrap(), "x");
        assert_eq!(decoded(&headers, "b").unwrap(), "café");
        assert!(decoded(&headers, "c").is_err() && decoded(&headers, "d").is_err());
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let headers = headers(&[("n", "42.0"), ("flag", "true")]);
        assert!(agree_on_value(&headers, "n", &42.into()).is_ok());
        assert!(agree_on_value(&headers, "n", &43.into()).is_err());
        assert!(agree_on_value(&headers, "flag", &true.into()).is_ok());
    }
}
