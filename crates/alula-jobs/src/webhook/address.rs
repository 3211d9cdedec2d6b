//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which addresses may be called: public ones, and those of networks that are named.
///
/// ```
/// use alula_jobs::webhook::AddressPolicy;
///
/// let policy = AddressPolicy::default().allow_private(["10.1.0.0/16".parse()?]);
/// assert!(policy.check("10.1.2.3".parse()?).is_ok());
/// let error = policy.check("::ffff:10.2.2.3".parse()?).unwrap_err();
/// assert_eq!(error.to_string(), "10.2.2.3 is an address of a private network");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
}

/// An address that may not be called, and what it is.
///
/// ```
/// use alula_jobs::webhook::AddressPolicy;
///
/// let forbidden = AddressPolicy::default().check("127.0.0.1".parse()?).unwrap_err();
/// assert_eq!(forbidden.address(), "127.0.0.1".parse::<std::net::IpAddr>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}")]
pub struct Forbidden {
    address: IpAddr,
    what: &'static str,
}

impl Forbidden {
    /// The address, that of IPv4 where one of IPv6 only wraps it.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl AddressPolicy {
    /// Allows the addresses of these networks, whatever they are. The metadata services of clouds,
    /// which hand out keys, stay forbidden.
    #[must_use]
    pub fn allow_private(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.allowed.extend(networks);
        self
    }

    /// Says whether an address may be called.
    ///
    /// # Errors
    ///
    /// What the address is, if it may not.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        let address = address.to_canonical();
        let is_allowed = |address: &IpAddr| self.allowed.iter().any(|net| net.contains(address));
        for way in [Some(address), embedded(address).map(IpAddr::V4)].into_iter().flatten() {
            if METADATA.contains(&way) {
                let what = "the address of a cloud's metadata service";
                return Err(Forbidden { address: way, what });
            }
        }
        if is_allowed(&address) {
            return Ok(());
        }
        match what_it_is(address) {
            Some(what) => Err(Forbidden { address, what }),
            None => Ok(()),
        }
    }
}

/// Services that tell whoever asks from within a machine of a cloud about it, keys included.
const METADATA: [IpAddr; 12] = [
    // Most clouds; the tasks of Amazon's containers, and its DNS.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    // Alibaba, Oracle, and Azure's wire server, whose address is a public one.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Amazon, twice; Google; Scaleway; OpenStack.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];

/// What is not public of IPv4, by the registry of special addresses of IANA.
const SPECIAL_V4: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 8), "an unspecified address"),
    (v4([10, 0, 0, 0], 8), PRIVATE),
    (v4([100, 64, 0, 0], 10), "an address behind the NAT of a carrier"),
    (v4([127, 0, 0, 0], 8), "an address of this machine"),
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    (v4([172, 16, 0, 0], 12), PRIVATE),
    (v4([192, 0, 0, 0], 24), RESERVED),
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([192, 88, 99, 0], 24), RESERVED),
    (v4([192, 168, 0, 0], 16), PRIVATE),
    (v4([198, 18, 0, 0], 15), "an address for benchmarks"),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    (v4([233, 252, 0, 0], 24), DOCUMENTATION),
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v4([240, 0, 0, 0], 4), RESERVED),
];

/// What is not public of IPv6, but for what [`PUBLIC_V6`] leaves out anyway.
const SPECIAL_V6: [(Ipv6Net, &str); 10] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "an unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "an address of this machine"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), PRIVATE),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
    // Teredo, which tunnels to an address that its sender chooses.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a tunnel to an address of IPv4"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "an address for benchmarks"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    // What is left of the addresses for protocols.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED),
];

/// All addresses of IPv6 that may be public.
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Where NAT64 wraps public addresses of IPv4. Its other prefix is for use within a network.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

const PRIVATE: &str = "an address of a private network";
const RESERVED: &str = "a reserved address";
const DOCUMENTATION: &str = "an address for examples";
const MULTICAST: &str = "a multicast address";

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// What an address is that is not public.
fn what_it_is(address: IpAddr) -> Option<&'static str> {
    let address = match address {
        IpAddr::V4(address) => return what_v4_is(address),
        IpAddr::V6(address) => address,
    };
    let special = SPECIAL_V6.iter().find(|(net, _)| net.contains(&address));
    if let Some((_, what)) = special {
        return Some(what);
    }
    if let Some(inner) = embedded(IpAddr::V6(address)).filter(|inner| what_v4_is(*inner).is_some())
    {
        return what_v4_is(inner).map(|_| "a way to an address of IPv4 that is not public");
    }
    let is_public = PUBLIC_V6.contains(&address) || NAT64.contains(&address);
    (!is_public).then_some(RESERVED)
}

fn what_v4_is(address: Ipv4Addr) -> Option<&'static str> {
    SPECIAL_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, what)| *what)
}

/// The address of IPv4 that one of IPv6 leads to, if it wraps one.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let [.., e, f, g, h] = address.segments();
    let last = v4_of(g, h);
    let [_, b, c, ..] = address.segments();
    if SIX_TO_FOUR.contains(&address) {
        return Some(v4_of(b, c));
    }
    // 5efe: what ISATAP puts before the address, below any prefix.
    let is_isatap = f == 0x5efe && matches!(e, 0 | 0x200);
    // Compatible and translated addresses: nothing, or ffff, before two words and the address.
    let is_wrapped = matches!(address.segments(), [0, 0, 0, 0, 0 | 0xffff, 0, ..]);
    (is_isatap || is_wrapped || NAT64.contains(&address)).then_some(last)
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &AddressPolicy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn public_addresses_pass_however_they_are_wrapped() {
        let policy = AddressPolicy::default();
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "168.63.129.15",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
            "2001:200::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "2a00::5efe:1.1.1.1",
        ] {
            assert!(!refused(&policy, address), "{address}");
        }
    }

    #[test]
    fn an_allowed_network_is_open_but_for_metadata() {
        let any = ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap());
        let policy = AddressPolicy::default().allow_private(any);
        for address in ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!refused(&policy, address), "{address}");
        }
        for address in METADATA {
            assert!(policy.check(address).is_err(), "{address}");
        }
        for address in
            ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe"]
        {
            assert!(refused(&policy, address), "{address}");
        }
    }

    #[test]
    fn every_address_around_a_network_is_judged_by_its_own_side() {
        let policy = AddressPolicy::default();
        for (net, what) in SPECIAL_V4 {
            for address in [net.network(), net.broadcast()] {
                assert!(policy.check(address.into()).is_err(), "{address}: {what}");
                // The same behind every wrapping.
                let [high, low] = [address.to_bits() >> 16, address.to_bits() & 0xffff];
                for wrapped in [
                    format!("::ffff:{address}"),
                    format!("::{address}"),
                    format!("::ffff:0:{address}"),
                    format!("64:ff9b::{address}"),
                    format!("64:ff9b:1::{address}"),
                    format!("2002:{high:x}:{low:x}::1"),
                    format!("2a00:1450::5efe:{address}"),
                    format!("2a00:1450::200:5efe:{address}"),
                    format!("2001:0:101:101:0:0:{address}"),
                ] {
                    assert!(refused(&policy, &wrapped), "{wrapped}: {what}");
                }
            }
        }
        for (net, what) in SPECIAL_V6 {
            for address in [net.network(), net.broadcast()] {
                assert!(policy.check(address.into()).is_err(), "{address}: {what}");
            }
        }
    }
}
