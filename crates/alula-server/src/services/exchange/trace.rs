//! The trace of a client, by the W3C's Trace Context.

use alula::http::{HeaderMap, HeaderName, HeaderValue};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest parent, in bytes. All that is known of today has 55.
const PARENT_MAX: usize = 128;
/// The most members of a state, as the W3C has it.
const MEMBERS_MAX: usize = 32;
/// The longest state, in bytes: the W3C wants as much to go on.
const STATE_MAX: usize = 512;

/// The headers by which a client says what its request is a part of.
///
/// Of a state that is too long, or no text, nothing goes on: who gets it could not tell what is missing.
///
/// Where spans go to a collector, those of the server are told to providers in their place.
pub(super) fn of_client(headers: &HeaderMap) -> HeaderMap {
    let mut trace = HeaderMap::new();
    let mut parents = headers.get_all(&PARENT).iter();
    if let (Some(parent), None) = (parents.next(), parents.next())
        && is_parent(parent)
    {
        trace.insert(PARENT, copy(parent));
        if is_state(headers) {
            for state in headers.get_all(&STATE) {
                trace.append(STATE, copy(state));
            }
        }
    }
    trace
}

/// The same of a job, whose client has said so to the server.
pub(super) fn of_parent(parent: Option<&str>) -> HeaderMap {
    let parent = parent.and_then(|parent| HeaderValue::from_str(parent).ok());
    parent.into_iter().filter(is_parent).map(|parent| (PARENT, parent)).collect()
}

/// What is a part of the trace.
pub(super) fn parent(trace: &HeaderMap) -> Option<String> {
    trace.get(&PARENT)?.to_str().ok().map(str::to_owned)
}

/// Whether the state of a trace, which may be in several headers, is text and within its limits.
fn is_state(headers: &HeaderMap) -> bool {
    let (mut members, mut length) = (0_usize, 0_usize);
    headers.get_all(&STATE).iter().all(|state| {
        let Ok(text) = state.to_str() else { return false };
        members += text.split(',').count();
        // They are one list, as with a comma between them.
        length += text.len() + usize::from(length > 0);
        members <= MEMBERS_MAX && length <= STATE_MAX
    })
}

/// What keeps nothing of the buffer that the head of the request came in.
fn copy(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// The headers of the span that is current, or else those of the client.
pub(super) fn current(of_client: &HeaderMap) -> HeaderMap {
    let own = alula::otel::trace_headers();
    if own.contains_key(&PARENT) { own } else { of_client.clone() }
}

/// Whether it is of the form `VERSION-TRACE-PARENT-FLAGS`. Later versions may say more.
fn is_parent(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    if text.len() > PARENT_MAX {
        return false;
    }
    let mut fields = text.split('-');
    let mut next = |length: usize| {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        fields.next().filter(|it| it.len() == length && it.bytes().all(is_hex))
    };
    let (Some(version), Some(trace), Some(parent), Some(_)) =
        (next(2), next(32), next(16), next(2))
    else {
        return false;
    };
    let is_something = |id: &str| id.bytes().any(|byte| byte != b'0');
    let is_known = version != "ff" && (version != "00" || fields.next().is_none());
    is_known && is_something(trace) && is_something(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn sent(parents: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(PARENT, HeaderValue::from_static(parent));
        }
        headers.append(STATE, HeaderValue::from_static("a=1"));
        headers.append(STATE, HeaderValue::from_static("b=2"));
        of_client(&headers)
    }

    #[test]
    fn only_a_state_within_its_limits_goes_on() {
        let states = |states: &[&[u8]]| {
            let mut headers = sent(&[GOOD]);
            headers.remove(STATE);
            for state in states {
                headers.append(STATE, HeaderValue::from_bytes(state).unwrap());
            }
            let trace = of_client(&headers);
            assert_eq!(trace[&PARENT], GOOD);
            trace.get_all(&STATE).iter().count()
        };
        let members = |count: usize| vec!["a=1"; count].join(",").into_bytes();
        assert_eq!(states(&[&members(32)]), 1);
        assert_eq!(states(&[&members(33)]), 0);
        assert_eq!(states(&[&members(16), &members(16)]), 2);
        assert_eq!(states(&[&members(16), &members(17)]), 0);
        assert_eq!(states(&[&[b'a'; 512]]), 1);
        assert_eq!(states(&[&[b'a'; 513]]), 0);
        assert_eq!(states(&[&[b'a'; 255], &[b'a'; 256]]), 2);
        assert_eq!(states(&[&[b'a'; 256], &[b'a'; 256]]), 0);
        assert_eq!(states(&["a=\u{e9}".as_bytes()]), 0);
        assert_eq!(states(&[b"a=1", "b=\u{e9}".as_bytes()]), 0);
    }

    #[test]
    fn only_what_is_a_trace_goes_on() {
        for good in [GOOD, "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"] {
            let trace = sent(&[good]);
            assert_eq!(trace[&PARENT], good);
            assert_eq!(trace.get_all(&STATE).iter().count(), 2);
        }
        assert!(sent(&[]).is_empty());
        assert_eq!(parent(&of_parent(Some(GOOD))).as_deref(), Some(GOOD));
        assert!(of_parent(None).is_empty() && of_parent(Some("none")).is_empty());
        assert!(sent(&[GOOD, GOOD]).is_empty());
        let later = |rest: usize| {
            let mut headers = HeaderMap::new();
            let parent = format!("01{}-{}", &GOOD[2..], "a".repeat(rest));
            headers.insert(PARENT, parent.parse().unwrap());
            of_client(&headers).len()
        };
        assert_eq!([later(128 - 56), later(128 - 55)], [1, 0]);
        for bad in [
            "",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(sent(&[bad]).is_empty(), "{bad}");
        }
    }
}
