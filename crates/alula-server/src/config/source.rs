//! Where `alula.toml` is, and how it is read.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::file::{FileError, Located};

/// The file that is read if it is there and no other is named.
const USUAL: &str = "alula.toml";

/// Where the file is, or would be.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
    /// Somebody has named it, so it must be there.
    is_named: bool,
}

impl Source {
    /// The file that was named, or the usual one. Where that is does not change with the current
    /// folder of the process.
    pub(crate) fn new(named: Option<&Path>) -> Self {
        let path = named.unwrap_or(Path::new(USUAL));
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { path: absolute, is_named: named.is_some() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in the file; nothing if it is not there and need not be.
    pub(crate) fn read(&self) -> Result<Option<String>, FileError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if !self.is_named && error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::Unreadable { path: self.path.clone(), error }),
        }
    }

    /// What the file says.
    pub(crate) fn parse(&self, text: &str) -> Result<Located, FileError> {
        Located::parse(self.path.clone(), text)
    }

    /// Reads the file: its text, and what that says.
    pub(crate) fn load(&self) -> Result<Option<(String, Located)>, FileError> {
        let Some(text) = self.read()? else { return Ok(None) };
        let located = self.parse(&text)?;
        Ok(Some((text, located)))
    }
}
