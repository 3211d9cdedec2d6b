use std::fmt;

use reqwest::{NoProxy, Proxy};

use super::http::{config_error, display_url, http_url};
use crate::Result;

/// Hosts that no proxy is asked for.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies that providers are called through; none by default.
///
/// This machine (`localhost`, `127.0.0.0/8` and `::1`) is always called directly. A user and a
/// password in a URL are sent to the proxy, and not shown by `Debug`.
///
/// ```
/// use alula_llm::{Demo, Llm, Proxies};
///
/// # fn main() -> alula_llm::Result<()> {
/// let proxies = Proxies::default().https("http://proxy.example:3128").except("internal.example");
/// let llm = Llm::builder().provider(Demo::new()).proxies(proxies).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<String>,
    all: Option<String>,
    except: Vec<String>,
}

impl Proxies {
    /// Sends calls to `https://` addresses through the proxy at this URL, as `HTTPS_PROXY` does.
    #[must_use]
    pub fn https(mut self, url: impl Into<String>) -> Self {
        self.https = Some(url.into());
        self
    }

    /// Sends all calls that have no proxy of their own through the one at this URL, as `ALL_PROXY`
    /// does.
    #[must_use]
    pub fn all(mut self, url: impl Into<String>) -> Self {
        self.all = Some(url.into());
        self
    }

    /// Calls these hosts directly as well, in the words of `NO_PROXY`: domains, which stand for all
    /// below them, addresses and networks (`10.0.0.0/8`), with commas in between, or `*`.
    #[must_use]
    pub fn except(mut self, hosts: impl Into<String>) -> Self {
        self.except.push(hosts.into());
        self
    }

    /// Those to ask, in this order.
    pub(super) fn to_reqwest(&self) -> Result<Vec<Proxy>> {
        let hosts = self.except.iter().map(String::as_str);
        let hosts: Vec<&str> = [THIS_MACHINE].into_iter().chain(hosts).collect();
        let directly = NoProxy::from_string(&hosts.join(","));
        let https = self.https.as_ref().map(|url| (url, true));
        let all = self.all.as_ref().map(|url| (url, false));
        let proxies = https.into_iter().chain(all).map(|(url, https_only)| {
            let url = http_url("the proxy's URL", url)?;
            let proxy = if https_only { Proxy::https(url) } else { Proxy::all(url) };
            let proxy = proxy
                .map_err(|error| config_error("the proxy cannot be used", error.without_url()))?;
            Ok(proxy.no_proxy(directly.clone()))
        });
        proxies.collect()
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &Option<String>| url.as_deref().map(display_url);
        f.debug_struct("Proxies")
            .field("https", &shown(&self.https))
            .field("all", &shown(&self.all))
            .field("except", &self.except)
            .finish()
    }
}
