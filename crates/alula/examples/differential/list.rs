//! Lists whose items nothing describes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// What FastAPI calls `list`: a tuple here, of whose items the document says nothing.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct List<T>(pub(crate) T);

impl<T> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "List".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": {} })
    }
}
