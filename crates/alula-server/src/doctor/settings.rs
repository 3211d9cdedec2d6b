//! The environment and the file.

use std::path::Path;

use super::{Loaded, Report, load};
use crate::config::{Config, ConfigError, Located, unknown_variables, variable};

/// All mistakes at once.
pub(super) fn environment(report: &mut Report) -> Option<Config> {
    let advice = "`alula --help` says what each variable is";
    match Config::from_env() {
        Ok(config) => {
            report.ok("environment", "its variables can be used");
            return Some(config);
        }
        Err(ConfigError::Variables(mistakes)) => {
            for mistake in mistakes {
                report.fail("environment", mistake, advice);
            }
        }
        Err(error) => report.fail("environment", error.to_string(), advice),
    }
    None
}

const WRONG_FILE: &str = "correct it; the server does not start with it";

pub(super) fn file(report: &mut Report, path: Option<&Path>) -> Loaded {
    match load(path) {
        Ok(None) => {
            report.ok("file", "there is no alula.toml, and there need not be one");
            Ok(None)
        }
        Ok(Some(located)) => {
            report.ok("file", format!("{} can be read", located.path().display()));
            if let Err(mistake) = located.mcp_servers(variable) {
                report.fail("file", mistake.to_string(), WRONG_FILE);
            }
            Ok(Some(located))
        }
        Err(mistake) => {
            report.fail("file", mistake, WRONG_FILE);
            Err(())
        }
    }
}

/// Variables that look like ours.
pub(super) fn unknown(report: &mut Report, elsewhere: &[String], file: Option<&Located>) {
    let of_file = file.into_iter().flat_map(Located::variables).cloned();
    let known: Vec<String> = elsewhere.iter().cloned().chain(of_file).collect();
    for (name, nearest) in unknown_variables(&known) {
        report.warn("environment", format!("nothing reads {name}"), format!("{nearest}?"));
    }
}
