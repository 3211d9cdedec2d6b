//! Where calls go.

use hyper::Uri;
use reqwest::Url;

/// Where calls go, read once for all of them.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) url: Url,
    /// The same for hyper; nothing where a user and a password must be taken out of it.
    pub(super) uri: Option<Uri>,
}

impl Address {
    pub(crate) fn new(url: Url) -> Self {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let uri = if is_plain { url.as_str().parse().ok() } else { None };
        Self { url, uri }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }
}
