//! Which part of a file a client asks for (RFC 9110, section 14).

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header};

use super::validators::Validators;

/// More ranges than this in one request are answered with the whole file.
const RANGES_MAX: usize = 100;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Requested {
    /// The whole content.
    Whole,
    /// These parts; at least one, none empty, apart from each other and in order.
    Parts(Vec<Range<u64>>),
    /// Nothing that the content has.
    Unsatisfiable,
    /// It cannot be understood.
    Malformed(&'static str),
}

/// Reads `Range` and `If-Range`.
pub(super) fn requested(headers: &HeaderMap, length: u64, validators: &Validators) -> Requested {
    let Some(range) = headers.get(header::RANGE) else { return Requested::Whole };
    match headers.get(header::IF_RANGE) {
        Some(known) if !validators.are(known) => Requested::Whole,
        _ => parse(range, length),
    }
}

fn parse(range: &HeaderValue, length: u64) -> Requested {
    let Some((unit, list)) = range.to_str().ok().and_then(|text| text.split_once('=')) else {
        return Requested::Malformed("Malformed range header.");
    };
    // A unit that is not known has to be ignored.
    if !unit.trim().eq_ignore_ascii_case("bytes") || list.split(',').count() > RANGES_MAX {
        return Requested::Whole;
    }
    let mut parts = Vec::new();
    let mut is_empty = true;
    for spec in list.split(',').filter_map(|spec| Spec::parse(spec.trim())) {
        is_empty = false;
        match spec.range(length) {
            Some(range) if range.is_empty() => {}
            Some(range) => parts.push(range),
            None => return Requested::Malformed("Range header: start must be less than end"),
        }
    }
    match (is_empty, parts.is_empty()) {
        (true, _) => Requested::Malformed("Range header: range must be requested"),
        (false, true) => Requested::Unsatisfiable,
        (false, false) => Requested::Parts(merge(parts)),
    }
}

/// `2-5`, `2-` or `-5`.
enum Spec {
    From { start: u64, last: Option<u64> },
    Last(u64),
}

impl Spec {
    /// As in FastAPI, what is no range is ignored.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            // A number beyond all files is beyond this one.
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let (start, last) = text.split_once('-')?;
        match (start.trim(), last.trim()) {
            ("", "") => None,
            ("", last) => Some(Self::Last(number(last)?)),
            (start, "") => Some(Self::From { start: number(start)?, last: None }),
            (start, last) => Some(Self::From { start: number(start)?, last: Some(number(last)?) }),
        }
    }

    /// The bytes of a content of this length, empty if it has none of them; nothing for a range
    /// that ends before it starts.
    fn range(&self, length: u64) -> Option<Range<u64>> {
        match *self {
            Self::Last(count) => Some(length.saturating_sub(count)..length),
            Self::From { start, last: Some(last) } if last < start => None,
            Self::From { start, last } => {
                let end = last.map_or(length, |last| last.saturating_add(1).min(length));
                Some(start.min(end)..end)
            }
        }
    }
}

/// Joins what overlaps or touches.
fn merge(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_by_key(|part| part.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(parts.len());
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_fastapi_reads_them() {
        let read = |text| parse(&HeaderValue::from_static(text), 10);
        let one = |range| Requested::Parts(vec![range]);
        assert_eq!(read("bytes=0-3"), one(0..4));
        assert_eq!(read("Bytes = 5-"), one(5..10));
        assert_eq!(read("bytes=-3"), one(7..10));
        assert_eq!(read("bytes=-30"), one(0..10));
        assert_eq!(read("bytes=3-100"), one(3..10));
        assert_eq!(read("bytes=3-99999999999999999999999"), one(3..10));
        assert_eq!(read("bytes=0-0,"), one(0..1));
        assert_eq!(read("bytes=0-3,2-5"), one(0..6));
        assert_eq!(read("bytes=4-5,0-1"), Requested::Parts(vec![0..2, 4..6]));
        for unsatisfiable in ["bytes=10-", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(read(unsatisfiable), Requested::Unsatisfiable, "{unsatisfiable}");
        }
        for malformed in ["bytes=5-2", "bytes=abc", "bytes=", "x", "bytes=-", "bytes=+1-2"] {
            assert!(matches!(read(malformed), Requested::Malformed(_)), "{malformed}");
        }
        // What FastAPI refuses, but RFC 9110 does not.
        assert_eq!(read("items=0-1"), Requested::Whole);
        assert_eq!(read("bytes=0-1,20-"), one(0..2));
    }

    #[test]
    fn too_many_ranges_are_the_whole() {
        let many = format!("bytes={}", "0-0,".repeat(RANGES_MAX));
        assert_eq!(parse(&many.parse().unwrap(), 10), Requested::Whole);
    }

    #[test]
    fn nothing_of_an_empty_file_can_be_had() {
        let read = |text| parse(&HeaderValue::from_static(text), 0);
        assert_eq!(read("bytes=0-"), Requested::Unsatisfiable);
        assert_eq!(read("bytes=-1"), Requested::Unsatisfiable);
    }
}
