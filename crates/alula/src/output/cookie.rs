//! Cookies as an answer sets them.

use std::{
    fmt::{self, Write as _},
    time::{Duration, SystemTime},
};

use http::HeaderValue;

/// A cookie to set, with FastAPI's defaults: for every path (`/`), and `SameSite=lax`.
///
/// The value may hold any text up to `ÿ` (U+00FF): what RFC 6265 does not allow is quoted as
/// Python does it, and [`Cookie`](crate::Cookie) reads it back. So a value from a client can
/// change nothing but itself. Letters beyond that have to be encoded first. `Debug` does not show
/// the value, which often is a secret.
///
/// ```
/// use std::time::Duration;
///
/// use alula::{ResponseHead, SetCookie};
///
/// async fn log_in(head: ResponseHead) {
///     let session = SetCookie::new("session", "6f1c")
///         .http_only()
///         .secure()
///         .max_age(Duration::from_secs(3600));
///     head.set_cookie(session);
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "give it to `ResponseHead::set_cookie`"]
pub struct SetCookie {
    name: String,
    value: String,
    domain: Option<String>,
    expires: Option<SystemTime>,
    http_only: bool,
    max_age: Option<Duration>,
    partitioned: bool,
    path: Option<String>,
    same_site: Option<SameSite>,
    secure: bool,
}

/// Whether a cookie is sent along when another site sends the client here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Only from this site.
    Strict,
    /// Also when the user follows a link.
    Lax,
    /// Always. Browsers want the cookie to be [`secure`](SetCookie::secure) then.
    None,
}

impl SetCookie {
    /// A cookie for this session of the browser.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            domain: None,
            expires: None,
            http_only: false,
            max_age: None,
            partitioned: false,
            path: Some("/".to_owned()),
            same_site: Some(SameSite::Lax),
            secure: false,
        }
    }

    /// A cookie that has the client forget the one of this name, path and domain.
    ///
    /// A name that begins with `__Secure-` or `__Host-` makes it [`secure`](Self::secure), or
    /// browsers would not listen.
    pub fn removal(name: impl Into<String>) -> Self {
        let mut cookie =
            Self::new(name, "").expires(SystemTime::UNIX_EPOCH).max_age(Duration::ZERO);
        let begins_with = |prefix: &str| {
            let start = cookie.name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        cookie.secure = begins_with("__Secure-") || begins_with("__Host-");
        cookie
    }

    /// Hides it from the scripts of the page.
    pub fn http_only(mut self) -> Self {
        self.http_only = true;
        self
    }

    /// Has it sent over TLS only.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// When it is sent along from other sites; `None` leaves that to the browser.
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
        self
    }

    /// How long it lives, in whole seconds.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// When it ends; `max_age` wins where both are given.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    /// Below which path it is sent; `None` is the path of the request.
    pub fn path<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.path = path.into().map(str::to_owned);
        self
    }

    /// Sends it to the subdomains of this domain, too.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Keeps one for each site in which this one is embedded. Browsers want it to be
    /// [`secure`](Self::secure) then.
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// The header's value; the attributes are in Python's order.
    ///
    /// # Errors
    ///
    /// What about the cookie no header can hold.
    pub(super) fn into_header_value(self) -> Result<HeaderValue, String> {
        let Self { name, value, domain, expires, http_only, max_age, .. } = self;
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(format!("{name:?} is no name for a cookie"));
        }
        let mut text = format!("{name}=");
        quote(&value, &mut text).map_err(|letter| {
            format!("the cookie `{name}` cannot hold {letter:?}; encode its value, as in base64")
        })?;
        attribute(&mut text, "Domain", domain.as_deref())?;
        let expires = expires.map(|time| httpdate::fmt_http_date(clamped(time)));
        attribute(&mut text, "expires", expires.as_deref())?;
        flag(&mut text, "HttpOnly", http_only);
        if let Some(age) = max_age {
            // Writing to a string cannot fail.
            let _ = write!(text, "; Max-Age={}", age.as_secs());
        }
        flag(&mut text, "Partitioned", self.partitioned);
        attribute(&mut text, "Path", self.path.as_deref())?;
        let same_site = self.same_site.map(|same_site| same_site.to_string());
        attribute(&mut text, "SameSite", same_site.as_deref())?;
        flag(&mut text, "Secure", self.secure);
        let header = HeaderValue::try_from(text);
        let mut header = header.map_err(|error| format!("the cookie `{name}`: {error}"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SetCookie");
        debug.field("name", &self.name).field("path", &self.path).field("domain", &self.domain);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Lax => "lax",
            Self::None => "none",
        })
    }
}

