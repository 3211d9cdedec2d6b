//! How much of its documents an owner may have, have processed, and how fast they have to come.

use std::time::{Duration, Instant};

use super::{Documents, Refusal};
use crate::db::documents::{NewDocument, ProcessedMax};

/// How long a file has before it is looked how fast it arrives.
const GRACE: Duration = Duration::from_secs(30);

/// How much of a file is kept while it arrives.
pub(super) enum Room {
    /// So many bytes at most.
    Bytes(u64),
    /// Nothing. If the bytes are known, and not lost, it is no matter.
    Nothing(Refusal),
}

impl Documents {
    /// Whether an owner has no more than it may have, with what has arrived by now. Of several that
    /// arrive at the same time each counts for all.
    pub(super) async fn check_quota(&self, owner: &str) -> Result<(), Refusal> {
        let (_, bytes) = self.0.db.documents_of(owner).await?;
        match u64::try_from(bytes).unwrap_or(0) > self.0.settings.bytes_per_key_max {
            true => Err(self.too_many_bytes()),
            false => Ok(()),
        }
    }

    pub(super) fn too_many_bytes(&self) -> Refusal {
        Refusal::Quota(format!("{} bytes of documents", self.0.settings.bytes_per_key_max))
    }

    /// Whether a file of which so much has come comes fast enough: each that does not keeps a turn
    /// from others.
    pub(super) fn check_pace(&self, bytes: u64, begun: Instant) -> Result<(), Refusal> {
        let pace = self.0.settings.upload_bytes_per_second_min;
        match is_slow(bytes, begun.elapsed(), pace) {
            true => Err(Refusal::Slow(pace)),
            false => Ok(()),
        }
    }

    /// How many documents of an owner may be processed. Where no key is needed any number may.
    pub(crate) fn processed_max<'a>(&self, owner: &'a str) -> Option<ProcessedMax<'a>> {
        let max = i64::try_from(self.0.settings.processed_per_key_max).unwrap_or(i64::MAX);
        (!owner.is_empty()).then_some(ProcessedMax { owner, max })
    }

    pub(crate) fn too_many_processed(&self) -> Refusal {
        Refusal::TooManyProcessed(self.0.settings.processed_per_key_max)
    }

    /// Whether one more document of an owner may be processed at the moment; whether it may when it
    /// comes to that is said then.
    pub(crate) async fn check_processed(&self, owner: &str) -> Result<(), Refusal> {
        let max = self.0.settings.processed_per_key_max;
        match owner.is_empty() || self.0.db.documents_processed(owner).await? < max {
            true => Ok(()),
            false => Err(self.too_many_processed()),
        }
    }

    /// How many bytes an owner may add. What was sent to be found may be known already, and then
    /// needs no room.
    pub(super) async fn room(&self, new: &NewDocument<'_>) -> Result<Room, Refusal> {
        let settings = &self.0.settings;
        let (documents, bytes) = self.0.db.documents_of(new.owner).await?;
        let full = match u64::try_from(documents).unwrap_or(0) >= settings.per_key_max {
            true => Err(Refusal::Quota(format!("{} documents", settings.per_key_max))),
            false if new.is_shared => self.check_processed(new.owner).await,
            false => Ok(()),
        };
        match full {
            Err(refusal @ (Refusal::Quota(_) | Refusal::TooManyProcessed(_))) if new.is_shared => {
                Ok(Room::Nothing(refusal))
            }
            Err(refusal) => Err(refusal),
            Ok(()) => {
                let used = u64::try_from(bytes).unwrap_or(0);
                Ok(Room::Bytes(settings.bytes_per_key_max.saturating_sub(used)))
            }
        }
    }
}

/// Whether so many bytes are fewer than should have come in this time.
fn is_slow(bytes: u64, time: Duration, pace: u64) -> bool {
    bytes < pace.saturating_mul(time.saturating_sub(GRACE).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_some_time_and_then_a_pace() {
        let seconds = Duration::from_secs;
        assert!(!is_slow(1, GRACE, 8_192));
        assert!(is_slow(8_191, GRACE + seconds(1), 8_192));
        assert!(!is_slow(8_192, GRACE + seconds(1), 8_192));
        assert!(is_slow(8_192 * 600, GRACE + seconds(601), 8_192));
    }
}
