//! Forms in `application/x-www-form-urlencoded`.

use axum::body::Bytes;

use super::{limits::Bounds, refusal};
use crate::{error::Result, input::reader::BodyReader};

/// Reads the body, under the limits while it arrives.
pub(super) async fn read(reader: BodyReader, bounds: Bounds) -> Result<Bytes> {
    let mut tally = Tally { bounds, fields: 0, field_bytes: 0 };
    reader.whole(move |piece| tally.add(piece)).await
}

/// Counts fields and their bytes, without looking into them.
struct Tally {
    bounds: Bounds,
    fields: usize,
    /// Of the field that is not complete yet.
    field_bytes: usize,
}

impl Tally {
    fn add(&mut self, piece: &[u8]) -> Result<()> {
        for (at, part) in piece.split(|byte| *byte == b'&').enumerate() {
            if at > 0 {
                self.field_bytes = 0;
            }
            if part.is_empty() {
                continue;
            }
            if self.field_bytes == 0 {
                self.fields += 1;
                if self.fields > self.bounds.fields_max {
                    return Err(refusal::too_many("fields", self.bounds.fields_max));
                }
            }
            self.field_bytes += part.len();
            if self.field_bytes > self.bounds.field_bytes_max {
                return Err(refusal::too_large("A field of the form", self.bounds.field_bytes_max));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FormLimits;

    fn add(limits: FormLimits, pieces: &[&str]) -> Result<usize, String> {
        let mut tally = Tally { bounds: limits.bounds(), fields: 0, field_bytes: 0 };
        for piece in pieces {
            tally.add(piece.as_bytes()).map_err(|error| error.to_string())?;
        }
        Ok(tally.fields)
    }

    #[test]
    fn fields_are_counted_wherever_the_body_is_cut() {
        let body = "&a=1&&b=22&c&";
        for cut in 0..body.len() {
            let (one, other) = body.split_at(cut);
            let limits = FormLimits::default().fields(3).field_bytes(4);
            assert_eq!(add(limits, &[one, other]), Ok(3), "{cut}");
            let error = add(limits.fields(2), &[one, other]).unwrap_err();
            assert!(error.contains("Too many fields. Maximum number of fields is 2."), "{error}");
            let error = add(limits.field_bytes(3), &[one, other]).unwrap_err();
            assert!(error.contains("larger than 3 bytes"), "{error}");
        }
    }
}
