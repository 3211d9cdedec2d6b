use std::{fmt, str::FromStr};

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{Builder, Uuid, Variant, Version};

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

    /// The name of what follows the end of this job, as it ended by this token: always the same.
    pub(crate) fn follower(self, token: i64) -> Self {
        let mut bytes = *self.0.as_bytes();
        let mut from = bytes.to_vec();
        from.extend(token.to_be_bytes());
        let hash = digest::digest(&digest::SHA256, &from);
        // The time stays, so that it is near this one in lists.
        for (byte, hash) in bytes.iter_mut().skip(6).zip(hash.as_ref()) {
            *byte = *hash;
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
        let dashed = format!("{PREFIX}{}", ids[0].0.hyphenated());
        for wrong in [&text[1..], &text[..20], &text.to_uppercase(), &dashed, "", "job_"] {
            assert_eq!(wrong.parse::<JobId>(), Err(NoJobId), "{wrong}");
        }
    }
}
