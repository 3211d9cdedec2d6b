//! How jobs are named.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use uuid::Uuid;

const PREFIX: &str = "job_";

/// The name of a job. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId(Uuid);

impl JobId {
    pub(super) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.simple())
    }
}

/// A text that names no job.
#[derive(Debug)]
pub(crate) struct NoJobId;

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<Self, NoJobId> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoJobId)?;
        let id = Uuid::try_parse(digits).map_err(|_| NoJobId)?;
        // There is one way to write it.
        if id.simple().to_string() == digits { Ok(Self(id)) } else { Err(NoJobId) }
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for JobId {
    fn schema_name() -> Cow<'static, str> {
        "JobId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^job_[0-9a-f]{32}$" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_making_and_have_one_spelling() {
        let ids: Vec<JobId> = (0..1000).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        let text = ids[0].to_string();
        assert_eq!(text.parse::<JobId>().unwrap(), ids[0]);
        let dashed = format!("{PREFIX}{}", ids[0].0.hyphenated());
        for wrong in [&text[1..], &text[..20], &text.to_uppercase(), &dashed, "", "job_"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }
}
