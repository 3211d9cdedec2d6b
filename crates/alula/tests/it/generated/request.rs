//! Requests for an operation, as the document describes them, and then often worse.

use std::fmt;

use alula::{
    Body,
    http::{HeaderName, HeaderValue, Method, Request, Uri},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;

use super::{
    document::{Document, Operation, Parameter},
    mutation,
    random::Random,
    value::{Maker, Medium},
};

/// The separator of the parts of a multipart body.
const BOUNDARY: &str = "generated-boundary";

/// A request, and what is known about it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) operation: usize,
    pub(super) method: Vec<u8>,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// A query that stands in for the pairs.
    pub(super) raw_query: Option<String>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// Whether it keeps everything that the document asks for.
    pub(super) valid: bool,
    /// Whether it is still addressed to its operation.
    pub(super) addressed: bool,
}

pub(super) fn generate(document: &Document, random: &mut Random) -> Sent {
    let at = random.below(document.operations.len());
    let operation = &document.operations[at];
    let mut sent = Sent {
        operation: at,
        method: operation.method.clone().into_bytes(),
        path: operation.path.clone(),
        query: Vec::new(),
        raw_query: None,
        headers: Vec::new(),
        body: Vec::new(),
        valid: true,
        addressed: true,
    };
    let mut maker = Maker { document, random, medium: Medium::Text, sure: true };
    let mut cookies = Vec::new();
    for parameter in &operation.parameters {
        sent.add_parameter(parameter, &mut maker, &mut cookies);
    }
    sent.add_credentials(document, operation, &mut maker, &mut cookies);
    if !cookies.is_empty() {
        sent.headers.push(("cookie".to_owned(), cookies.join("; ").into_bytes()));
    }
    sent.add_body(operation, &mut maker);
    sent.valid = maker.sure;
    for _ in 0..[0, 0, 1, 1, 2, 4][random.below(6)] {
        mutation::apply(&mut sent, document, random);
    }
    sent
}

impl Sent {
    fn add_parameter(
        &mut self,
        parameter: &Parameter,
        maker: &mut Maker<'_>,
        cookies: &mut Vec<String>,
    ) {
        if !parameter.required && maker.random.one_in(2) {
            return;
        }
        let escaped = matches!(parameter.place.as_str(), "path" | "query");
        maker.medium = if escaped { Medium::Text } else { Medium::Plain };
        let values = match maker.make(&parameter.schema, 1) {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let mut text = plain(&value);
            // An empty segment is another path, and an empty header may be none.
            if text.is_empty() && parameter.place != "query" {
                maker.sure &= parameter.place != "path";
                text.push('x');
            }
            match parameter.place.as_str() {
                "path" => {
                    let text = percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
                    self.path = self.path.replace(&format!("{{{}}}", parameter.name), &text);
                }
                "query" => self.query.push((parameter.name.clone(), text)),
                "header" => self.headers.push((parameter.name.clone(), text.into_bytes())),
                _ => cookies.push(format!("{}={text}", parameter.name)),
            }
        }
    }

    fn add_credentials(
        &mut self,
        document: &Document,
        operation: &Operation,
        maker: &mut Maker<'_>,
        cookies: &mut Vec<String>,
    ) {
        if operation.security.is_empty() {
            return;
        }
        for name in maker.random.choose(&operation.security) {
            let scheme = &document.security_schemes[name];
            let text = |name: &str| scheme[name].as_str().unwrap_or_default().to_owned();
            match (text("type").as_str(), text("in").as_str()) {
                ("apiKey", "query") => self.query.push((text("name"), "key".to_owned())),
                ("apiKey", "cookie") => cookies.push(format!("{}=key", text("name"))),
                ("apiKey", _) => self.headers.push((text("name"), b"key".to_vec())),
                _ if text("scheme") == "basic" => {
                    self.headers.push(("authorization".to_owned(), b"Basic YTpi".to_vec()));
                }
                _ => self.headers.push(("authorization".to_owned(), b"Bearer token".to_vec())),
            }
        }
    }

    fn add_body(&mut self, operation: &Operation, maker: &mut Maker<'_>) {
        if operation.bodies.is_empty() {
            return;
        }
        let (kind, schema) = maker.random.choose(&operation.bodies);
        maker.medium = if kind.ends_with("json") { Medium::Json } else { Medium::Text };
        let value = maker.make(schema, 0);
        let (kind, body) = match kind.as_str() {
            "application/x-www-form-urlencoded" => (kind.clone(), encode_form(&value)),
            "multipart/form-data" => {
                (format!("{kind}; boundary={BOUNDARY}"), encode_parts(&value, schema, maker))
            }
            _ if kind.ends_with("json") => (kind.clone(), value.to_string().into_bytes()),
            _ => (kind.clone(), plain(&value).into_bytes()),
        };
        self.body = body;
        self.headers.push(("content-type".to_owned(), kind.into_bytes()));
    }

    /// The request, as far as HTTP can carry it: what no header or URI can hold is left out.
    pub(super) fn to_http(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        if let Ok(method) = Method::from_bytes(&self.method) {
            *request.method_mut() = method;
        }
        if let Ok(uri) = self.target().parse::<Uri>() {
            *request.uri_mut() = uri;
        }
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_bytes(value))
            {
                request.headers_mut().append(name, value);
            }
        }
        request
    }

    fn target(&self) -> String {
        let query = match &self.raw_query {
            Some(query) => query.clone(),
            None => encode_pairs(&self.query),
        };
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = String::from_utf8_lossy(&self.method);
        write!(f, "{method} {}", self.target())?;
        for (name, value) in &self.headers {
            write!(f, "\n{name}: {}", String::from_utf8_lossy(value))?;
        }
        write!(f, "\n\n{}", String::from_utf8_lossy(&self.body))
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn encode_pairs(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// The fields of an object as pairs; a list repeats its name.
fn fields(value: &Value) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Array(values) => {
                fields.extend(values.iter().map(|value| (name.clone(), plain(value))));
            }
            value => fields.push((name.clone(), plain(value))),
        }
    }
    fields
}

fn encode_form(value: &Value) -> Vec<u8> {
    encode_pairs(&fields(value)).into_bytes()
}

fn encode_parts(value: &Value, schema: &Value, maker: &mut Maker<'_>) -> Vec<u8> {
    let properties = maker.document.resolve(schema)["properties"].clone();
    let mut body = String::new();
    for (name, text) in fields(value) {
        let property = properties[&name].to_string();
        let file = property.contains("octet-stream") || property.contains("binary");
        let file = if file { "; filename=\"a b.txt\"\r\ncontent-type: text/plain" } else { "" };
        body += &format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n"
        );
    }
    body += &format!("--{BOUNDARY}--\r\n");
    body.into_bytes()
}
