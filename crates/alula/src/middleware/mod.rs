//! Middleware: what stands around endpoints.
//!
//! Each is a tower layer, for [`App::layer`](crate::App::layer),
//! [`Router::layer`](crate::Router::layer) and [`Route::layer`](crate::Route::layer). The last one
//! added is the outermost, as in FastAPI.
//!
//! ```
//! use std::time::Duration;
//!
//! use alula::{
//!     App,
//!     middleware::{Cors, ResponseTime, SecurityHeaders, TrustedHosts, TrustedProxies},
//! };
//!
//! let app = App::new("Api", "1.0.0")
//!     .layer(SecurityHeaders::new())
//!     .layer(Cors::new().origin("https://app.example.com").any_method())
//!     .layer(TrustedHosts::new(["api.example.com"]))
//!     .layer(TrustedProxies::new(["10.0.0.0/8"]))
//!     .layer(ResponseTime::new());
//! assert!(app.openapi().is_ok());
//! ```
//!
//! | middleware | what it does |
//! |---|---|
//! | [`from_fn`] | runs a function of yours around each request |
//! | [`Cors`] | lets pages of other origins use the API |
//! | [`TrustedHosts`] | answers to its own names only |
//! | [`TrustedProxies`] | believes proxies about clients; see [`ClientAddr`] |
//! | [`HttpsRedirect`] | sends clients to `https`; see [`IsHttps`] |
//! | [`SecurityHeaders`] | tells browsers to be careful |
//! | [`ConcurrencyLimit`] | lets so many requests in at a time |
//! | [`ResponseTime`] | tells how long an answer took |
#![cfg_attr(feature = "compression", doc = "| [`Compression`] | makes answers smaller |")]
//!
//! Some things need no layer: request ids and the access log
//! ([`App::access_log`](crate::App::access_log)), the limit on bodies
//! ([`App::max_body`](crate::App::max_body)) and timeouts ([`App::timeout`](crate::App::timeout)).
//! Any other tower layer with the right types fits too, such as those of `tower_http`.

mod around;
mod client_addr;
#[cfg(feature = "compression")]
mod compression;
mod concurrency_limit;
mod cors;
mod from_fn;
mod https_redirect;
mod lent;
mod response_time;
#[cfg(feature = "route-template")]
mod route_template;
mod security_headers;
mod trusted_hosts;
mod trusted_proxies;

use std::any::Any;

pub use client_addr::ClientAddr;
#[cfg(feature = "compression")]
pub use compression::Compression;
pub use concurrency_limit::ConcurrencyLimit;
pub use cors::Cors;
pub(crate) use cors::CorsRules;
pub use from_fn::{Answer, FromFn, Next, from_fn};
pub use https_redirect::{HttpsRedirect, IsHttps};
pub(crate) use lent::Held;
pub use response_time::ResponseTime;
#[cfg(feature = "route-template")]
pub use route_template::RouteTemplate;
pub use security_headers::SecurityHeaders;
pub use trusted_hosts::TrustedHosts;
pub use trusted_proxies::TrustedProxies;

/// A middleware that the program may describe wrongly.
trait Checked: 'static {
    /// What is wrong.
    fn mistakes(&self) -> Vec<String>;
}

/// The layer, if it is a [`Cors`].
pub(crate) fn cors(layer: &dyn Any) -> Option<Cors> {
    layer.downcast_ref::<Cors>().cloned()
}

/// What is wrong with a layer, if it is one of ours; of others nothing is known.
pub(crate) fn mistakes(layer: &dyn Any) -> Vec<String> {
    type Ask = fn(&dyn Any) -> Option<Vec<String>>;
    fn of<M: Checked>(layer: &dyn Any) -> Option<Vec<String>> {
        layer.downcast_ref::<M>().map(M::mistakes)
    }
    let known: &[Ask] = &[
        #[cfg(feature = "compression")]
        of::<Compression>,
        of::<ConcurrencyLimit>,
        of::<Cors>,
        of::<SecurityHeaders>,
        of::<TrustedHosts>,
        of::<TrustedProxies>,
    ];
    known.iter().find_map(|of| of(layer)).unwrap_or_default()
}
