//! Which lines are written.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// What holds unless it is said otherwise: requests have their span, so that all that is logged of
/// them has their id; and calls to providers have none, as those are for traces.
const ALWAYS: &str = "alula::request=info,alula_llm::call=off";

/// What to log, in the words of [`EnvFilter`], which cannot be cloned.
#[derive(Debug)]
pub(crate) struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = String;

    /// A word alone is a level: as a target, which it may be for [`EnvFilter`], it is more likely a
    /// typing mistake that would silence everything.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
            let is_level = !word.is_empty() && word.parse::<LevelFilter>().is_ok();
            if !is_level || word.parse::<usize>().is_ok() {
                return Err(format!(
                    "{word:?} is no level: trace, debug, info, warn, error or off; for one part of \
                     the server, write its name before, as in alula_llm=debug"
                ));
            }
        }
        EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

impl LogFilter {
    pub(super) fn to_env_filter(&self) -> EnvFilter {
        let all = match self.0.trim() {
            "off" => "off".to_owned(),
            text => format!("{ALWAYS},{text}"),
        };
        EnvFilter::builder().parse_lossy(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_a_mistake() {
        for text in ["info", "INFO", "warn,alula_llm=debug", "off", "alula[request]=trace"] {
            assert!(text.parse::<LogFilter>().is_ok(), "{text}");
        }
        for text in ["loud", "alula", "info,", "3", "info,alula_llm", "alula=loud"] {
            assert!(text.parse::<LogFilter>().is_err(), "{text}");
        }
    }
}
