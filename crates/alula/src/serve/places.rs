//! How many connections each address has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts connections by address, unless there is no limit.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken(Mutex<HashMap<IpAddr, usize>>);

impl Taken {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Option<(Arc<Taken>, IpAddr)>);

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    /// A place for a connection from this address, if one is left.
    pub(super) fn take(&self, ip: IpAddr) -> Option<Place> {
        if self.limit == usize::MAX {
            return Some(Place(None));
        }
        let client = client(ip);
        let mut taken = self.taken.lock();
        let count = taken.entry(client).or_default();
        if *count >= self.limit {
            // An entry of none is of no use; it is there only if the limit is 0.
            if *count == 0 {
                taken.remove(&client);
            }
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(&self.taken), client))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((taken, client)) = &self.0 else { return };
        let mut taken = taken.lock();
        if let Some(count) = taken.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the smallest network that IPv6 gives to anyone.
fn client(ip: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & NETWORK)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_places() {
        let places = Places::new(2);
        let first = places.take(ip("10.0.0.1")).unwrap();
        let _second = places.take(ip("10.0.0.1")).unwrap();
        assert!(places.take(ip("10.0.0.1")).is_none());
        assert!(places.take(ip("10.0.0.2")).is_some());
        drop(first);
        assert!(places.take(ip("10.0.0.1")).is_some());
    }

    #[test]
    fn an_address_without_connections_takes_no_memory() {
        let places = Places::new(1);
        let place = places.take(ip("10.0.0.1"));
        assert_eq!(places.taken.lock().len(), 1);
        drop(place);
        assert!(Places::new(0).take(ip("10.0.0.1")).is_none());
        assert_eq!(places.taken.lock().len(), 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let places = Places::new(1);
        let _place = places.take(ip("2001:db8::1")).unwrap();
        assert!(places.take(ip("2001:db8::2:3:4:5")).is_none());
        assert!(places.take(ip("2001:db8:0:1::1")).is_some());
    }
}
