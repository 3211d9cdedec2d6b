//! Values that no log and no answer shows.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::{
    input::constant_time_eq,
    schema::MASK,
    validate::{Report, Validate, constraint::Keeps},
};

/// A value that is not shown: a key, a password, an address with a password in it.
///
/// `Debug`, `Display` and `Serialize` write `…` in its place, and the schema says
/// `"writeOnly": true`, with `"format": "password"` for text. A mistake in a secret is told
/// without its value, and other mistakes show `…` for every field of its name. [`expose`](Self::expose) is the one way to read it, and easy to search for.
///
/// It is read like its content, also in a form or a body. The memory is not wiped when it is
/// dropped.
///
/// ```
/// use alula::Secret;
///
/// let key = Secret::new("sk-1234".to_owned());
/// assert_eq!(format!("{key} {key:?}"), "… …");
/// assert_eq!(serde_json::to_string(&key).unwrap(), "\"…\"");
/// assert_eq!(key.expose(), "sk-1234");
/// ```
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, no longer hidden.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: AsRef<[u8]>> Secret<T> {
    /// Whether a candidate, such as a key that a client sent, is the secret.
    ///
    /// The time does not tell how much of the candidate is right, as that of `==` would; see
    /// [`constant_time_eq`].
    ///
    /// ```
    /// use alula::Secret;
    ///
    /// let key = Secret::new("sk-1234");
    /// assert!(key.matches("sk-1234"));
    /// assert!(!key.matches("sk-1235"));
    /// ```
    pub fn matches(&self, candidate: impl AsRef<[u8]>) -> bool {
        constant_time_eq(self.0.as_ref(), candidate.as_ref())
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<T: JsonSchema> JsonSchema for Secret<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Secret_{}", T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("{}::Secret<{}>", module_path!(), T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        if generator.contract().is_serialize() {
            let mask = json!({"type": "string", "format": "password"});
            return Schema::try_from(mask).unwrap_or_default();
        }
        let mut schema = generator.subschema_for::<T>();
        schema.insert("writeOnly".to_owned(), Value::Bool(true));
        if schema.get("type").is_some_and(|name| name == "string") && schema.get("format").is_none()
        {
            schema.insert("format".to_owned(), Value::from("password"));
        }
        schema
    }
}

impl<T: Validate> Validate for Secret<T> {
    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }

    fn report(&self, report: &mut Report) {
        self.0.report(report);
    }
}

impl<C: ?Sized, T: Keeps<C>> Keeps<C> for Secret<T> {
    fn keeps(&self, constraint: &C) -> bool {
        self.0.keeps(constraint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_and_never_written() {
        let secret: Secret<String> = serde_json::from_str("\"sk-canary\"").unwrap();
        let shown = format!("{secret}{secret:?}{}", serde_json::to_string(&secret).unwrap());
        assert_eq!(shown, "……\"…\"");
        assert_eq!(secret.expose(), "sk-canary");
        assert_eq!(secret.into_inner(), "sk-canary");
    }

    #[test]
    fn the_schema_says_that_it_is_only_written() {
        #[expect(dead_code, reason = "only its schema matters")]
        #[derive(JsonSchema)]
        struct Keys {
            key: Secret<String>,
            spare: Option<Secret<String>>,
            pin: Secret<u16>,
        }
        let schema = schemars::schema_for!(Keys);
        let property = |name| schema.get("properties").and_then(|it| it.get(name)).cloned();
        let key = json!({"type": "string", "format": "password", "writeOnly": true});
        assert_eq!(property("key"), Some(key));
        let spare = json!({"type": ["string", "null"], "format": "password", "writeOnly": true});
        assert_eq!(property("spare"), Some(spare));
        let pin = property("pin").unwrap();
        assert_eq!((&pin["format"], &pin["writeOnly"]), (&json!("uint16"), &json!(true)));
    }

    #[test]
    fn its_content_is_checked() {
        #[derive(Deserialize, JsonSchema, alula::Validate)]
        struct Keys {
            #[schemars(length(min = 4))]
            key: Option<Secret<String>>,
        }
        let keys = |key: &str| Keys { key: Some(Secret::new(key.to_owned())) };
        assert!(keys("long").is_valid() && !keys("abc").is_valid());
        let schema = schemars::schema_for!(Keys);
        assert_eq!(schema.as_value()["properties"]["key"]["minLength"], 4);
    }

    #[test]
    fn only_the_whole_secret_matches() {
        let secret = Secret::new("abc".to_owned());
        assert!(secret.matches("abc"));
        for candidate in ["", "ab", "abd", "abcd", "xbc"] {
            assert!(!secret.matches(candidate), "{candidate}");
        }
        assert!(Secret::new("").matches(""));
    }
}
