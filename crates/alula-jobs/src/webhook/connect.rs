//! Looking up names for the connector, which dials nothing else than what comes from here.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AddressPolicy, Forbidden};

/// Looks names up, and keeps back the addresses that may not be called.
pub(super) struct Filtered {
    pub(super) names: Arc<dyn Resolve>,
    pub(super) policy: AddressPolicy,
}

/// All addresses of a name may not be called; one of them.
#[derive(Debug)]
pub(super) struct NoneAllowed(Forbidden);

impl fmt::Display for NoneAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its name leads to an address that may not be called: {}", self.0)
    }
}

impl Error for NoneAllowed {}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, policy) = (self.names.resolve(name), self.policy.clone());
        Box::pin(async move {
            let (mut allowed, mut refused) = (Vec::new(), None);
            for address in found.await? {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(forbidden) => refused = Some(forbidden),
                }
            }
            match refused {
                Some(forbidden) if allowed.is_empty() => Err(NoneAllowed(forbidden).into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The names of this machine's own resolver.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is put in by the connector.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// What the filter said, if it is why a call failed.
pub(super) fn refusal<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a NoneAllowed> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref() {
            return Some(refusal);
        }
        cause = error.source();
    }
    None
}

/// The address in a URL, which the connector dials without looking it up.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
