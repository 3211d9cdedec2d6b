use std::{fmt, str::FromStr};

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{Builder, Uuid, Variant, Version};

use crate::Timestamp;

const PREFIX: &str = "job_";

/// The name of a job: `job_` and 32 hexadecimal digits. Later ones are greater.
///
/// It is made by whoever enqueues the job, before the store is asked: so a call that broke off can
/// be made again, and the job is there once. It is a UUID of version 7 ([RFC 9562]).
///
/// ```
/// use alula_jobs::JobId;
///
/// let id = JobId::new();
/// assert_eq!(id.to_string().parse(), Ok(id));
/// ```
///
/// [RFC 9562]: https://www.rfc-editor.org/rfc/rfc9562
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Uuid);

impl JobId {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The one of this time and these bytes: always the same. So a request that is made again, and
    /// has a name and a time, is the same job; the time is its place in lists.
    ///
    /// ```
    /// use alula_jobs::{JobId, Timestamp};
    ///
    /// let at = Timestamp::from_millis(1_700_000_000_000);
    /// assert_eq!(JobId::derived(at, b"order 7"), JobId::derived(at, b"order 7"));
    /// assert_ne!(JobId::derived(at, b"order 7"), JobId::derived(at, b"order 8"));
    /// ```
    pub fn derived(at: Timestamp, from: &[u8]) -> Self {
        let [_, _, time @ ..] = at.as_millis().max(0).to_be_bytes();
        Self::hashed(time, &[from])
    }

    /// When it was made, as its name says.
    ///
    /// ```
    /// use alula_jobs::{JobId, Timestamp};
    ///
    /// let at = Timestamp::from_millis(1_700_000_000_000);
    /// assert_eq!(JobId::derived(at, b"order 7").moment(), at);
    /// ```
    pub fn moment(self) -> Timestamp {
        let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
        Timestamp::from_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The name of what follows the end of this job, as it ended by this token: always the same.
    pub(crate) fn follower(self, token: i64) -> Self {
        let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
        // The time stays, so that it is near this one in lists.
        Self::hashed([a, b, c, d, e, f], &[self.0.as_bytes(), &token.to_be_bytes()])
    }

    fn hashed(time: [u8; 6], from: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        from.iter().for_each(|part| context.update(part));
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(time.iter().chain(context.finish().as_ref())) {
            *byte = *from;
        }
        let uuid = Builder::from_bytes(bytes).with_version(Version::SortRand);
        Self(uuid.with_variant(Variant::RFC4122).into_uuid())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.simple())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no name of a job, which is `{PREFIX}` and 32 hexadecimal digits")]
pub struct NoJobId;

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<Self, NoJobId> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoJobId)?;
        let id = Uuid::try_parse(digits).map_err(|_| NoJobId)?;
        // There is one way to write it.
        let mut buffer = Uuid::encode_buffer();
        if *id.simple().encode_lower(&mut buffer) == *digits { Ok(Self(id)) } else { Err(NoJobId) }
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_making_and_have_one_spelling() {
        let ids: Vec<JobId> = (0..1000).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted_by(|one, next| one < next), "as text too");
        let text = &texts[0];
        assert_eq!(text.parse(), Ok(ids[0]));
        let follower = ids[0].follower(7);
        assert_eq!(follower, ids[0].follower(7));
        assert!(follower != ids[0].follower(8) && follower != ids[1].follower(7));
        assert_eq!(follower.to_string().parse(), Ok(follower));
        let at = |millis| JobId::derived(Timestamp::from_millis(millis), b"a");
        assert!(
            at(-1) < at(1) && at(1) < at(2) && at(2) < at(1 << 40) && at(1 << 47) < at(i64::MAX)
        );
        assert!(at(1) < follower && follower < at(1 << 47));
        let dashed = format!("{PREFIX}{}", ids[0].0.hyphenated());
        for wrong in [&text[1..], &text[..20], &text.to_uppercase(), &dashed, "", "job_"] {
            assert_eq!(wrong.parse::<JobId>(), Err(NoJobId), "{wrong}");
        }
    }
}