/// What a header's date can show: the years from 1970 to 9999.
fn clamped(time: SystemTime) -> SystemTime {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    time.clamp(SystemTime::UNIX_EPOCH, end)
}

fn attribute(text: &mut String, name: &str, value: Option<&str>) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b';';
    if !value.bytes().all(allowed) {
        return Err(format!("{value:?} is no {name} for a cookie"));
    }
    let _ = write!(text, "; {name}={value}");
    Ok(())
}

fn flag(text: &mut String, name: &str, is_set: bool) {
    if is_set {
        text.push_str("; ");
        text.push_str(name);
    }
}

/// Letters, digits, and what else Python leaves without quotes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte)
}

/// Writes a value as Python's `http.cookies` does: quoted if anything in it is not plain, and
/// what would end the value or its quotes as an escape. The error is a letter without one.
fn quote(value: &str, text: &mut String) -> Result<(), char> {
    if !value.is_empty() && value.bytes().all(is_plain) {
        text.push_str(value);
        return Ok(());
    }
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            ' ' | '(' | ')' | '/' | '<' | '=' | '>' | '?' | '@' | '[' | ']' | '{' | '}' => {
                text.push(letter);
            }
            _ => match u8::try_from(letter) {
                Ok(byte) if is_plain(byte) => text.push(letter),
                Ok(byte) => {
                    let _ = write!(text, "\\{byte:03o}");
                }
                Err(_) => return Err(letter),
            },
        }
    }
    text.push('"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cookie: &SetCookie) -> String {
        cookie.clone().into_header_value().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn cookies_are_written_as_in_fastapi() {
        assert_eq!(text(&SetCookie::new("session", "abc")), "session=abc; Path=/; SameSite=lax");
        let full = SetCookie::new("s2", "a b;c\"\\é,")
            .http_only()
            .secure()
            .same_site(SameSite::Strict)
            .max_age(Duration::from_secs(3600))
            .path("/x")
            .domain("example.com");
        assert_eq!(
            text(&full),
            "s2=\"a b\\073c\\\"\\\\\\351\\054\"; Domain=example.com; HttpOnly; Max-Age=3600; \
             Path=/x; SameSite=strict; Secure"
        );
        assert_eq!(text(&SetCookie::new("s3", "").same_site(None).path(None)), "s3=\"\"");
        assert_eq!(
            text(&SetCookie::removal("old")),
            "old=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax"
        );
    }

    #[test]
    fn browsers_listen_to_a_removal() {
        for (name, secure) in [("__Host-a", true), ("__secure-a", true), ("__Hosta", false)] {
            let removal = text(&SetCookie::removal(name));
            assert_eq!(removal.ends_with("; Path=/; SameSite=lax; Secure"), secure, "{removal}");
        }
    }

    #[test]
    fn nothing_can_be_forged() {
        let value = text(&SetCookie::new("a", "b\r\nset-cookie: c=d; Secure"));
        assert_eq!(value, "a=\"b\\015\\012set-cookie: c=d\\073 Secure\"; Path=/; SameSite=lax");
        for name in ["", "a b", "a=b", "a;b", "é", "a\n"] {
            assert!(SetCookie::new(name, "x").into_header_value().is_err(), "{name:?}");
        }
        for attribute in ["/;Secure", "/\n", "/é"] {
            let cookie = SetCookie::new("a", "b");
            assert!(cookie.clone().path(attribute).into_header_value().is_err());
            assert!(cookie.domain(attribute).into_header_value().is_err());
        }
        assert!(SetCookie::new("a", "日").into_header_value().unwrap_err().contains("base64"));
    }

    #[test]
    fn no_value_is_shown() {
        let cookie = SetCookie::new("session", "canary");
        let head = crate::ResponseHead::new();
        head.set_cookie(cookie.clone());
        let shown = format!("{cookie:?} {head:?} {:?}", cookie.clone().into_header_value());
        assert!(shown.contains("session") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_date_beyond_all_calendars_does_not_panic() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(text(&SetCookie::new("a", "b").expires(end)).contains("9999 23:59:59 GMT"));
    }
}
