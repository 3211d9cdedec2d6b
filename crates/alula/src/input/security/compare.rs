//! Comparing secrets.

use std::hint::black_box;

/// Whether two secrets are equal, in a time that tells nothing but their lengths.
///
/// `==` stops at the first byte that differs, so that who measures the answers can guess a secret
/// byte by byte. [`Bearer::matches`](crate::Bearer::matches) and its like compare so.
///
/// ```
/// use alula::constant_time_eq;
///
/// assert!(constant_time_eq(b"secret", b"secret"));
/// assert!(!constant_time_eq(b"secret", b"Secret"));
/// ```
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    // The black box keeps the compiler from ending the loop early.
    let pairs = left.iter().zip(right);
    let difference = pairs.fold(0, |found, (left, right)| black_box(found | (left ^ right)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_what_has_the_same_bytes() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq("é".as_bytes(), "é".as_bytes()));
        for other in ["", "secre", "secret ", "Secret", "secreT", "secreu"] {
            assert!(!constant_time_eq(b"secret", other.as_bytes()), "{other}");
        }
    }
}
