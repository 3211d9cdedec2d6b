use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{
    Interaction,
    format::{self, Header, Loaded},
    media::Media,
    vcr,
};

/// A folder or file that cannot be read.
///
/// ```
/// use alula_llm::testing::Cassettes;
///
/// let error = Cassettes::load("no/such/folder").unwrap_err();
/// assert_eq!(error.path.to_str(), Some("no/such/folder"));
/// println!("{error}");
/// ```
#[derive(Debug)]
pub struct LoadError {
    /// Which one.
    pub path: PathBuf,
    /// In which line of it, counted from 1.
    pub line: Option<usize>,
    reason: String,
}

impl LoadError {
    pub(super) fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), line: None, reason: reason.to_string() }
    }

    pub(super) fn at(path: &Path, line: usize, reason: impl fmt::Display) -> Self {
        Self { line: Some(line), ..Self::new(path, reason) }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.reason)
    }
}

impl std::error::Error for LoadError {}

/// A cassette of either form. One of VCR.py is nothing but its calls.
pub(super) struct Recorded {
    pub(super) header: Option<Header>,
    pub(super) interactions: Vec<Interaction>,
    pub(super) media: Media,
}

/// Reads a cassette of the form that its name tells.
pub(super) fn load_file(file: &Path) -> Result<Recorded, LoadError> {
    let text = fs::read_to_string(file).map_err(|error| LoadError::new(file, error))?;
    if is_yaml(file) {
        let interactions = vcr::read(file, &text)?;
        return Ok(Recorded { header: None, interactions, media: Media::default() });
    }
    let Loaded { header, interactions, media } = format::read(file, &text)?;
    Ok(Recorded { header: Some(header), interactions, media })
}

/// All files below a folder that may be cassettes, sorted.
pub(super) fn files_below(dir: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Vec::new();
    collect_files(dir, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let read = |error: io::Error| LoadError::new(dir, error);
    for entry in fs::read_dir(dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else if is_yaml(&path) || has_extension(&path, "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

pub(super) fn is_yaml(path: &Path) -> bool {
    has_extension(path, "yaml") || has_extension(path, "yml")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it == extension)
}
