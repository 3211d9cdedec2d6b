//! What pictures, sounds and documents cost.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::family::Family;
use crate::model::{Media, Source};

/// A picture of which only the address is known.
const UNKNOWN: Size = Size { width: 1_024, height: 1_024 };
/// How far into a picture its size is looked for, in bytes of base64: cameras write before it.
const HEAD_MAX: usize = 96 << 10;

/// The text of a document that is nothing else.
pub(super) fn plain_text(file: &Media) -> Option<&str> {
    match &file.source {
        Source::Text(text) => Some(text),
        _ => None,
    }
}

/// What a picture costs.
pub(super) fn image(image: &Media, family: Family) -> u64 {
    let size = match &image.source {
        Source::Base64(data) => Size::of(data).unwrap_or(UNKNOWN),
        _ => UNKNOWN,
    };
    let is_low = image.extra.get("detail").is_some_and(|detail| detail == "low");
    match family {
        Family::OpenAi | Family::OldOpenAi if is_low => 85,
        Family::OpenAi | Family::OldOpenAi | Family::Other => size.openai(),
        Family::Claude => size.claude(),
        Family::Gemini => size.gemini(),
    }
}

/// What a sound costs, taken for one of 128 kbit/s unless it is not compressed.
pub(super) fn audio(audio: &Media, family: Family) -> u64 {
    let Source::Base64(data) = &audio.source else { return family.document() };
    let is_wave = data.starts_with("UklGR");
    let bytes_per_second = if is_wave { 48_000 } else { 16_000 };
    let seconds = (data.len() as u64 / 4 * 3).div_ceil(bytes_per_second);
    match family {
        Family::Gemini => seconds.saturating_mul(32),
        _ => seconds.saturating_mul(10),
    }
}

/// The size of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    width: u64,
    height: u64,
}

impl Size {
    /// OpenAI: 85, and 170 for each tile of 512 pixels, of a picture whose shorter side has at most
    /// 768 and whose longer one at most 2,048.
    fn openai(self) -> u64 {
        let Self { width, height } = self.within(2_048, 768);
        85 + 170 * width.div_ceil(512) * height.div_ceil(512)
    }

    /// Anthropic: a token for 750 pixels, at most 1,568 on a side, and no more than 1,600.
    fn claude(self) -> u64 {
        let Self { width, height } = self.within(1_568, 1_568);
        (width * height).div_ceil(750).min(1_600)
    }

    /// Google: 258 for each tile of 768 pixels, and for a small picture.
    fn gemini(self) -> u64 {
        if self.width <= 384 && self.height <= 384 {
            return 258;
        }
        258 * self.width.div_ceil(768).min(8) * self.height.div_ceil(768).min(8)
    }

    /// The picture made smaller, so that its sides are no longer than these.
    fn within(self, longer: u64, shorter: u64) -> Self {
        let (long, short) = (self.width.max(self.height), self.width.min(self.height));
        // The larger of the two factors, as a fraction.
        let (over, of) = match long * shorter > short * longer {
            true => (longer, long),
            false => (shorter, short),
        };
        if over >= of {
            return self;
        }
        let scaled = |side: u64| (side * over / of).max(1);
        Self { width: scaled(self.width), height: scaled(self.height) }
    }

    /// Looks into the beginning of a file.
    fn of(base64: &str) -> Option<Self> {
        let head = base64.as_bytes();
        let head = head.get(..head.len().min(HEAD_MAX))?;
        // Whole groups of four, without the last one, which may be padded.
        let groups = |bytes: &[u8]| STANDARD.decode(bytes.get(..bytes.len() / 4 * 4)?).ok();
        let start = groups(head.get(..40)?)?;
        let size = match start.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => Self::new(be32(&start, 16)?, be32(&start, 20)?),
            [b'G', b'I', b'F', ..] => Self::new(le16(&start, 6)?, le16(&start, 8)?),
            [b'R', b'I', b'F', b'F', ..] => webp(&start)?,
            [0xff, 0xd8, ..] => jpeg(&groups(head)?)?,
            _ => return None,
        };
        (size.width > 0 && size.height > 0).then_some(size)
    }

    fn new(width: impl Into<u64>, height: impl Into<u64>) -> Self {
        Self { width: width.into(), height: height.into() }
    }
}

/// The size in the frame of a JPEG, which comes after any number of other segments.
fn jpeg(bytes: &[u8]) -> Option<Size> {
    let mut at = 2;
    loop {
        let [0xff, marker] = *bytes.get(at..at + 2)? else { return None };
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            return Some(Size::new(be16(bytes, at + 7)?, be16(bytes, at + 5)?));
        }
        at += 2 + usize::from(be16(bytes, at + 2)?);
    }
}

fn webp(bytes: &[u8]) -> Option<Size> {
    match bytes.get(12..16)? {
        b"VP8 " => Some(Size::new(le16(bytes, 26)? & 0x3fff, le16(bytes, 28)? & 0x3fff)),
        b"VP8L" => {
            let bits = u32::from(le16(bytes, 21)?) | u32::from(le16(bytes, 23)?) << 16;
            Some(Size::new((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => {
            let three =
                |at| Some(u32::from(le16(bytes, at)?) | u32::from(*bytes.get(at + 2)?) << 16);
            Some(Size::new(three(24)? + 1, three(27)? + 1))
        }
        _ => None,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
