//! Lines in the log about requests that are not let in.

use std::sync::{Mutex, PoisonError};

use super::{KeyId, Refusal};
use crate::time::Timestamp;

/// The most lines in a second. Whoever tries many keys cannot fill the disk.
const LINES_PER_SECOND: u32 = 10;

/// Writes some of them, and counts the others.
#[derive(Debug, Default)]
pub(super) struct LinesOfRefusals(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    /// In seconds since 1970.
    at: i64,
    refused: u32,
}

impl LinesOfRefusals {
    pub(super) fn note(&self, key: Option<KeyId>, refusal: &Refusal) {
        let (is_written, left_out) = self.count(Timestamp::now().as_millis() / 1000);
        if left_out > 0 {
            tracing::warn!(target: "alula::auth", left_out, "more requests were not let in");
        }
        if is_written {
            let key = key.as_ref().map(KeyId::as_str);
            tracing::warn!(target: "alula::auth", key, reason = %refusal, "not let in");
        }
    }

    /// Counts one at this second: whether it is written, and how many of the last second with
    /// any were not.
    fn count(&self, at: i64) -> (bool, u32) {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if second.at != at {
            left_out = second.refused.saturating_sub(LINES_PER_SECOND);
            *second = Second { at, refused: 0 };
        }
        second.refused = second.refused.saturating_add(1);
        (second.refused <= LINES_PER_SECOND, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        let lines = LinesOfRefusals::default();
        let written = (0..1000).filter(|_| lines.count(1).0).count();
        assert_eq!(written, 10);
        assert_eq!(lines.count(2), (true, 990));
        assert_eq!(lines.count(9), (true, 0));
    }
}
