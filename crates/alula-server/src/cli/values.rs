//! Values of arguments that clap does not read as people write them.

use std::net::{IpAddr, Ipv4Addr};

use crate::{services::keys::MICRO_USD_MAX, time::Timestamp};

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

/// Dollars as people write them, in millionths: exactly, which a floating-point number is not.
pub(super) fn micro_usd(text: &str) -> Result<u64, String> {
    let error = || "dollars, such as 5 or 0.25, with at most six decimals".to_owned();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 6 || !are_digits(whole) || !are_digits(decimals) {
        return Err(error());
    }
    let micro_usd = format!("{whole}{decimals:0<6}").parse::<u64>().ok();
    micro_usd.filter(|sum| *sum <= MICRO_USD_MAX).ok_or_else(|| "too many dollars".to_owned())
}

/// The moment so much later than now; nothing for `never`.
pub(super) fn later(text: &str) -> Result<Option<Timestamp>, String> {
    const MILLIS: [(&str, i64); 5] = [
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 7 * 86_400_000),
        ("y", 365 * 86_400_000),
    ];
    if text == "never" {
        return Ok(None);
    }
    let time = MILLIS.iter().find_map(|(unit, millis)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        (number > 0).then(|| i64::from(number).saturating_mul(*millis))
    });
    let time = time.ok_or("a time such as 30d (m, h, d, w and y), or never")?;
    Ok(Some(Timestamp::from_millis(Timestamp::now().as_millis().saturating_add(time))))
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
    fn dollars_are_exact() {
        let read = |text| micro_usd(text).ok();
        assert_eq!(read("5"), Some(5_000_000));
        assert_eq!(read("0.25"), Some(250_000));
        assert_eq!(read("1.1"), Some(1_100_000));
        assert_eq!(read("0.000001"), Some(1));
        assert_eq!(read("1000000000"), Some(MICRO_USD_MAX));
        for wrong in ["", ".5", "-1", "1e3", "$5", "5,0", "0.0000001", "1000000001", "1.2.3"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        let now = Timestamp::now().as_millis();
        let read = |text| later(text).map(|end| end.map(|end| (end.as_millis() - now) / 60_000));
        assert_eq!(read("never"), Ok(None));
        assert_eq!(read("90m"), Ok(Some(90)));
        assert_eq!(read("30d"), Ok(Some(30 * 24 * 60)));
        for wrong in ["", "30", "d", "0d", "-1d", "1.5h", "forever"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
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
