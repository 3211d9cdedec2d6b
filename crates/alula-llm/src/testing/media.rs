//! Pictures, sounds and files in recordings, which keep only what tells one from another.
//!
//! In a cassette stands a reference: how the medium begins, how long it is and its SHA-256. When it
//! is read, a stand-in is made of that: as long, beginning with the same magic bytes, and random
//! else. A client that sends the stand-in back is understood as one that sent the medium.

use std::{collections::HashMap, fmt, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};
use fastrand::Rng;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::Interaction;

/// Shorter ones stay as they are, in characters of base64 or in bytes.
const LENGTH_MIN: usize = 1024;

/// No stand-in is longer. A file that asks for more is refused.
const LENGTH_MAX: usize = 64 << 20;

/// How many characters of base64 say how a medium begins, and how many bytes those are.
const BEGINS_CHARS: usize = 16;
const BEGINS_BYTES: usize = 12;

/// Ends the head of a `data:` URL.
const DATA_URL: &[u8] = b";base64,";

/// How pictures, sounds and documents begin, in base64: PNG, JPEG, GIF, RIFF (WAV and WebP), PDF,
/// MP3 with a tag, Ogg, FLAC, ZIP, Matroska.
const MAGIC: [&str; 10] = [
    "iVBORw0KGgo",
    "/9j/",
    "R0lGOD",
    "UklGR",
    "JVBERi0",
    "SUQz",
    "T2dnUw",
    "ZkxhQw",
    "UEsDB",
    "GkXfo",
];

/// Fields whose base64 is a medium, however it begins: raw sound has no magic bytes.
const FIELDS: [&str; 8] = [
    "audioContent",
    "b64_json",
    "bytesBase64Encoded",
    "data",
    "delta",
    "file_data",
    "image_base64",
    "partial_image_b64",
];

/// What of a medium is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Medium {
    encoding: Encoding,
    /// Its first bytes, in base64.
    begins: String,
    /// In characters of base64, without padding, or in bytes.
    length: usize,
    sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// Within JSON.
    Base64,
    /// A whole body.
    Bytes,
}

impl Medium {
    /// One in base64, of either alphabet: clients write it anew in the one they prefer.
    fn of_base64(text: &[u8]) -> Self {
        let text: Vec<u8> = text.iter().map(|char| in_standard(*char)).collect();
        let begins = text.get(..BEGINS_CHARS).unwrap_or(&text);
        Self {
            encoding: Encoding::Base64,
            begins: String::from_utf8_lossy(begins).into_owned(),
            length: text.len(),
            sha256: checksum(&text),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            encoding: Encoding::Bytes,
            begins: STANDARD.encode(bytes.get(..BEGINS_BYTES).unwrap_or(bytes)),
            length: bytes.len(),
            sha256: checksum(bytes),
        }
    }

    /// The reference that [`fmt::Display`] writes.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(':');
        let encoding = match fields.next()? {
            "media" => Encoding::Base64,
            "bytes" => Encoding::Bytes,
            _ => return None,
        };
        let begins = fields.next().filter(|it| it.len() == BEGINS_CHARS)?.to_owned();
        let length = fields.next()?.parse().ok()?;
        let is_sum = |it: &&str| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
        let sha256 = fields.next().filter(is_sum)?.to_owned();
        fields.next().is_none().then_some(Self { encoding, begins, length, sha256 })
    }

    /// What stands in for it: the same each time.
    fn stand_in(&self) -> Result<Vec<u8>, String> {
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&self.length) {
            return Err(format!(
                "a medium has {} bytes: {LENGTH_MIN} to {LENGTH_MAX} are possible",
                self.length
            ));
        }
        let seed = self.sha256.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let mut random = Rng::with_seed(seed.unwrap_or_default());
        Ok(match self.encoding {
            Encoding::Base64 => {
                let mut text = self.begins.clone().into_bytes();
                // Letters and digits are the same in both alphabets.
                text.resize_with(self.length, || random.alphanumeric() as u8);
                // The bits that the last character has beyond the last byte must be zero.
                text.pop();
                text.push(b'A');
                text
            }
            Encoding::Bytes => {
                let begins = STANDARD.decode(&self.begins).map_err(|error| error.to_string())?;
                let mut bytes = begins;
                bytes.resize_with(self.length, || random.u8(..));
                bytes
            }
        })
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.encoding {
            Encoding::Base64 => "media",
            Encoding::Bytes => "bytes",
        };
        write!(f, "{encoding}:{}:{}:{}", self.begins, self.length, self.sha256)
    }
}

