//! Values of arguments that clap does not read as people write them.

use std::net::{IpAddr, Ipv4Addr};

/// An address of this machine, or its usual name.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        _ => text.parse().map_err(|_| "an IP address such as 127.0.0.1, or localhost".to_owned()),
    }
}

/// A yes or no. What is neither is no yes: the switches of a server are dangerous to guess.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match &*text.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Ok(true),
        "" | "0" | "false" | "no" | "off" | "n" | "f" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_this_machine() {
        assert_eq!(host("localhost"), host("127.0.0.1"));
        assert_eq!(host("::1").map(|host| host.is_loopback()), Ok(true));
        assert!(host("example.com").is_err());
    }

    #[test]
    fn a_word_that_is_neither_yes_nor_no_is_refused() {
        assert_eq!(["true", "YES", "on", "1"].map(switch), [const { Ok(true) }; 4]);
        assert_eq!(["false", "No", "off", "0", ""].map(switch), [const { Ok(false) }; 5]);
        for word in ["maybe", "2", "tru"] {
            assert!(switch(word).is_err(), "{word}");
        }
    }
}
