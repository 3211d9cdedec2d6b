//! What an author says about the API and its operations, beyond their types.

use serde_json::{Map, Value};

/// Whom to ask about the API.
///
/// ```
/// use alula::Contact;
///
/// let contact = Contact::new("API team").url("https://shop.example/help").email("api@shop.example");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "give it to `App::contact`"]
pub struct Contact(Map<String, Value>);

impl Contact {
    /// A person or a team.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Map::from_iter([("name".to_owned(), name.into().into())]))
    }

    /// A page to go to.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.0.insert("url".to_owned(), url.into().into());
        self
    }

    /// An address to write to.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.0.insert("email".to_owned(), email.into().into());
        self
    }

    pub(crate) fn into_value(self) -> Value {
        self.0.into()
    }
}

/// The licence of the API.
///
/// ```
/// use alula::License;
///
/// let license = License::spdx("Apache-2.0");
/// let own = License::new("Shop licence").url("https://shop.example/licence");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "give it to `App::license`"]
pub struct License(Map<String, Value>);

impl License {
    /// A licence by its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Map::from_iter([("name".to_owned(), name.into().into())]))
    }

    /// A licence by its SPDX expression, such as `MIT`.
    pub fn spdx(identifier: impl Into<String>) -> Self {
        let identifier = identifier.into();
        let mut license = Self::new(identifier.clone());
        license.0.insert("identifier".to_owned(), identifier.into());
        license
    }

    /// Where its text is. OpenAPI allows this or an SPDX expression, so it takes the place of one.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.0.remove("identifier");
        self.0.insert("url".to_owned(), url.into().into());
        self
    }

    pub(crate) fn into_value(self) -> Value {
        self.0.into()
    }
}

/// An example of a body; a JSON value alone is one, too.
///
/// ```
/// use alula::{Example, Json, post};
/// use serde_json::json;
///
/// async fn create(Json(number): Json<u32>) -> Json<u32> {
///     Json(number)
/// }
///
/// let route = post("/items", create)
///     .example("usual", json!(7))
///     .example("large", Example::new(4_000_000).summary("As large as they come"))
///     .response_example(200, "usual", json!(7));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Example(Map<String, Value>);

impl Example {
    /// An example with its value.
    pub fn new(value: impl Into<Value>) -> Self {
        Self(Map::from_iter([("value".to_owned(), value.into())]))
    }

    /// What it shows, in a line.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.0.insert("summary".to_owned(), summary.into().into());
        self
    }

    /// What it shows, in Markdown.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.0.insert("description".to_owned(), description.into().into());
        self
    }

    pub(crate) fn into_value(self) -> Value {
        self.0.into()
    }
}

impl From<Value> for Example {
    fn from(value: Value) -> Self {
        Self::new(value)
    }
}

/// A link, to more documentation or to a server; an empty description is left out.
pub(crate) fn link(url: impl Into<String>, description: impl Into<String>) -> Value {
    let (url, description) = (url.into(), description.into());
    let description = Some(description).filter(|text| !text.is_empty());
    let entries = [("url", Some(url)), ("description", description)];
    let entry = |(name, text): (&str, Option<String>)| Some((name.to_owned(), text?.into()));
    Value::Object(entries.into_iter().filter_map(entry).collect())
}

/// Puts `extra` into `known`: objects are merged, lists joined, anything else replaced, as
/// FastAPI does with `openapi_extra`.
pub(crate) fn merge(known: &mut Map<String, Value>, extra: Map<String, Value>) {
    for (key, value) in extra {
        match (known.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(extra)) => merge(known, extra),
            (Some(Value::Array(known)), Value::Array(extra)) => known.extend(extra),
            (_, value) => {
                known.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_merged_and_lists_joined() {
        let mut known = json!({"a": {"b": 1, "c": [1]}, "d": "x", "e": {"f": 1}});
        let extra = json!({"a": {"b": 2, "c": [2], "g": null}, "d": ["y"], "e": 3});
        if let (Some(known), Value::Object(extra)) = (known.as_object_mut(), extra) {
            merge(known, extra);
        }
        let expected = json!({"a": {"b": 2, "c": [1, 2], "g": null}, "d": ["y"], "e": 3});
        assert_eq!(known, expected);
    }

    #[test]
    fn a_license_has_an_expression_or_a_url() {
        let license = License::spdx("MIT").url("https://license.example");
        let expected = json!({"name": "MIT", "url": "https://license.example"});
        assert_eq!(license.into_value(), expected);
    }
}
