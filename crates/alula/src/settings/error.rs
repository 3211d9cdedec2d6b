//! What is wrong with settings.

use std::{fmt, path::PathBuf};

use super::tree::Place;

/// Where the value of a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A variable of the process.
    Environment,
    /// A line of a file, counted from 1.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line where the value begins.
        line: usize,
    },
    /// No source names it: it is missing, or has its default.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// One thing that is wrong with the settings, without the value; see [mistakes](super#mistakes).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// What the source calls the setting: `APP_PORT`, or `server.port` in TOML. Empty where the
    /// mistake is about a whole file, or all settings together.
    pub name: String,
    /// Where it was found.
    pub origin: Origin,
    /// What is wrong, for programs, in the words of validation errors: `missing`, `int_parsing`, …
    pub kind: String,
    /// What is wrong, for people.
    pub message: String,
}

impl Mistake {
    pub(super) fn new(place: &Place, kind: &str, message: impl Into<String>) -> Self {
        Self {
            name: place.name.clone(),
            origin: place.origin.clone(),
            kind: kind.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), &self.origin) {
            ("", Origin::Unset) => write!(f, "{}", self.message),
            ("", origin) => write!(f, "{origin}: {}", self.message),
            (name, origin) => write!(f, "{name} ({origin}): {}", self.message),
        }
    }
}

/// Everything that is wrong with the settings; at least one mistake.
///
/// It is made to be shown as it is: each mistake has a line of its own, without the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    mistakes: Vec<Mistake>,
}

impl SettingsError {
    pub(super) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// The mistakes: first those of the files, then those of the settings in their order.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings have mistakes:")?;
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

impl std::error::Error for SettingsError {}
