//! One entry of a validation error.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::Value;

/// One step on the way to the value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Loc {
    /// A property, a parameter, or the place (`body`, `query`, …).
    Key(Cow<'static, str>),
    /// The branch of a union, which is no step in the value.
    Branch(Cow<'static, str>),
    /// A position in a list, or a character offset in a broken document.
    Index(usize),
}

impl fmt::Display for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(name) | Self::Branch(name) => f.write_str(name),
            Self::Index(at) => at.fmt(f),
        }
    }
}

impl From<&'static str> for Loc {
    fn from(key: &'static str) -> Self {
        Self::Key(Cow::Borrowed(key))
    }
}

impl From<String> for Loc {
    fn from(key: String) -> Self {
        Self::Key(Cow::Owned(key))
    }
}

impl From<usize> for Loc {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// One entry of the list under `detail` in a 422 answer, in FastAPI's shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// What is wrong, for programs: `missing`, `string_type`, `less_than_equal`, …
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Where it is wrong; the first step is the place the value came from.
    pub loc: Vec<Loc>,
    /// What is wrong, for people.
    pub msg: String,
    /// The value as it arrived.
    pub input: Value,
    /// The figures behind the message, such as the limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}
