//! String formats: `uuid`, `date-time`, `email`, … checked and explained as FastAPI does.

mod datetime;
mod email;
mod url;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use super::words::{DATE_INEXACT, Words, format_parsing};

/// A `format` of JSON Schema that is enforced, not only documented.
///
/// ```
/// use alula::schema::Format;
///
/// let email = Format::named("email").unwrap();
/// assert!(email.accepts("ada@example.com"));
/// assert!(!email.accepts("ada"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `uuid`
    Uuid,
    /// `date-time`
    DateTime,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `uri`
    Uri,
    /// `email`
    Email,
    /// `ipv4`
    Ipv4,
    /// `ipv6`
    Ipv6,
    /// `ip`, or `ipvanyaddress` as pydantic calls it: either version
    Ip,
}

impl Format {
    /// The format that JSON Schema calls `name`, when it is one that is enforced.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "date-time" => Self::DateTime,
            "date" => Self::Date,
            "time" => Self::Time,
            "uri" => Self::Uri,
            "email" => Self::Email,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "ip" | "ipvanyaddress" => Self::Ip,
            _ => return None,
        })
    }

    /// Whether `text` is written in this format.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        self.check(text).is_ok()
    }

    /// Says what is wrong with `text`.
    ///
    /// Dates and times are read as pydantic reads them, which takes more than RFC 3339: the type
    /// behind the schema has the last word, and its refusal is reported too.
    pub(super) fn check(self, text: &str) -> Result<(), Words> {
        let fail = |reason: &str| format_parsing(self, reason);
        match self {
            Self::Uuid => match Uuid::parse_str(text) {
                Ok(_) => Ok(()),
                Err(error) => Err(fail(&error.to_string())),
            },
            Self::DateTime => datetime::datetime(text).map_err(fail),
            Self::Date => match datetime::date(text) {
                Ok(true) => Ok(()),
                Ok(false) => Err(DATE_INEXACT),
                Err(reason) => Err(fail(reason)),
            },
            Self::Time => datetime::time(text).map_err(fail),
            Self::Uri => url::check(text).map_err(fail),
            Self::Email => email::check(text).map_err(|reason| fail(&reason)),
            Self::Ipv4 => text.parse::<Ipv4Addr>().map(drop).map_err(|_| fail("")),
            Self::Ipv6 => text.parse::<Ipv6Addr>().map(drop).map_err(|_| fail("")),
            Self::Ip => text.parse::<IpAddr>().map(drop).map_err(|_| fail("")),
        }
    }
}
