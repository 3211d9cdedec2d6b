//! What bytes say about themselves.

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Magic {
    Pdf,
    Zip,
    /// The container of old office files, and of encrypted new ones.
    OldOffice,
    /// Something that is no document, by the name that people know.
    Other(&'static str),
}

/// How many bytes are enough to tell.
pub(super) const PREFIX_BYTES: usize = 1024;

const MAGIC: &[(&[u8], Magic)] = &[
    (b"PK\x03\x04", Magic::Zip),
    (b"PK\x05\x06", Magic::Zip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Magic::OldOffice),
    (b"{\\rtf", Magic::Other("RTF")),
    (b"%!PS", Magic::Other("PostScript")),
    (b"\x89PNG", Magic::Other("a PNG picture")),
    (b"\xff\xd8\xff", Magic::Other("a JPEG picture")),
    (b"GIF8", Magic::Other("a GIF picture")),
    (b"RIFF", Magic::Other("a sound, video or WebP file")),
    (b"II*\0", Magic::Other("a TIFF picture")),
    (b"MM\0*", Magic::Other("a TIFF picture")),
    (b"\x1f\x8b", Magic::Other("a gzip file")),
    (b"\xfd7zXZ", Magic::Other("an xz file")),
    (b"\x28\xb5\x2f\xfd", Magic::Other("a zstd file")),
    (b"7z\xbc\xaf\x27\x1c", Magic::Other("a 7z archive")),
    (b"Rar!", Magic::Other("a RAR archive")),
    (b"\x7fELF", Magic::Other("a program")),
    (b"SQLite format 3\0", Magic::Other("an SQLite database")),
    (b"\xff\xfe", Magic::Other("UTF-16 text")),
    (b"\xfe\xff", Magic::Other("UTF-16 text")),
];

/// What the first bytes of a file say. Text says nothing.
pub(super) fn magic(prefix: &[u8]) -> Option<Magic> {
    // Some programs write a mark or empty lines in front of it, which other readers accept too.
    let start = prefix.strip_prefix(BOM).unwrap_or(prefix).trim_ascii_start();
    if start.starts_with(b"%PDF-") {
        return Some(Magic::Pdf);
    }
    MAGIC.iter().find(|(bytes, _)| prefix.starts_with(bytes)).map(|(_, magic)| *magic)
}

/// Whether a text is HTML that says so.
pub(super) fn is_html(prefix: &[u8]) -> bool {
    let start = prefix.strip_prefix(BOM).unwrap_or(prefix).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|head| start.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head)))
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Checks that bytes are text in UTF-8, as they arrive.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not arrived.
    open: [u8; 4],
    open_len: usize,
    /// How many bytes have been seen.
    seen: u64,
}

/// Bytes that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoText {
    /// They are not UTF-8; the first wrong one is at this offset.
    NotUtf8(u64),
    /// They hold a zero, as no text does.
    Zero(u64),
}

impl Utf8 {
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), NoText> {
        if let Some(zero) = memchr::memchr(0, bytes) {
            let at = self.seen + (self.open_len + zero) as u64;
            // What is wrong in front of it comes first.
            self.push(bytes.get(..zero).unwrap_or_default())?;
            return Err(NoText::Zero(at));
        }
        while self.open_len > 0 {
            let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.complete(*first)?;
        }
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(error) => {
                let valid = error.valid_up_to();
                if error.error_len().is_some() {
                    return Err(NoText::NotUtf8(self.seen + valid as u64));
                }
                valid
            }
        };
        let open = bytes.get(valid..).unwrap_or_default();
        for (to, from) in self.open.iter_mut().zip(open) {
            *to = *from;
        }
        self.open_len = open.len();
        self.seen += valid as u64;
        Ok(())
    }

    /// Takes one more byte of a character that is not complete.
    fn complete(&mut self, byte: u8) -> Result<(), NoText> {
        let wrong = NoText::NotUtf8(self.seen);
        *self.open.get_mut(self.open_len).ok_or(wrong)? = byte;
        self.open_len += 1;
        match std::str::from_utf8(self.open.get(..self.open_len).unwrap_or_default()) {
            Ok(_) => {
                self.seen += self.open_len as u64;
                self.open_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(wrong),
        }
    }

    pub(super) fn finish(&self) -> Result<(), NoText> {
        if self.open_len == 0 { Ok(()) } else { Err(NoText::NotUtf8(self.seen)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pieces: &[&[u8]]) -> Result<(), NoText> {
        let mut utf8 = Utf8::default();
        pieces.iter().try_for_each(|piece| utf8.push(piece))?;
        utf8.finish()
    }

    #[test]
    fn a_wrong_byte_is_named_by_its_offset() {
        assert_eq!(check(&[b"ab\xff"]), Err(NoText::NotUtf8(2)));
        assert_eq!(check(&[b"a\xe2", b"\x82", b"a"]), Err(NoText::NotUtf8(1)));
        assert_eq!(check(&[b"a\xe2", b"\x82"]), Err(NoText::NotUtf8(1)));
        assert_eq!(check(&[b"a\xe2", b"\x82", b"\xac\0"]), Err(NoText::Zero(4)));
        assert_eq!(check(&[b"a\xe2", b"", b"\x82", b"\xac"]), Ok(()));
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                any::<String>().prop_map(String::into_bytes),
            ],
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let is_text = std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&0);
            prop_assert_eq!(check(&pieces).is_ok(), is_text);
            prop_assert_eq!(check(&pieces), check(&[&bytes]));
        }
    }
}
