//! What processes note before they may be killed.

use std::{
    fmt::Arguments,
    fs::{File, OpenOptions},
    io::{ErrorKind, Write as _},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, Result};

/// A file to which many processes append lines. Clones are the same.
///
/// A line is one call of the system: whoever is killed has written it whole or not at all, and what
/// was written stays.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<File>);

impl Log {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Arc::new(file.with_context(|| format!("cannot open {}", path.display()))?)))
    }

    /// Appends a line.
    pub(crate) fn note(&self, line: Arguments<'_>) -> std::io::Result<()> {
        (&*self.0).write_all(format!("{line}\n").as_bytes())
    }
}

/// The lines of a log, each in its words. There are none before anybody has opened it.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<String>>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    Ok(text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect())
}
