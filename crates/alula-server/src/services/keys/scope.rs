//! What a key opens.

use std::{fmt, str::FromStr};

use alula::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that a key may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Calling models, and all that belongs to the caller.
    Models,
    /// Keys, usage and providers of everybody, and the metrics.
    Admin,
    /// Having tools of the MCP servers of `alula.toml` called.
    Tools,
}

impl Scope {
    pub(crate) const ALL: [Self; 3] = [Self::Models, Self::Admin, Self::Tools];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Admin => "admin",
            Self::Tools => "tools",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == name);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| format!("there is no scope {name:?}, but there are {}", known()))
    }
}

/// A set of scopes. It is written with spaces between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scopes(u8);

impl Scopes {
    pub(crate) fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Those of a text that this program knows. What another one has added grants nothing here.
    pub(crate) fn known_of(text: &str) -> Self {
        text.split_whitespace().filter_map(|name| name.parse::<Scope>().ok()).collect()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_whitespace().map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for text in ["", "models", "admin", "models admin", "models admin tools"] {
            let scopes: Scopes = text.parse().unwrap();
            assert_eq!(scopes.to_string(), text);
            assert_eq!(scopes.is_empty(), text.is_empty());
            assert_eq!(scopes.contains(Scope::Admin), text.contains("admin"));
        }
        assert_eq!(Scopes::known_of("root admin").to_string(), "admin");
        let error = "models root".parse::<Scopes>().unwrap_err();
        assert_eq!(error, "there is no scope \"root\", but there are models, admin, tools");
    }
}
