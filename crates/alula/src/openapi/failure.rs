//! Errors in the document.

use http::{Extensions, HeaderMap, Method, Uri};
use serde_json::{Map, Value, json};

use super::Operation;
use crate::{
    error::{ErrorContext, HttpError, RequestHead},
    input::RequestId,
};

impl Operation<'_> {
    /// Describes an error by an example, in the form that errors have here.
    ///
    /// A second error of the same status is described beside the first.
    pub fn error(&mut self, example: &HttpError, description: &str) {
        let status = example.status().as_u16();
        let known = self.response_mut(status).and_then(|response| response.remove("description"));
        self.failure(status, description);
        let format = self.error_format();
        let value = match format.example(example, &self.example_request().context()) {
            Ok(value) => value,
            Err(error) => {
                return self.mistake(format_args!("the form of errors has no example: {error}"));
            }
        };
        let Some(response) = self.response_mut(status) else { return };
        let description = description.trim();
        let text = match known.as_ref().and_then(Value::as_str) {
            Some(known) if known.contains(description) => known.to_owned(),
            Some(known) => format!("{known}\n\n{description}"),
            None => description.to_owned(),
        };
        response.insert("description".to_owned(), text.into());
        for (name, _) in example.headers() {
            let header = json!({ "schema": { "type": "string" } });
            add(response, "headers", name.to_string(), header);
        }
        let media = response.get_mut("content").and_then(|all| all.get_mut(format.media_type()));
        if let Some(media) = media.and_then(Value::as_object_mut) {
            let name = example.error_code().map_or_else(|| slug(&example.message()), str::to_owned);
            let example = json!({ "summary": description, "value": value });
            add(media, "examples", name, example);
        }
    }

    /// Describes an error of a status without an example.
    pub(crate) fn failure(&mut self, status: u16, description: &str) {
        let format = self.error_format();
        let schema = format.schema(self, false);
        self.response(status, description, Some((format.media_type(), schema)));
    }

    /// Sets the text of an answer that is described already.
    pub(crate) fn describe_response(&mut self, status: u16, description: &str) {
        if let Some(response) = self.response_mut(status) {
            response.insert("description".to_owned(), description.into());
        }
    }

    /// A request that could have met an error.
    fn example_request(&self) -> Example {
        let (method, path) = self.title().split_once(' ').unwrap_or(("GET", "/"));
        let mut extensions = Extensions::new();
        extensions.insert(RequestId::made(*b"7c9e6679f3f04b1d9e4a2d6c1f0b8a35"));
        Example {
            method: method.parse().unwrap_or_default(),
            uri: path.parse().unwrap_or_default(),
            headers: HeaderMap::new(),
            extensions,
        }
    }
}

struct Example {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

impl Example {
    fn context(&self) -> ErrorContext<'_> {
        let Self { method, uri, headers, extensions } = self;
        ErrorContext::new(RequestHead { method, uri, headers, extensions }, None)
    }
}

/// Adds an entry to an object inside an object, which is made if it is not there.
fn add(outer: &mut Map<String, Value>, inner: &str, name: String, value: Value) {
    let inner = outer.entry(inner).or_insert_with(|| json!({}));
    if let Some(inner) = inner.as_object_mut() {
        inner.insert(name, value);
    }
}

/// A text as the name of an example.
fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("_").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_called_by_its_text_in_any_script() {
        assert_eq!(slug("The card was declined."), "the_card_was_declined");
        assert_eq!(slug("Die Karte läuft ab"), "die_karte_läuft_ab");
        assert_ne!(slug("卡被拒绝了"), slug("请稍后再试"));
    }
}
