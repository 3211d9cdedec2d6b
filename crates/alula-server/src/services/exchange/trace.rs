//! The trace of a client, by the W3C's Trace Context.

use alula::http::{HeaderMap, HeaderName, HeaderValue};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The headers by which a client says what its request is a part of.
///
/// Where spans go to a collector, those of the server are told to providers in their place.
pub(super) fn of_client(headers: &HeaderMap) -> HeaderMap {
    let mut trace = HeaderMap::new();
    let mut parents = headers.get_all(&PARENT).iter();
    if let (Some(parent), None) = (parents.next(), parents.next())
        && is_parent(parent)
    {
        trace.insert(PARENT, copy(parent));
        for state in headers.get_all(&STATE) {
            trace.append(STATE, copy(state));
        }
    }
    trace
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
    fn only_what_is_a_trace_goes_on() {
        const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for good in [GOOD, "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"] {
            let trace = sent(&[good]);
            assert_eq!(trace[&PARENT], good);
            assert_eq!(trace.get_all(&STATE).iter().count(), 2);
        }
        assert!(sent(&[]).is_empty());
        assert!(sent(&[GOOD, GOOD]).is_empty());
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
