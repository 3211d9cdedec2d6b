//! A local Ollama, found by itself.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use reqwest::Url;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Http, OpenAi, http};
use crate::{Error, ErrorKind, Result};

/// Where Ollama listens unless it is told otherwise.
const USUAL_PORT: u16 = 11434;

/// An Ollama that answered.
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::{Llm, providers::ollama, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// # let local = FakeProvider::start().await;
/// # local.models(["llama3.2"]);
/// # let host = local.url();
/// let found = ollama::find(Some(&host), Duration::from_secs(1)).await?.expect("an Ollama");
/// let llm = Llm::builder().provider(found.provider).default_model(&found.models[0]).build()?;
/// assert_eq!(llm.default_model(), Some("llama3.2"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Found {
    /// The provider, under the name `ollama`.
    pub provider: OpenAi,
    /// The models that are installed and not only made for embedding; the most recently changed
    /// one first.
    pub models: Vec<String>,
}

/// Looks for Ollama at `host`, or in its usual place.
///
/// `host` is written as Ollama's own `OLLAMA_HOST`: an address with or without a scheme, a host
/// and a port. `None` is the answer where nobody answers within `wait`; at an address that was given,
/// that is logged.
///
/// # Errors
///
/// [`ErrorKind::Config`] when `host` is no address.
pub async fn find(host: Option<&str>, wait: Duration) -> Result<Option<Found>> {
    let base = base_url(host.unwrap_or_default())?;
    match timeout(wait, installed(&base)).await {
        Ok(Ok(models)) => {
            let provider = OpenAi::ollama().base_url(format!("{base}v1"));
            Ok(Some(Found { provider, models }))
        }
        Ok(Err(error)) if host.is_some() => {
            let base = http::display_url(base.as_str());
            tracing::warn!(base, %error, "there is no Ollama where OLLAMA_HOST points");
            Ok(None)
        }
        Err(_) if host.is_some() => {
            let base = http::display_url(base.as_str());
            tracing::warn!(base, ?wait, "Ollama did not answer where OLLAMA_HOST points");
            Ok(None)
        }
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// The models that an Ollama has, by its own API.
async fn installed(base: &Url) -> Result<Vec<String>> {
    let decode = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Decode, "this is not an Ollama").with_source(error)
    };
    let url = base.join("api/tags").map_err(|error| decode(error.into()))?;
    let body = Http::default().get(url).await?;
    let tags: Tags = serde_json::from_slice(&body).map_err(|error| decode(error.into()))?;
    Ok(tags.models.into_iter().filter(Tag::chats).map(|tag| tag.name).collect())
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    family: Option<String>,
}

impl Tag {
    /// Whether it is not one of the models that only turn text into vectors. The list does not
    /// say so, but their names and families do.
    fn chats(&self) -> bool {
        let family = self.details.family.as_deref().unwrap_or_default();
        [&self.name, family].iter().all(|text| {
            let text = text.to_ascii_lowercase();
            !text.contains("embed") && !text.contains("bert")
        })
    }
}

/// The address as a URL, which ends in a slash.
///
/// Ollama's rules: quotes and white space around it do not count, a host that is left out is this
/// machine, an IPv6 address needs no brackets, a scheme brings its own port, and a bare address
/// has Ollama's. A server that listens everywhere (`0.0.0.0`, `::`) is called on this machine.
fn base_url(value: &str) -> Result<Url> {
    let invalid = |reason: String| {
        let shown = http::display_url(value);
        Error::new(ErrorKind::Config, format!("OLLAMA_HOST {shown:?} is no address: {reason}"))
    };
    let bare = value.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest) = bare.split_once("://").unwrap_or(("http", bare));
    if !matches!(scheme, "http" | "https") {
        return Err(invalid(format!("the scheme {scheme:?} is neither http nor https")));
    }
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host_and_port(address);
    let port = match port {
        Some(port) => Some(
            port.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| invalid(format!("{port:?} is no port")))?,
        ),
        None if bare.contains("://") => None,
        None => Some(USUAL_PORT),
    };
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ if host.is_empty() => Ipv4Addr::LOCALHOST.to_string(),
        _ => host.to_owned(),
    };
    let path = path.trim_matches('/');
    let slash = if path.is_empty() { "" } else { "/" };
    let mut url = Url::parse(&format!("{scheme}://{host}/{path}{slash}"))
        .map_err(|error| invalid(error.to_string()))?;
    url.set_port(port).map_err(|()| invalid("it has no host".to_owned()))?;
    Ok(url)
}

/// The host without brackets, and the port if there is one.
fn host_and_port(address: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match address.rsplit_once(':') {
        // More than one colon without brackets is an address without a port.
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_ollama_writes_them() {
        for (host, expected) in [
            ("127.0.0.1:11434", "http://127.0.0.1:11434/"),
            ("", "http://127.0.0.1:11434/"),
            (":11434", "http://127.0.0.1:11434/"),
            (":8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080/"),
            ("::", "http://[::1]:11434/"),
            ("[::]:8080", "http://[::1]:8080/"),
            ("::1", "http://[::1]:11434/"),
            ("[::1]", "http://[::1]:11434/"),
            ("[::1]:11434", "http://[::1]:11434/"),
            ("fe80::1:2", "http://[fe80::1:2]:11434/"),
            ("gpu.local", "http://gpu.local:11434/"),
            (" \"gpu.local:8080\" ", "http://gpu.local:8080/"),
            ("'gpu.local'", "http://gpu.local:11434/"),
            ("http://gpu.local", "http://gpu.local/"),
            ("http://0.0.0.0:8080", "http://127.0.0.1:8080/"),
            ("https://gpu.local:8443/", "https://gpu.local:8443/"),
            ("https://gpu.local/ollama", "https://gpu.local/ollama/"),
            ("10.0.0.0.0.0.1.example", "http://10.0.0.0.0.0.1.example:11434/"),
        ] {
            assert_eq!(base_url(host).unwrap().as_str(), expected, "{host}");
        }
        for host in ["ftp://x", "x:port", "x:70000", "x:0", "a b", "[::1", "::1]:2"] {
            let error = base_url(host).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Config);
            assert!(error.message().contains(&format!("OLLAMA_HOST {host:?}")), "{error}");
        }
    }

    #[test]
    fn models_that_only_embed_are_left_out() {
        let tags = r#"{"models": [
            {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert"}},
            {"name": "bge-m3:latest", "details": {"family": "bert"}},
            {"name": "Qwen3-Embedding:0.6b", "details": {"family": "qwen3"}},
            {"name": "llama3.2:latest", "details": {"family": "llama"}},
            {"name": "old"}, {"name": "odd", "details": {"family": null}}]}"#;
        let tags: Tags = serde_json::from_str(tags).unwrap();
        let names: Vec<_> = tags.models.iter().filter(|it| it.chats()).map(|it| &it.name).collect();
        assert_eq!(names, ["llama3.2:latest", "old", "odd"]);
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
