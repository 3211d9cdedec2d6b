use std::fmt;

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

    /// Replaces the key wherever a provider echoes it.
    pub(crate) fn redact(&self, text: String) -> String {
        if !self.0.is_empty() && text.contains(&*self.0) {
            text.replace(&*self.0, "***")
        } else {
            text
        }
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
