//! What of a call is compared with a recording.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{Request, header::HeaderMap};
use memchr::memmem;
use serde_json::{Map, Value, json};

use super::{
    Interaction, Miss,
    diff::{canonical, differences},
    format,
    media::Media,
    pointer,
    request::simplified,
};

/// Names of query parameters that are keys.
const SECRET_PARAMETERS: [&str; 10] = [
    "key",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "token",
    "auth",
    "sig",
    "signature",
    "upload_id",
];

/// What takes no part in a comparison.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// Places in the body of a request.
    pub(super) ignored: Vec<String>,
    pub(super) ignored_headers: Vec<String>,
    /// Compares no headers at all.
    pub(super) without_headers: bool,
    /// Pictures and the like, which are compared by their references.
    pub(super) media: Media,
}

impl Rules {
    /// All that is compared of a call, the same for all spellings of it.
    pub(super) fn document(&self, call: &Interaction) -> Value {
        let headers = call.request_headers.iter();
        let headers = headers
            .filter(|(name, _)| !self.without_headers && !self.ignored_headers.contains(name));
        let headers: Map<String, Value> =
            headers.map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let mut query = Map::new();
        let pairs = call.query.as_deref().unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            add(&mut query, name.to_owned(), value.to_owned());
        }
        let (name, body) = match &call.request_bytes {
            Some(bytes) => ("text", format::text_of(bytes).into()),
            None => ("body", self.compared(&call.request)),
        };
        json!({
            "method": call.method, "path": call.path, "query": query, "headers": headers,
            name: body,
        })
    }

    fn compared(&self, request: &Value) -> Value {
        let mut body = simplified(request);
        self.ignored.iter().for_each(|it| pointer::remove(&mut body, it));
        self.media.set_aside(&mut body);
        body
    }

    /// What says whether two calls are the same.
    pub(super) fn key(&self, call: &Interaction) -> String {
        canonical(&self.document(call))
    }

    /// Says why none of the recordings is this call: by the one that comes nearest.
    pub(super) fn miss<'a>(
        &self,
        call: &Interaction,
        recorded: impl Iterator<Item = &'a Interaction>,
    ) -> Miss {
        // A path that differs outweighs whatever differs in the body.
        const DIFFERENCES_COUNTED_MAX: usize = 1000;
        let document = self.document(call);
        let compared = recorded.map(|it| {
            let found = differences(&self.document(it), &document, DIFFERENCES_COUNTED_MAX);
            let elsewhere = it.path != call.path || it.method != call.method;
            (elsewhere, found, it)
        });
        let nearest = compared.min_by_key(|(elsewhere, found, _)| (*elsewhere, found.len()));
        let (differences, nearest) =
            nearest.map(|(_, found, it)| (found, Some(it.file.clone()))).unwrap_or_default();
        Miss::new(call, nearest, differences)
    }
}

/// A request as it came, before it has an answer. Keys are left out of it.
pub(super) fn read_request(request: &Request<Bytes>) -> Interaction {
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let (json, request_bytes) = read_body(without_boundary(request.headers(), request.body()));
    Interaction {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().and_then(without_keys),
        request_headers: compared_headers(headers),
        request: json,
        request_bytes,
        ..Interaction::default()
    }
}

/// The headers of a request that are compared, sorted, and each in one spelling.
pub(super) fn compared_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut compared: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.filter(|(name, _)| is_compared(name)) {
        let value = match name {
            // A type of content is the same with and without its parameters.
            "content-type" => value.split(';').next().unwrap_or_default().trim(),
            // What accepts everything says nothing.
            "accept" if value == "*/*" => continue,
            _ => value,
        };
        let values = compared.entry(name.to_owned()).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(&value.to_ascii_lowercase());
    }
    compared.into_iter().collect()
}

/// Whether a header of a request takes part in a comparison.
fn is_compared(name: &str) -> bool {
    // SDKs send their own version and that of the machine they run on under this prefix.
    let is_version = name.ends_with("-version") && !name.starts_with("x-stainless-");
    matches!(name, "content-type" | "accept") || is_version || name.ends_with("-beta")
}

/// JSON, or the bytes that are none.
pub(super) fn read_body(body: Bytes) -> (Value, Option<Bytes>) {
    match serde_json::from_slice(&body) {
        Ok(Value::Null) | Err(_) if !body.is_empty() => (Value::Null, Some(body)),
        Ok(json) => (json, None),
        Err(_) => (Value::Null, None),
    }
}

/// The query without its keys.
pub(super) fn without_keys(query: &str) -> Option<String> {
    let pairs = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        !SECRET_PARAMETERS.contains(&&*name) && !name.starts_with("x-amz-")
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    (!query.is_empty()).then_some(query)
}

/// A form, whose boundary is another one each time, with one that stays the same.
fn without_boundary(headers: &HeaderMap, body: &Bytes) -> Bytes {
    const BOUNDARY: &[u8] = b"boundary";
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let boundary = content_type
        .filter(|value| value.starts_with("multipart/"))
        .and_then(|value| value.split_once("boundary="))
        .map(|(_, value)| value.split(';').next().unwrap_or_default().trim_matches('"'));
    let Some(boundary) = boundary.filter(|it| !it.is_empty()) else { return body.clone() };
    let mut same = Vec::with_capacity(body.len());
    let mut rest: &[u8] = body;
    while let Some(at) = memmem::find(rest, boundary.as_bytes()) {
        let (before, after) = rest.split_at(at);
        same.extend_from_slice(before);
        same.extend_from_slice(BOUNDARY);
        rest = after.get(boundary.len()..).unwrap_or_default();
    }
    same.extend_from_slice(rest);
    same.into()
}

