use std::fmt::{self, Debug, Write};

use ring::digest::{Context, SHA256};

/// A request in short: two that differ in anything have different keys.
///
/// It is a cryptographic hash, so that nobody can make a request that has the key of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

/// What a key is made of, piece by piece.
pub(crate) struct Digest(Context);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds bytes, and how many they are, so that no two sequences of pieces are the same.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&bytes.len().to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds everything that there is to see of a value.
    ///
    /// A derived `Debug` shows every field, one that is added later too, and quotes texts, so that
    /// different values look different.
    pub(crate) fn value(&mut self, value: &impl Debug) -> &mut Self {
        // Hashing does not fail.
        let _ = write!(self, "{value:?}");
        self.bytes(b"")
    }

    pub(crate) fn finish(self) -> Key {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.finish().as_ref());
        Key(key)
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_run_into_each_other() {
        let keys = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]].map(|pieces| {
            let mut digest = Digest::new();
            digest.bytes(pieces[0].as_bytes()).value(&pieces[1]);
            digest.finish()
        });
        for (number, key) in keys.iter().enumerate() {
            assert!(!keys[..number].contains(key), "{number}");
        }
    }
}