/// The media of a cassette.
#[derive(Debug, Clone, Default)]
pub(super) struct Media {
    /// Writes those that are new as they are.
    pub(super) are_kept: bool,
    /// What a stand-in, by its checksum, stands in for.
    originals: HashMap<String, Medium>,
    /// The last one that was made: its pieces follow each other.
    last: Option<(String, Vec<u8>)>,
}

impl Media {
    /// Adds what stands in for something in another one.
    pub(super) fn add(&mut self, other: Self) {
        self.originals.extend(other.originals);
    }

    /// Puts references in the place of media.
    pub(super) fn set_aside(&self, json: &mut Value) {
        each_text(json, "", &mut |field, text| {
            let Some(range) = range_in(field, text) else { return };
            let found = text.get(range.clone()).map(|it| Medium::of_base64(it.as_bytes()));
            if let Some(medium) = found.and_then(|medium| self.of(medium)) {
                text.replace_range(range, &medium.to_string());
            }
        });
    }

    /// Where in an answer media are, in order.
    pub(super) fn of_answer(&self, call: &Interaction) -> Vec<(Range<usize>, Medium)> {
        let body = &call.body;
        let media = if is_medium(call) && body.len() >= LENGTH_MIN {
            vec![(0..body.len(), Medium::of_bytes(body))]
        } else {
            let ranges = ranges_in(body).into_iter();
            let text = |range: &Range<usize>| body.get(range.clone()).unwrap_or_default();
            ranges.map(|range| (range.clone(), Medium::of_base64(text(&range)))).collect()
        };
        media.into_iter().filter_map(|(range, it)| Some((range, self.of(it)?))).collect()
    }

    /// What is written of a medium, unless it is kept.
    fn of(&self, medium: Medium) -> Option<Medium> {
        let original = self.originals.get(&medium.sha256).cloned();
        original.or_else(|| (!self.are_kept).then_some(medium))
    }

    /// Puts stand-ins in the place of references.
    pub(super) fn restore(&mut self, json: &mut Value) -> Result<(), String> {
        let mut result = Ok(());
        each_text(json, "", &mut |_, text| {
            let start = text.find(";base64,").map_or(0, |at| at + DATA_URL.len());
            let end = text.trim_end_matches('=').len();
            let Some(medium) = text.get(start..end).and_then(Medium::parse) else { return };
            match self.read(&medium) {
                Ok(made) => text.replace_range(start..end, &String::from_utf8_lossy(made)),
                Err(error) => result = Err(error),
            }
        });
        result
    }

    /// A piece of what stands in for the medium of a reference.
    pub(super) fn piece(&mut self, reference: &str, range: Range<usize>) -> Result<&[u8], String> {
        let medium = Medium::parse(reference)
            .ok_or_else(|| format!("{reference:?} is no reference to a medium"))?;
        let made = self.read(&medium)?;
        made.get(range).ok_or_else(|| format!("a piece is not within its medium {reference:?}"))
    }

    fn read(&mut self, medium: &Medium) -> Result<&[u8], String> {
        let reference = medium.to_string();
        if self.last.as_ref().is_none_or(|(last, _)| *last != reference) {
            let made = medium.stand_in()?;
            self.originals.insert(checksum(&made), medium.clone());
            self.last = Some((reference, made));
        }
        Ok(self.last.as_ref().map(|(_, made)| made.as_slice()).unwrap_or_default())
    }
}

/// Whether the body of an answer is a medium as a whole.
fn is_medium(call: &Interaction) -> bool {
    let content_type = call.header("content-type").unwrap_or_default();
    let kinds = ["image/", "audio/", "video/", "application/octet-stream", "application/pdf"];
    kinds.iter().any(|kind| content_type.starts_with(kind))
}

/// Where in a text of JSON a medium is.
fn range_in(field: &str, text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let head = text.starts_with("data:").then(|| text.find(";base64,")).flatten();
    let start = head.map_or(0, |at| at + DATA_URL.len());
    let end = text.trim_end_matches('=').len();
    let chars = bytes.get(start..end)?;
    let found = is_base64(chars) && (head.is_some() || is_known(field.as_bytes(), chars));
    found.then_some(start..end)
}

/// Where in the text of JSON, or of events, media are: runs of base64.
fn ranges_in(body: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for end in 0..=body.len() {
        if body.get(end).is_some_and(|char| is_char(*char)) {
            continue;
        }
        let (before, run) = (body.get(..start), body.get(start..end));
        if let (Some(before), Some(run)) = (before, run)
            && is_base64(run)
            && (before.ends_with(DATA_URL) || is_known(field_before(before), run))
        {
            ranges.push(start..end);
        }
        start = end + 1;
    }
    ranges
}

/// The name of the field whose text begins here.
fn field_before(before: &[u8]) -> &[u8] {
    let name = || {
        let before = before.strip_suffix(b"\"")?.trim_ascii_end();
        let before = before.strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
        before.rsplit(|char| *char == b'"').next()
    };
    name().unwrap_or_default()
}

