use std::{cmp::Reverse, fmt};

/// A provider's API key, which no log can show.
///
/// There is no `Display`, and `Debug` prints only the type's name.
///
/// ```
/// use alula_llm::ApiKey;
///
/// let key = ApiKey::new("sk-very-secret");
/// assert_eq!(format!("{key:?}"), "ApiKey(***)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Box<str>);

impl ApiKey {
    /// Takes the key; white space around it, as left by files and copies, is removed.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().into())
    }

    /// The key itself, for the one header that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// Everything that no text of a provider may repeat.
pub(crate) struct Secrets<'a>(Vec<&'a str>);

impl<'a> Secrets<'a> {
    /// The key, and the values of the headers that a user set: keys have many names.
    ///
    /// Of a value such as `Bearer sk-…` what follows the scheme is one too. Values of less than
    /// eight bytes are words that occur anywhere.
    pub(crate) fn new(key: Option<&'a ApiKey>, headers: &'a [(String, String)]) -> Self {
        const HEADER_BYTES_MIN: usize = 8;
        let values = headers.iter().flat_map(|(_, value)| {
            let value = value.trim();
            let credentials = value.split_once(' ').map(|(_, credentials)| credentials.trim());
            [Some(value), credentials]
        });
        let values = values.flatten().filter(|value| value.len() >= HEADER_BYTES_MIN);
        let mut secrets: Vec<&str> = key.map(ApiKey::expose).into_iter().chain(values).collect();
        secrets.retain(|secret| !secret.is_empty());
        // What holds another one goes first, or a part of it would stay.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        Self(secrets)
    }

    /// Replaces them wherever the text repeats them.
    pub(crate) fn redact(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret) { text.replace(secret, "***") } else { text }
        })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}

impl From<String> for ApiKey {
    fn from(key: String) -> Self {
        Self::new(key)
    }
}
