//! Ids for requests that bring none.

use std::{
    cell::Cell,
    hash::{BuildHasher as _, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::input::RequestId;

/// The header that carries the id in both directions.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a client.
const LENGTH_MAX: usize = 128;

/// The client's id, or a new one if it has none that is safe to log.
pub(crate) fn accept(headers: &HeaderMap) -> RequestId {
    let safe = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=LENGTH_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    let given = headers.get(HEADER).filter(safe).cloned();
    RequestId::new(given.unwrap_or_else(generate))
}

/// 128 bits in hexadecimal.
///
/// An id must be unique, not secret, so a seeded generator of each thread is enough.
fn generate() -> HeaderValue {
    let (high, low) = STATE.with(|state| (next(state), next(state)));
    let mut text = [0; 32];
    for (index, digit) in text.iter_mut().enumerate() {
        let word = if index < 16 { high } else { low };
        let nibble = (word >> (60 - 4 * (index % 16))) & 0xf;
        *digit = HEX.get(nibble as usize).copied().unwrap_or(b'0');
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

const HEX: [u8; 16] = *b"0123456789abcdef";

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::process::id()));
}

/// `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
fn next(state: &Cell<u64>) -> u64 {
    let seed = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(seed);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(id: &[u8]) -> bool {
        let value = HeaderValue::from_bytes(id).unwrap();
        let headers = HeaderMap::from_iter([(HEADER, value.clone())]);
        accept(&headers).header_value() == value
    }

    #[test]
    fn a_clients_id_is_kept_if_it_is_safe_to_log() {
        assert!(accepted(b"req-1:a/b"));
        assert!(accepted(&[b'a'; LENGTH_MAX]));
        assert!(!accepted(&[b'a'; LENGTH_MAX + 1]));
        assert!(!accepted(b""));
        assert!(!accepted(b"two words"));
        assert!(!accepted(b"caf\xe9"));
    }

    #[test]
    fn new_ids_are_hexadecimal_and_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| generate()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 32);
            assert!(id.as_bytes().iter().all(u8::is_ascii_hexdigit));
        }
    }
}
