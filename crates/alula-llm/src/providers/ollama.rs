//! A local Ollama, found by itself.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Http, OpenAi};
use crate::{Error, ErrorKind, Result};

/// Where Ollama listens unless it is told otherwise.
const USUAL_HOST: &str = "127.0.0.1:11434";

/// An Ollama that answered.
#[derive(Debug)]
pub struct Found {
    /// The provider, under the name `ollama`.
    pub provider: OpenAi,
    /// The models that are installed; the most recently changed one first.
    pub models: Vec<String>,
}

/// Looks for Ollama at `host`, or in its usual place.
///
/// `host` is written as Ollama's own `OLLAMA_HOST`: an address with or without a scheme and a
/// port. `None` is the answer where nobody answers within `wait`; at an address that was given,
/// that is logged.
///
/// # Errors
///
/// [`ErrorKind::Config`] when `host` is no address.
pub async fn find(host: Option<&str>, wait: Duration) -> Result<Option<Found>> {
    let base = base_url(host.unwrap_or(USUAL_HOST))?;
    match timeout(wait, installed(&base)).await {
        Ok(Ok(models)) => {
            Ok(Some(Found { provider: OpenAi::compatible("ollama", base.as_str()), models }))
        }
        Ok(Err(error)) if host.is_some() => {
            tracing::warn!(%base, %error, "there is no Ollama where OLLAMA_HOST points");
            Ok(None)
        }
        Err(_) if host.is_some() => {
            tracing::warn!(%base, ?wait, "Ollama did not answer where OLLAMA_HOST points");
            Ok(None)
        }
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// The models that an Ollama has, by its own API.
async fn installed(base: &Url) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Tags {
        models: Vec<Tag>,
    }
    #[derive(Deserialize)]
    struct Tag {
        name: String,
    }
    let decode = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Decode, "this is not an Ollama").with_source(error)
    };
    let url = base.join("api/tags").map_err(|error| decode(error.into()))?;
    let body = Http::default().get(url).await?;
    let tags: Tags = serde_json::from_slice(&body).map_err(|error| decode(error.into()))?;
    Ok(tags.models.into_iter().map(|tag| tag.name).collect())
}

/// The address as a URL. A server that listens everywhere (`0.0.0.0`) is called on this machine.
fn base_url(host: &str) -> Result<Url> {
    let invalid = |reason: String| {
        Error::new(ErrorKind::Config, format!("OLLAMA_HOST {host:?} is no address: {reason}"))
    };
    let bare = host.trim_end_matches('/');
    let (scheme, rest) = bare.split_once("://").unwrap_or(("http", bare));
    let rest = rest.replacen("0.0.0.0", "127.0.0.1", 1);
    let mut url =
        Url::parse(&format!("{scheme}://{rest}")).map_err(|error| invalid(error.to_string()))?;
    // A scheme brings its own port; a bare address means Ollama's.
    if url.port().is_none() && !bare.contains("://") {
        url.set_port(Some(11434)).map_err(|()| invalid("it has no host".to_owned()))?;
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_ollama_writes_them() {
        for (host, expected) in [
            ("127.0.0.1:11434", "http://127.0.0.1:11434/"),
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            ("gpu.local", "http://gpu.local:11434/"),
            ("http://gpu.local", "http://gpu.local/"),
            ("https://gpu.local:8443/", "https://gpu.local:8443/"),
        ] {
            assert_eq!(base_url(host).unwrap().as_str(), expected, "{host}");
        }
        assert_eq!(base_url("::").unwrap_err().kind(), &ErrorKind::Config);
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_no_error() {
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        drop(listener);
        let found = find(Some(&host), Duration::from_secs(5)).await.unwrap();
        assert!(found.is_none());
    }
}