fn is_known(field: &[u8], chars: &[u8]) -> bool {
    FIELDS.iter().any(|it| it.as_bytes() == field)
        || MAGIC.iter().any(|it| chars.starts_with(it.as_bytes()))
}

/// Whether these are enough characters of base64 for a medium. No base64 has one beyond fours.
fn is_base64(chars: &[u8]) -> bool {
    chars.len() >= LENGTH_MIN && chars.len() % 4 != 1 && chars.iter().all(|it| is_char(*it))
}

fn is_char(char: u8) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, b'+' | b'/' | b'-' | b'_')
}

fn in_standard(char: u8) -> u8 {
    match char {
        b'-' => b'+',
        b'_' => b'/',
        char => char,
    }
}

/// Calls `with` for each text and the name of the field it is in.
fn each_text(json: &mut Value, field: &str, with: &mut impl FnMut(&str, &mut String)) {
    match json {
        Value::String(text) => with(field, text),
        Value::Array(items) => items.iter_mut().for_each(|it| each_text(it, field, with)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| each_text(value, name, with));
        }
        _ => {}
    }
}

/// SHA-256, as it is written.
pub(super) fn checksum(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
    use serde_json::json;

    use super::*;

    /// A picture of so many bytes.
    fn picture(length: usize) -> Vec<u8> {
        let mut random = Rng::with_seed(7);
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
        bytes.resize_with(length, || random.u8(..));
        bytes
    }

    fn written(media: &Media, json: &Value) -> Value {
        let mut json = json.clone();
        media.set_aside(&mut json);
        json
    }

    #[test]
    fn a_stand_in_is_as_long_begins_alike_and_is_understood_when_it_comes_back() {
        for length in [1000, 1001, 1002] {
            let original = picture(length);
            let asked =
                json!({"url": format!("data:image/png;base64,{}", STANDARD.encode(&original))});
            let reference = written(&Media::default(), &asked);
            assert!(reference.to_string().len() < 200, "{reference}");

            let mut read = Media::default();
            let mut restored = reference.clone();
            read.restore(&mut restored).unwrap();
            let text = restored["url"].as_str().unwrap().strip_prefix("data:image/png;base64,");
            let stand_in = STANDARD.decode(text.unwrap()).unwrap();
            assert_eq!(stand_in.len(), length);
            assert_eq!(stand_in[..12], original[..12]);
            assert_ne!(stand_in, original);
            // Also as another client writes it, and where it is written again.
            let again = json!({"inlineData": {"data": URL_SAFE.encode(&stand_in)}});
            let same = reference["url"].as_str().unwrap().rsplit(',').next().unwrap();
            assert_eq!(written(&read, &again)["inlineData"]["data"], same);
            assert_eq!(written(&read, &restored), reference);
        }
    }

    #[test]
    fn both_alphabets_are_the_same_medium_and_others_are_others() {
        let media = Media::default();
        let one = |bytes: &[u8], engine: &base64::engine::GeneralPurpose| {
            written(&media, &json!({"data": engine.encode(bytes)}))
        };
        let (a, mut b) = (picture(1200), picture(1200));
        assert_eq!(one(&a, &STANDARD), one(&a, &URL_SAFE));
        assert_eq!(one(&a, &STANDARD), one(&a, &STANDARD_NO_PAD));
        *b.last_mut().unwrap() ^= 1;
        assert_ne!(one(&a, &STANDARD), one(&b, &STANDARD));
    }

    #[test]
    fn what_is_no_medium_stays() {
        let long = "word ".repeat(500);
        let base64 = STANDARD.encode(vec![7; 1200]);
        for json in [
            json!({"content": long, "data": "short"}),
            json!({"encrypted_content": base64, "signature": base64, "embedding": base64}),
            json!({"data": format!("{base64}!")}),
        ] {
            assert_eq!(written(&Media::default(), &json), json);
        }
    }

    #[test]
    fn a_reference_that_is_none_is_refused() {
        let sum = "0".repeat(64);
        for (reference, expected) in [
            ("picture".to_owned(), "\"picture\" is no reference to a medium"),
            (format!("media:iVBORw0KGgoAAAAN:99999999999:{sum}"), "are possible"),
            (format!("bytes:????????????????:2000:{sum}"), "Invalid symbol"),
        ] {
            let error = Media::default().piece(&reference, 0..1).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let reference = format!("media:iVBORw0KGgoAAAAN:2000:{sum}");
        assert!(Media::default().piece(&reference, 1990..2001).is_err());
        assert_eq!(Media::default().piece(&reference, 0..11).unwrap(), b"iVBORw0KGgo");
    }
}
