//! An upload as a field of a type: how serde, the schema and the checks see it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{UploadFile, fields::offered};
use crate::{
    schema::{FILE, FILE_KEYWORD},
    validate::Validate,
};

impl<'de> Deserialize<'de> for UploadFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FILE, Position)
    }
}

fn take<E: Error>(at: Option<usize>) -> Result<UploadFile, E> {
    let stored = at.and_then(offered).ok_or_else(|| E::custom("Expected UploadFile"))?;
    Ok(UploadFile::new(stored))
}

/// Takes the file at the position that a form hands over.
struct Position;

impl<'de> Visitor<'de> for Position {
    type Value = UploadFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of a multipart form")
    }

    fn visit_u64<E: Error>(self, at: u64) -> Result<UploadFile, E> {
        take(usize::try_from(at).ok())
    }

    /// Of a deserializer that does not know files: serde's own buffer, or a JSON value.
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<UploadFile, D::Error> {
        deserializer.deserialize_any(Buffered)
    }
}

/// Takes the file whose position is in a map, which no client can write.
struct Buffered;

impl<'de> Visitor<'de> for Buffered {
    type Value = UploadFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Position.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UploadFile, A::Error> {
        let mut at = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                FILE => at = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        take(at)
    }
}

/// As FastAPI describes it.
impl JsonSchema for UploadFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "UploadFile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "contentMediaType": "application/octet-stream",
            FILE_KEYWORD: true,
        })
    }
}

/// A file has no constraint of its own.
impl Validate for UploadFile {
    fn is_valid(&self) -> bool {
        true
    }
}
