//! Forms to send.

use axum::body::Bytes;
use memchr::memmem;
use serde::Serialize;
use serde_json::Value;

/// A `multipart/form-data` form, for [`TestRequest::multipart`](super::TestRequest::multipart).
///
/// Names are written as browsers write them.
///
/// ```
/// use alula::testing::TestForm;
///
/// let form = TestForm::new()
///     .text("title", "A wing")
///     .file("file", "wing.png", "image/png", vec![0x89, b'P', b'N', b'G']);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a form does nothing until a request sends it"]
pub struct TestForm {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    head: String,
    content: Bytes,
}

impl TestForm {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text. A name may come more than once.
    pub fn text(mut self, name: &str, text: impl Into<String>) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", escape(name));
        self.parts.push(Part { head, content: text.into().into() });
        self
    }

    /// Adds a file; an empty content type sends none.
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl Into<Bytes>,
    ) -> Self {
        let (name, file_name) = (escape(name), escape(file_name));
        let mut head = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n"
        );
        if !content_type.is_empty() {
            head.push_str("Content-Type: ");
            head.push_str(content_type);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        self.parts.push(Part { head, content: content.into() });
        self
    }

    /// The content type and the body.
    pub(super) fn encode(self) -> (String, Vec<u8>) {
        let boundary = self.boundary();
        let mut body = Vec::new();
        for part in self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{}", part.head).as_bytes());
            body.extend_from_slice(&part.content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// A boundary that no part contains.
    fn boundary(&self) -> String {
        let mut number = 0_u64;
        loop {
            let boundary = format!("alula-boundary-{number}");
            let finder = memmem::Finder::new(&boundary);
            if self.parts.iter().all(|part| finder.find(&part.content).is_none()) {
                return boundary;
            }
            number += 1;
        }
    }
}

/// As the HTML standard has it.
fn escape(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A struct, a map or a list of pairs in `application/x-www-form-urlencoded`; a list as a value
/// repeats its name.
pub(super) fn url_encoded<T: Serialize + ?Sized>(form: &T) -> Result<String, String> {
    let form = serde_json::to_value(form).map_err(|error| error.to_string())?;
    let pairs: Vec<(String, Value)> = match form {
        Value::Object(entries) => entries.into_iter().collect(),
        pairs => serde_json::from_value(pairs).map_err(|error| error.to_string())?,
    };
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            match value {
                Value::Null => {}
                Value::String(text) => {
                    encoded.append_pair(&name, &text);
                }
                Value::Bool(_) | Value::Number(_) => {
                    encoded.append_pair(&name, &value.to_string());
                }
                Value::Array(_) | Value::Object(_) => {
                    return Err(format!("no form can hold the value of `{name}`"));
                }
            }
        }
    }
    Ok(encoded.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_boundary_is_in_no_part() {
        let form = TestForm::new().text("a", "x\r\n--alula-boundary-0\r\n");
        assert_eq!(form.boundary(), "alula-boundary-1");
    }

    #[test]
    fn structs_maps_and_pairs_are_url_encoded() {
        let form = json!({ "a": "x&y", "b": [1, true], "c": null, "d": "" });
        assert_eq!(url_encoded(&form).unwrap(), "a=x%26y&b=1&b=true&d=");
        assert_eq!(url_encoded(&[("a", "1"), ("a", "2")]).unwrap(), "a=1&a=2");
        assert!(url_encoded(&json!({ "a": {} })).unwrap_err().contains("`a`"));
        assert!(url_encoded(&3).is_err());
    }
}
