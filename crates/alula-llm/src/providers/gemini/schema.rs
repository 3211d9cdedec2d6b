//! The schemas of the API's older fields, in which types are in capitals.

use serde_json::{Map, Value};

use crate::model::fields::Fields;

/// Fields that hold a schema.
const SCHEMAS: [&str; 3] = ["items", "additionalProperties", "not"];
/// Fields that hold a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Fields that hold schemas by name.
const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];

/// The same in JSON Schema: types in small letters, and `null` as one of them.
pub(super) fn to_json_schema(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut written: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| {
            let value = match value {
                value if SCHEMAS.contains(&&**name) => to_json_schema(value),
                Value::Array(list) if LISTS.contains(&&**name) => {
                    Value::Array(list.iter().map(to_json_schema).collect())
                }
                Value::Object(map) if MAPS.contains(&&**name) => Value::Object(
                    map.iter().map(|(name, it)| (name.clone(), to_json_schema(it))).collect(),
                ),
                Value::String(kind) if name == "type" => kind.to_ascii_lowercase().into(),
                value => value.clone(),
            };
            (name.clone(), value)
        })
        .collect();
    if written.get("nullable") == Some(&Value::Bool(true))
        && let Some(kind) = written.get("type").and_then(Value::as_str)
    {
        let kinds = Value::Array(vec![kind.into(), "null".into()]);
        written.shift_remove("nullable");
        written.put("type", Some(kinds));
    }
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_written_small_and_names_stay() {
        let schema = json!({"type": "OBJECT", "required": ["type"], "properties": {
            "type": {"type": "STRING", "enum": ["A"], "nullable": true},
            "list": {"type": "ARRAY", "items": {"anyOf": [{"type": "INTEGER"}, {"type": "null"}]}},
        }});
        let expected = json!({"type": "object", "required": ["type"], "properties": {
            "type": {"type": ["string", "null"], "enum": ["A"]},
            "list": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        }});
        assert_eq!(to_json_schema(&schema), expected);
        assert_eq!(to_json_schema(&expected), expected);
    }
}
