//! Addresses as users write them.

use std::{fmt, net::IpAddr};

use reqwest::Url;

use super::{AddressPolicy, Forbidden, connect};

/// The longest address, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// An address that a webhook may be sent to, as far as it can be told before its name is looked up.
///
/// Its path and query may be known to the receiver only, so no log shows them.
///
/// ```
/// use alula_jobs::webhook::{AddressPolicy, WebhookUrl};
///
/// let url = WebhookUrl::parse("https://shop.example/hooks?key=secret", &AddressPolicy::default())?;
/// assert_eq!(url.to_string(), "https://shop.example");
/// assert!(WebhookUrl::parse("http://0x7f.1/", &AddressPolicy::default()).is_err());
/// # Ok::<(), alula_jobs::webhook::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why no webhook may be sent to an address.
///
/// ```
/// use alula_jobs::webhook::{AddressPolicy, UrlError, WebhookUrl};
///
/// let error = WebhookUrl::parse("ftp://shop.example", &AddressPolicy::default()).unwrap_err();
/// assert_eq!(error, UrlError::Scheme);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no absolute URL.
    #[error("this is no URL such as https://example.com/hooks")]
    Malformed,
    /// It is too long.
    #[error("a URL has at most {URL_BYTES_MAX} bytes")]
    TooLong,
    /// It begins otherwise.
    #[error("a URL begins with http:// or https://")]
    Scheme,
    /// It holds a user or a password, which may make it look like another address.
    #[error("a URL has no user and no password")]
    Credentials,
    /// It names an address that may not be called.
    #[error("{0}")]
    Forbidden(Forbidden),
}

impl WebhookUrl {
    /// Reads an address, and refuses what can be refused without looking up its name. Where that
    /// leads to is judged when it is called.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str, policy: &AddressPolicy) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        // It reads numbers as all programs do that connect: 2130706433, 0x7f.1 and 0177.1 become
        // 127.0.0.1.
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        let host = url.host_str().ok_or(UrlError::Malformed)?;
        if let Some(address) = literal(host) {
            policy.check(address).map_err(UrlError::Forbidden)?;
        }
        Ok(Self(url))
    }

    /// The whole address, which may hold a secret of its receiver: to keep it, not to show it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }
}

/// The address that a host is without asking anybody. A name of this machine is its address, too.
fn literal(host: &str) -> Option<IpAddr> {
    let name = host.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    connect::literal(host)
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}