/// Adds a value; a name that comes again has a list.
fn add(map: &mut Map<String, Value>, name: String, value: String) {
    match map.get_mut(&name) {
        None => drop(map.insert(name, value.into())),
        Some(Value::Array(values)) => values.push(value.into()),
        Some(first) => *first = json!([first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(uri: &str, headers: &[(&str, &str)], body: &str) -> Interaction {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read_request(&request.body(Bytes::from(body.to_owned())).unwrap())
    }

    #[track_caller]
    fn check(a: &Interaction, b: &Interaction, same: bool) {
        let rules = Rules::default();
        assert_eq!(rules.key(a) == rules.key(b), same, "{a:?} and {b:?}");
    }

    #[test]
    fn a_call_is_the_same_however_it_is_spelled() {
        let plain = call("/x?a=1&b=2", &[], r#"{"model":"m","n":1}"#);
        check(&plain, &call("/x?b=2&key=k&a=1", &[], r#"{"n":1.0, "model":"m"}"#), true);
        check(
            &plain,
            &call(
                "/x?a=1&b=2",
                &[("accept", "*/*"), ("user-agent", "x")],
                r#"{"model":"m","n":1,"stream":false}"#,
            ),
            true,
        );
        check(&plain, &call("/x?a=1", &[], r#"{"model":"m","n":1}"#), false);
        check(&plain, &call("/y?a=1&b=2", &[], r#"{"model":"m","n":1}"#), false);
        check(&plain, &call("/x?a=1&b=2", &[], r#"{"model":"m","n":2}"#), false);
    }

    #[test]
    fn only_headers_that_say_what_a_call_means_are_compared() {
        let plain = call("/x", &[], "{}");
        for (name, value, same) in [
            ("authorization", "Bearer other", true),
            ("x-stainless-package-version", "1.2.3", true),
            ("openai-beta", "assistants=v2", false),
            ("anthropic-version", "2023-06-01", false),
            ("accept", "text/event-stream", false),
            ("content-type", "application/json", false),
        ] {
            check(&plain, &call("/x", &[(name, value)], "{}"), same);
        }
        let json = |value| call("/x", &[("content-type", value)], "{}");
        check(&json("application/json"), &json("Application/JSON; charset=utf-8"), true);
        let rules = Rules { ignored_headers: vec!["accept".to_owned()], ..Rules::default() };
        assert_eq!(rules.key(&plain), rules.key(&call("/x", &[("accept", "a/b")], "{}")));
    }

    #[test]
    fn places_can_be_left_out() {
        let rules = Rules { ignored: vec!["/messages/*/id".to_owned()], ..Rules::default() };
        let asked = |id| call("/x", &[], &format!(r#"{{"messages":[{{"id":"{id}","n":1}}]}}"#));
        assert_eq!(rules.key(&asked("a")), rules.key(&asked("b")));
        assert_eq!(
            rules.key(&asked("a")),
            rules.key(&call("/x", &[], r#"{"messages":[{"n":1}]}"#))
        );
    }

    #[test]
    fn a_form_is_the_same_with_another_boundary() {
        let form = |boundary: &str, value: &str| {
            let content_type = format!("multipart/form-data; boundary={boundary}");
            let body = format!("--{boundary}\r\n\r\n{value}\r\n--{boundary}--\r\n");
            call("/x", &[("content-type", &content_type)], &body)
        };
        check(&form("aaa", "1"), &form("\"bbb\"", "1"), false);
        check(&form("aaa", "1"), &form("bbbb", "1"), true);
        check(&form("aaa", "1"), &form("aaa", "2"), false);
    }

    #[test]
    fn a_miss_names_the_nearest_call_and_what_differs() {
        let mut recorded = [call("/v1/a", &[], r#"{"n":1}"#), call("/v1/b", &[], r#"{"n":2}"#)];
        recorded[1].file = "b.jsonl".into();
        let miss = |asked: &Interaction| Rules::default().miss(asked, recorded.iter()).to_string();
        assert_eq!(
            miss(&call("/v1/b?x=1", &[], r#"{"n":3}"#)),
            "no recording of POST /v1/b matches; the nearest is b.jsonl\n  \
             /query/x: expected nothing, got \"1\"\n  /body/n: expected 2, got 3"
        );
        assert_eq!(
            miss(&call("/b", &[], r#"{"n":2}"#)),
            "no recording of POST /b matches; the nearest is b.jsonl\n  \
             /path: expected \"/v1/b\", got \"/b\""
        );
        assert_eq!(
            miss(&recorded[1]),
            "POST /v1/b was asked more often than it is recorded in b.jsonl"
        );
        let none = Rules::default().miss(&recorded[0], [].iter()).to_string();
        assert_eq!(none, "there is no recording of POST /v1/a");
    }

    #[test]
    fn a_query_loses_its_keys() {
        assert_eq!(without_keys("alt=sse&key=k&X-Amz-Signature=s").as_deref(), Some("alt=sse"));
        assert_eq!(without_keys("key=k"), None);
        assert_eq!(without_keys("pageToken=1&keys=2").as_deref(), Some("pageToken=1&keys=2"));
    }
}
