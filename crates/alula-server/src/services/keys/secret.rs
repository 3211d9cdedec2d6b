//! The text of a key: `sk-alula-ID-SECRET`.
//!
//! The secret has 256 random bits. Its last six letters are a checksum, CRC-32 of all before them,
//! by which scanners tell a leaked key from other text, and the server a guess from a key without
//! asking anybody. With so many random bits, one round of SHA-256 is all the hashing that a thief
//! of the database needs to fail.

use std::fmt;

use alula::{Secret, constant_time_eq};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

const PREFIX: &str = "sk-alula-";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LETTERS: usize = 12;
/// The fewest of 62 letters that have 256 bits.
const SECRET_LETTERS: usize = 43;
/// The fewest of 62 letters that have 32 bits.
const CHECKSUM_LETTERS: usize = 6;

/// A key that was made just now. It is shown once; what is kept is the hash.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub(crate) id: KeyId,
    pub(crate) text: Secret<String>,
    pub(crate) hash: KeyHash,
}

/// The system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(crate) struct NoRandomness;

impl NewKey {
    pub(crate) fn generate() -> Result<Self, NoRandomness> {
        let id = KeyId(random_letters()?);
        let secret = random_letters::<SECRET_LETTERS>()?;
        let mut text = format!("{PREFIX}{id}-{}", as_text(&secret));
        let checksum = checksum(text.as_bytes());
        text.push_str(as_text(&checksum));
        let hash = KeyHash::of(&text);
        Ok(Self { id, text: Secret::new(text), hash })
    }
}

/// A key that a client shows. Whether it is right is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShownKey {
    pub(crate) id: KeyId,
    pub(crate) hash: KeyHash,
}

impl ShownKey {
    /// Reads a key; nothing for text that this program has not made.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('-')?;
        let id = KeyId::parse(id)?;
        if secret.len() != SECRET_LETTERS + CHECKSUM_LETTERS {
            return None;
        }
        let (body, end) = text.split_at_checked(text.len() - CHECKSUM_LETTERS)?;
        (checksum(body.as_bytes()) == end.as_bytes()).then(|| Self { id, hash: KeyHash::of(text) })
    }
}

/// The part of a key that is not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId([u8; ID_LETTERS]);

impl KeyId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let letters = <[u8; ID_LETTERS]>::try_from(text.as_bytes()).ok()?;
        letters.iter().all(u8::is_ascii_alphanumeric).then_some(Self(letters))
    }

    pub(crate) fn as_str(&self) -> &str {
        as_text(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// SHA-256 of a whole key. Two are compared in a time that tells nothing.
#[derive(Clone, Copy)]
pub(crate) struct KeyHash([u8; 32]);

impl KeyHash {
    fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// Letters of the alphabet, each as likely as any other.
fn random_letters<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let random = SystemRandom::new();
    let mut letters = [0; N];
    let mut missing = letters.iter_mut();
    loop {
        let mut bytes = [0; 64];
        random.fill(&mut bytes).map_err(|_| NoRandomness)?;
        // Six bits say 64 things; those that stand for no letter are thrown away.
        for letter in bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63))) {
            match missing.next() {
                Some(place) => *place = *letter,
                None => return Ok(letters),
            }
        }
    }
}

/// The end of a key. The measurement of `benches` makes keys with it that are nearly right.
pub(super) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LETTERS] {
    let mut rest = crc32(bytes);
    let mut letters = [b'0'; CHECKSUM_LETTERS];
    for place in letters.iter_mut().rev() {
        *place = ALPHABET.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    letters
}

/// CRC-32 as zlib, PNG and gzip have it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let [lowest, ..] = crc.to_le_bytes();
        let entry = CRC32.get(usize::from(lowest ^ byte)).copied().unwrap_or_default();
        (crc >> 8) ^ entry
    };
    !bytes.iter().fold(!0, step)
}

#[expect(clippy::indexing_slicing, reason = "a constant that panicked would not compile")]
const CRC32: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0_u32;
    while index < 256 {
        let mut entry = index;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 1 { (entry >> 1) ^ 0xedb8_8320 } else { entry >> 1 };
            bit += 1;
        }
        table[index as usize] = entry;
        index += 1;
    }
    table
};

fn as_text(letters: &[u8]) -> &str {
    str::from_utf8(letters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_that_is_made_can_be_read() {
        let mut ids = HashSet::new();
        for _ in 0..200 {
            let made = NewKey::generate().unwrap();
            let text = made.text.expose();
            assert_eq!(text.len(), 71, "{text}");
            assert_eq!(ShownKey::parse(text), Some(ShownKey { id: made.id, hash: made.hash }));
            assert!(ids.insert(made.id), "an id came twice");
        }
    }

    #[test]
    fn what_is_no_key_is_known_without_asking() {
        let made = NewKey::generate().unwrap();
        let text = made.text.expose();
        for place in PREFIX.len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[place] = if wrong[place] == b'a' { b'b' } else { b'a' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(ShownKey::parse(&wrong), None, "{wrong} instead of {text}");
        }
        let longer = format!("{text}0");
        let shorter = &text[..text.len() - 1];
        for wrong in [
            &longer,
            shorter,
            "",
            "sk-alula-",
            "sk-alula--",
            "sk-proj-abc",
            "é".repeat(40).as_str(),
        ] {
            assert_eq!(ShownKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_other_programs() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b"123456789"), *b"3jZRME");
    }

    #[test]
    fn every_letter_is_as_likely_as_another() {
        let mut counts = [0_u32; 128];
        for _ in 0..500 {
            random_letters::<62>()
                .unwrap()
                .iter()
                .for_each(|letter| counts[usize::from(*letter)] += 1);
        }
        // 500 of each are expected, and 22 more or less are usual.
        for letter in ALPHABET {
            let count = counts[usize::from(*letter)];
            assert!((350..650).contains(&count), "{} came {count} times", char::from(*letter));
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let made = NewKey::generate().unwrap();
        let shown = format!("{made:?}");
        let (_, secret) = made.text.expose().rsplit_once('-').unwrap();
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains("KeyHash(…)"), "{shown}");
    }
}
