use std::{error::Error as StdError, fmt, path::PathBuf};

use super::{Difference, Interaction};

/// A call that is not among the recordings.
///
/// ```
/// use alula_llm::testing::Cassettes;
/// use serde_json::json;
///
/// # fn main() -> Result<(), alula_llm::testing::LoadError> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes");
/// let cassettes = Cassettes::load(folder)?;
/// let miss = cassettes.find("POST", "/v1/moderations", &json!({"input": "Hi"})).unwrap_err();
/// assert_eq!(miss.to_string(), "there is no recording of POST /v1/moderations");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// The call, as `METHOD /path`.
    pub call: String,
    /// The file of the recording that comes nearest.
    pub nearest: Option<PathBuf>,
    /// Where the call differs from it, at most ten places. None if it is the same call, and all
    /// recordings of it have been served.
    pub differences: Vec<Difference>,
}

impl Miss {
    pub(super) fn new(
        call: &Interaction,
        nearest: Option<PathBuf>,
        mut differences: Vec<Difference>,
    ) -> Self {
        const DIFFERENCES_MAX: usize = 10;
        differences.truncate(DIFFERENCES_MAX);
        Self { call: call.call(), nearest, differences }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, nearest, differences } = self;
        let Some(nearest) = nearest else {
            return write!(f, "there is no recording of {call}");
        };
        let nearest = nearest.display();
        if differences.is_empty() {
            return write!(f, "{call} was asked more often than it is recorded in {nearest}");
        }
        write!(f, "no recording of {call} matches; the nearest is {nearest}")?;
        for difference in differences {
            write!(f, "\n  {difference}")?;
        }
        Ok(())
    }
}

impl StdError for Miss {}
