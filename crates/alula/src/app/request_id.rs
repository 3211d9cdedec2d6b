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
    match headers.get(HEADER).filter(safe) {
        // A copy, as the id is kept for long, and a part of the head keeps the buffer of the whole.
        Some(given) => match HeaderValue::from_bytes(given.as_bytes()) {
            Ok(copy) => RequestId::given(copy),
            Err(_) => RequestId::made(generate()),
        },
        None => RequestId::made(generate()),
    }
}

/// A text that no one else has, of 32 hexadecimal digits.
pub(crate) fn unique_text() -> String {
    generate().into_iter().map(char::from).collect()
}

/// 128 bits in hexadecimal.
///
/// An id must be unique, not secret, so a seeded generator of each thread is enough.
fn generate() -> [u8; 32] {
    let (high, low) = STATE.with(|state| (next(state), next(state)));
    let mut text = [0; 32];
    let words = [high >> 32, high, low >> 32, low];
    for (digits, word) in text.chunks_exact_mut(8).zip(words) {
        digits.copy_from_slice(&hexadecimal(word));
    }
    text
}

/// The eight hexadecimal digits of the lower half of a word, computed side by side.
fn hexadecimal(word: u64) -> [u8; 8] {
    // One nibble to a byte, the highest first.
    let mut nibbles = word & 0xffff_ffff;
    nibbles = (nibbles | (nibbles << 16)) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | (nibbles << 8)) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | (nibbles << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 where the nibble is a letter: it lies 39 places behind the digits.
    let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (nibbles + 0x3030_3030_3030_3030 + 39 * letters).to_be_bytes()
}

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
    fn digits_are_those_of_the_standard_library() {
        for word in [0, 1, 0x9a, 0x0123_4567, 0x89ab_cdef, 0xffff_ffff, 0x00f0_0000_000a] {
            let expected = format!("{:08x}", word & 0xffff_ffff);
            assert_eq!(str::from_utf8(&hexadecimal(word)).unwrap(), expected);
        }
    }

    #[test]
    fn new_ids_are_hexadecimal_and_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| generate()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert!(id.iter().all(u8::is_ascii_hexdigit));
        }
    }
}
