//! The settings, read once at the start from the environment and `.env`.

use std::net::IpAddr;

use alula::{Secret, prelude::*, settings::Loader};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// The settings of the application. Each is a variable whose name begins with `APP_`.
#[derive(Debug, Clone, Deserialize, JsonSchema, Validate)]
pub struct Settings {
    /// The address to listen on.
    #[serde(default = "default_host")]
    pub host: IpAddr,
    /// The port to listen on. Many platforms say it as `PORT`.
    #[serde(default = "default_port")]
    #[schemars(extend("x-env" = ["APP_PORT", "PORT"]))]
    pub port: u16,
    /// What to log: `info`, or `warn,my_app=debug`.
    #[serde(default = "default_log")]
    #[validate(custom = is_log_filter)]
    pub log: String,
    /// Keys that callers send as `x-api-key`, separated by commas.
    #[schemars(length(min = 1))]
    pub api_keys: Vec<Secret<String>>,
    /// Origins whose pages may call the API, separated by commas: `https://app.example.com`.
    #[serde(default)]
    pub cors_origins: Vec<String>,
    /// The most words of an answer.
    #[serde(default = "default_reply_words_max")]
    #[schemars(range(min = 1))]
    pub reply_words_max: usize,
}

impl Settings {
    /// Where the settings come from.
    pub fn loader() -> Loader {
        Loader::new().prefix("APP_").dotenv(".env")
    }
}

fn default_host() -> IpAddr {
    [127, 0, 0, 1].into()
}

fn default_port() -> u16 {
    8000
}

fn default_log() -> String {
    "info".to_owned()
}

fn default_reply_words_max() -> usize {
    200
}

fn is_log_filter(log: &str) -> Result<(), ParseError> {
    EnvFilter::builder().parse(log).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keys_are_needed() {
        let loader = Loader::new().prefix("APP_").variables([("APP_API_KEYS", "one, two")]);
        let settings: Settings = loader.load().unwrap();
        assert_eq!(settings.api_keys.len(), 2);
        assert_eq!(settings.port, 8000);
    }

    #[test]
    fn every_mistake_is_named() {
        let variables = [("APP_PORT", "http"), ("APP_LOG", "loud=very"), ("APP_API_KEYS", "[]")];
        let error = Loader::new().prefix("APP_").variables(variables).load::<Settings>();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("APP_PORT") && error.contains("APP_API_KEYS"), "{error}");
    }
}
