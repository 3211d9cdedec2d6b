//! Whether a client has the content already (RFC 9110, section 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header};

/// What tells one state of a content from another.
#[derive(Debug, Clone, Default)]
pub(super) struct Validators {
    /// With its quotes.
    pub(super) etag: Option<HeaderValue>,
    /// In whole seconds, as a header has them.
    pub(super) modified: Option<SystemTime>,
}

/// What the conditions of a request come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send the content.
    Send,
    /// The client has it.
    NotModified,
    /// It is not in the state that the client wants.
    PreconditionFailed,
}

impl Validators {
    /// The validators of a file: the tag changes with its length and the nanosecond of its last
    /// change.
    pub(super) fn of_file(length: u64, modified: Option<SystemTime>) -> Self {
        let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        let etag = since.map(|since| format!("\"{:x}-{length:x}\"", since.as_nanos()));
        let etag = etag.and_then(|etag| HeaderValue::try_from(etag).ok());
        Self { etag, modified: modified.and_then(whole_seconds) }
    }

    /// Sets `ETag` and `Last-Modified`.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        let modified = self.modified.map(httpdate::fmt_http_date);
        let modified = modified.and_then(|date| HeaderValue::try_from(date).ok());
        for (name, value) in [(header::LAST_MODIFIED, modified), (header::ETAG, self.etag)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }

    /// Weighs the conditions of a GET or HEAD, in the order that section 13.2.2 demands.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let failed = match headers.get(header::IF_MATCH) {
            Some(_) => !self.is_listed(headers, &header::IF_MATCH, Comparison::Strong),
            None => date(headers, &header::IF_UNMODIFIED_SINCE)
                .is_some_and(|date| self.modified.is_some_and(|modified| modified > date)),
        };
        if failed {
            return Verdict::PreconditionFailed;
        }
        let is_known = match headers.get(header::IF_NONE_MATCH) {
            Some(_) => self.is_listed(headers, &header::IF_NONE_MATCH, Comparison::Weak),
            None => date(headers, &header::IF_MODIFIED_SINCE)
                .is_some_and(|date| self.modified.is_some_and(|modified| modified <= date)),
        };
        if is_known { Verdict::NotModified } else { Verdict::Send }
    }

    /// Whether `If-Range` names this state: by a strong tag, or by the exact date.
    pub(super) fn are(&self, known: &HeaderValue) -> bool {
        let is_tag = self.etag.as_ref().is_some_and(|etag| etag == known && !is_weak(etag));
        let date = || httpdate::parse_http_date(known.to_str().ok()?).ok();
        is_tag || (self.modified.is_some() && self.modified == date())
    }

    /// Whether a header lists this tag, or `*`.
    fn is_listed(
        &self,
        headers: &HeaderMap,
        name: &header::HeaderName,
        comparison: Comparison,
    ) -> bool {
        let Some(etag) = self.etag.as_ref().and_then(|etag| etag.to_str().ok()) else {
            return headers.get_all(name).iter().any(|value| value == "*");
        };
        let mut texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        texts.any(|text| {
            let mut tags = text.split(',').map(str::trim);
            tags.any(|tag| tag == "*" || comparison.same(tag, etag))
        })
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

impl Comparison {
    fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Strong => one == other && !one.starts_with("W/"),
            Self::Weak => one.trim_start_matches("W/") == other.trim_start_matches("W/"),
        }
    }
}

fn is_weak(etag: &HeaderValue) -> bool {
    etag.as_bytes().starts_with(b"W/")
}

fn date(headers: &HeaderMap, name: &header::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// What a header can say of a time; nothing if it lies before 1970 or after the year 9999.
pub(super) fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = (seconds < YEAR_10000).then(|| Duration::from_secs(seconds))?;
    UNIX_EPOCH.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const LATER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";
    const EARLIER: &str = "Tue, 14 Nov 2023 22:13:19 GMT";

    fn validators() -> Validators {
        let modified = UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        Validators::of_file(10, Some(modified))
    }

    fn judge(pairs: &[(header::HeaderName, &str)]) -> Verdict {
        let pair =
            |(name, value): &(header::HeaderName, &str)| (name.clone(), value.parse().unwrap());
        validators().judge(&pairs.iter().map(pair).collect())
    }

    #[test]
    fn a_known_tag_is_not_modified() {
        let etag = validators().etag.unwrap();
        let etag = etag.to_str().unwrap();
        let weak = format!("\"a\", W/{etag}");
        for list in ["*", etag, &weak] {
            assert_eq!(judge(&[(header::IF_NONE_MATCH, list)]), Verdict::NotModified);
        }
        assert_eq!(judge(&[(header::IF_NONE_MATCH, "\"a\"")]), Verdict::Send);
    }

    #[test]
    fn dates_count_where_there_is_no_tag() {
        let since = |date| judge(&[(header::IF_MODIFIED_SINCE, date)]);
        assert_eq!(since(DATE), Verdict::NotModified);
        assert_eq!(since(LATER), Verdict::NotModified);
        assert_eq!(since(EARLIER), Verdict::Send);
        assert_eq!(since("yesterday"), Verdict::Send);
        let both = [(header::IF_NONE_MATCH, "\"a\""), (header::IF_MODIFIED_SINCE, DATE)];
        assert_eq!(judge(&both), Verdict::Send);
    }

    #[test]
    fn a_condition_that_fails_is_told() {
        let one = |name, value| judge(&[(name, value)]);
        assert_eq!(one(header::IF_MATCH, "\"a\""), Verdict::PreconditionFailed);
        assert_eq!(one(header::IF_MATCH, "*"), Verdict::Send);
        assert_eq!(one(header::IF_UNMODIFIED_SINCE, EARLIER), Verdict::PreconditionFailed);
        assert_eq!(one(header::IF_UNMODIFIED_SINCE, DATE), Verdict::Send);
    }

    #[test]
    fn a_range_needs_a_strong_tag_or_the_exact_date() {
        let validators = validators();
        let etag = validators.etag.clone().unwrap();
        assert!(validators.are(&etag) && validators.are(&HeaderValue::from_static(DATE)));
        let weak = format!("W/{}", etag.to_str().unwrap());
        for other in [LATER, EARLIER, "\"a\"", &weak, ""] {
            assert!(!validators.are(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn times_that_no_header_can_hold_are_left_out() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert!(whole_seconds(before).is_none());
        let after = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        assert!(whole_seconds(after).is_none());
        assert!(Validators::of_file(1, Some(before)).etag.is_none());
    }
}
