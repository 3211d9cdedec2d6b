//! Patterns, compiled once.

use std::sync::OnceLock;

use regex::Regex;

/// A regular expression that a generated `static` holds; it is compiled at its first use.
#[derive(Debug)]
pub struct Pattern {
    source: fn() -> String,
    /// `None` inside when the source is no regular expression.
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern that is matched anywhere in a text, as JSON Schema's `pattern` is.
    #[must_use]
    pub const fn new(source: fn() -> String) -> Self {
        Self { source, regex: OnceLock::new() }
    }

    /// Whether `text` contains a match.
    ///
    /// A pattern that is no regular expression matches nothing, and is logged once. The
    /// derive refuses such a literal, so this is left for patterns that are computed.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.get_or_init(|| self.compile()).as_ref().is_some_and(|regex| regex.is_match(text))
    }

    fn compile(&self) -> Option<Regex> {
        let source = (self.source)();
        Regex::new(&source)
            .inspect_err(|error| {
                tracing::error!(pattern = source, %error, "an invalid pattern refuses every text");
            })
            .ok()
    }
}
