use std::{env, str::FromStr};

use super::CassetteError;

/// The variable that says what to do with all cassettes of a run.
const VARIABLE: &str = "ALULA_CASSETTE";

/// What a [`Cassette`](super::Cassette) does with a call.
///
/// ```
/// use alula_llm::testing::{Cassette, Mode};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), alula_llm::testing::CassetteError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("new.jsonl");
/// // A program's own switch, in place of `ALULA_CASSETTE`.
/// let mode: Mode = "record-missing".parse()?;
/// let cassette = Cassette::record(path, "https://api.openai.com").mode(mode).start().await?;
/// cassette.finish();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Answers from the file. A call that is not in it fails the test. `replay`.
    Replay,
    /// Answers from the file, and records what is not in it. `record-missing`.
    RecordMissing,
    /// Records all calls and replaces the file. `record-all`.
    RecordAll,
    /// Calls the provider, and fails the test if the answer lacks something that the recorded one
    /// has, or has it as another type. The file stays. `verify`.
    Verify,
}

impl Mode {
    /// The mode that the environment asks for, or else this one.
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration to read it from")]
    pub(super) fn or_of_environment(self) -> Result<Self, CassetteError> {
        match env::var(VARIABLE) {
            Ok(value) => value.parse(),
            Err(env::VarError::NotPresent) => Ok(self),
            Err(env::VarError::NotUnicode(value)) => value.to_string_lossy().parse(),
        }
    }

    pub(super) fn calls(self) -> bool {
        self != Self::Replay
    }
}

impl FromStr for Mode {
    type Err = CassetteError;

    fn from_str(text: &str) -> Result<Self, CassetteError> {
        match text {
            "replay" => Ok(Self::Replay),
            "record-missing" => Ok(Self::RecordMissing),
            "record-all" => Ok(Self::RecordAll),
            "verify" => Ok(Self::Verify),
            _ => Err(CassetteError::Mode(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_or_what_may_be_read_is_said() {
        assert_eq!("record-all".parse::<Mode>().unwrap(), Mode::RecordAll);
        assert_eq!("record-missing".parse::<Mode>().unwrap(), Mode::RecordMissing);
        assert_eq!("verify".parse::<Mode>().unwrap(), Mode::Verify);
        assert_eq!("replay".parse::<Mode>().unwrap(), Mode::Replay);
        assert_eq!(
            "once".parse::<Mode>().unwrap_err().to_string(),
            "ALULA_CASSETTE is \"once\"; it may be replay, record-missing, record-all or verify"
        );
    }
}
