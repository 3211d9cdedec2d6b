use std::{fmt, io, path::PathBuf};

use super::super::LoadError;
use crate::Error;

/// Why a cassette cannot be used, or what went wrong while it was.
///
/// Its `Debug` is the text too, so that `unwrap` in a test shows it in lines.
///
/// ```
/// use alula_llm::testing::{Cassette, CassetteError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), CassetteError> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes/hello.jsonl");
/// let cassette = Cassette::replay(path).start().await?;
/// // Nobody calls, and so the recording is not asked for.
/// let error = cassette.try_finish().unwrap_err();
/// assert!(matches!(error, CassetteError::Broken { complaints, .. } if complaints.len() == 1));
/// # Ok(())
/// # }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CassetteError {
    /// The file cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// `ALULA_CASSETTE` is none of the modes.
    #[error("ALULA_CASSETTE is {0:?}; it may be replay, record-missing, record-all or verify")]
    Mode(String),
    /// Where to record from is no address, or the HTTP client cannot be made.
    #[error("nothing can be recorded: {0}")]
    Upstream(#[source] Error),
    /// A cassette of VCR.py is to be recorded.
    #[error("{}: a YAML file is only replayed; record into one that ends with .jsonl", .0.display())]
    Yaml(PathBuf),
    /// A place in JSON that does not begin with a slash.
    #[error("{0:?} is no JSON pointer, which begins with a slash")]
    Pointer(String),
    /// This machine has no port left.
    #[error("there is no free port on 127.0.0.1: {0}")]
    Port(#[source] io::Error),
    /// The calls were not the ones of the cassette, or were not recorded.
    #[error("the cassette {} was not kept{}", path.display(), indented(complaints))]
    Broken {
        /// The cassette.
        path: PathBuf,
        /// What went wrong, in words.
        complaints: Vec<String>,
    },
}

fn indented(complaints: &[String]) -> String {
    complaints.iter().map(|it| format!("\n  {}", it.replace('\n', "\n  "))).collect()
}

impl fmt::Debug for CassetteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
