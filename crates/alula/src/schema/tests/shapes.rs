//! What schemars writes, and what the walk says about it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::Shape;
use crate::validate::Report;

/// Kind and place of every error, as `kind at loc`.
fn errors(schema: &Value, input: &Value) -> Vec<String> {
    Shape::compile(schema)
        .explain("body", input, Report::default())
        .into_iter()
        .map(|detail| format!("{} at {}", detail.kind, json!(detail.loc[1..])))
        .collect()
}

fn message(schema: &Value, input: &Value) -> String {
    let details = Shape::compile(schema).explain("body", input, Report::default());
    assert_eq!(details.len(), 1, "{details:?}");
    json!([details[0].kind, details[0].msg, details[0].ctx]).to_string()
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only the schema matters")]
enum External {
    Stop,
    Tool { name: String },
    Count(u8),
}

#[test]
fn externally_tagged_enums_name_their_variants() {
    let schema = schemars::schema_for!(External);
    let schema = schema.as_value();
    assert_eq!(errors(schema, &json!("Stop")), [""; 0]);
    assert_eq!(
        message(schema, &json!("Halt")),
        r#"["union_tag_invalid","Input tag 'Halt' does not match any of the expected tags: 'Stop', 'Tool', 'Count'",{"tag":"Halt","expected_tags":"'Stop', 'Tool', 'Count'"}]"#
    );
    assert_eq!(errors(schema, &json!("Tool")), [r#"missing at ["Tool"]"#]);
    assert_eq!(errors(schema, &json!({"Tool": {}})), [r#"missing at ["Tool","name"]"#]);
    assert_eq!(errors(schema, &json!({"Count": 256})), [r#"less_than_equal at ["Count"]"#]);
    assert_eq!(errors(schema, &json!({"Halt": 1})), ["union_tag_invalid at []"]);
    assert_eq!(errors(schema, &json!({})), ["union_tag_not_found at []"]);
    assert_eq!(errors(schema, &json!(5)), ["union_tag_not_found at []"]);
}

#[test]
fn integers_keep_the_range_of_their_type() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only the schema matters")]
    struct Sizes {
        small: i8,
        int: i32,
        long: i64,
        unsigned: u64,
    }
    let schema = schemars::schema_for!(Sizes);
    let input = json!({"small": -129, "int": 3_000_000_000_u64, "long": u64::MAX, "unsigned": -1});
    assert_eq!(
        errors(schema.as_value(), &input),
        [
            r#"greater_than_equal at ["small"]"#,
            r#"less_than_equal at ["int"]"#,
            r#"less_than_equal at ["long"]"#,
            r#"greater_than_equal at ["unsigned"]"#,
        ]
    );
    assert_eq!(
        message(&json!({"type": "integer", "format": "int64"}), &json!(u64::MAX)),
        r#"["less_than_equal","Input should be less than or equal to 9223372036854775807",{"le":9223372036854775807}]"#
    );
    // Too many digits for any integer arrive as a float.
    let huge: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    assert_eq!(errors(&json!({"type": "integer"}), &huge), ["int_parsing_size at []"]);
    assert_eq!(
        errors(&json!({"type": "integer", "format": "uint64"}), &huge),
        ["less_than_equal at []"]
    );
}

#[test]
fn of_two_limits_on_one_side_the_tighter_is_named() {
    let schema = json!({"type": "integer", "format": "uint8", "minimum": 0, "exclusiveMinimum": 0});
    assert_eq!(errors(&schema, &json!(-1)), ["greater_than at []"]);
    let schema = json!({"type": "integer", "format": "int32", "maximum": 5});
    assert_eq!(
        message(&schema, &json!(6)),
        message(&json!({"type": "integer", "maximum": 5}), &json!(6))
    );
}

#[test]
fn all_of_and_references_merge_into_one_object() {
    let schema = json!({
        "$defs": {
            "Base": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
        },
        "allOf": [{"$ref": "#/$defs/Base"}],
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "unevaluatedProperties": false,
    });
    assert_eq!(errors(&schema, &json!({"id": 1, "name": "x"})), [""; 0]);
    assert_eq!(
        errors(&schema, &json!({"other": 1})),
        [r#"missing at ["name"]"#, r#"missing at ["id"]"#, r#"extra_forbidden at ["other"]"#]
    );
    assert_eq!(errors(&schema, &json!(1)), ["model_attributes_type at []"]);
}

#[test]
fn a_flattened_enum_is_checked_beside_the_fields() {
    #[derive(JsonSchema)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "only the schema matters")]
    enum Source {
        File { path: String },
        Url { url: String },
    }
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only the schema matters")]
    struct Document {
        title: String,
        #[serde(flatten)]
        source: Source,
    }
    let schema = schemars::schema_for!(Document);
    let schema = schema.as_value();
    assert_eq!(
        errors(schema, &json!({"kind": "File"})),
        [r#"missing at ["title"]"#, r#"missing at ["File","path"]"#]
    );
    assert_eq!(errors(schema, &json!([])), ["model_attributes_type at []"]);
}

#[test]
fn constraints_beside_a_reference_hold() {
    let schema = json!({
        "$defs": {"Name": {"type": "string"}},
        "$ref": "#/$defs/Name",
        "minLength": 2,
    });
    assert_eq!(errors(&schema, &json!("x")), ["string_too_short at []"]);
    assert_eq!(errors(&schema, &json!(5)), ["string_type at []"]);
}

#[test]
fn maps_judge_their_keys() {
    let schema = schemars::schema_for!(BTreeMap<u32, bool>);
    assert_eq!(
        errors(schema.as_value(), &json!({"1": true, "x": 1, "2": 1})),
        [r#"int_parsing at ["x","[key]"]"#, r#"bool_type at ["2"]"#]
    );
    let schema = json!({"type": "object", "propertyNames": {"maxLength": 1, "type": "string"}});
    assert_eq!(errors(&schema, &json!({"ab": 1})), [r#"string_too_long at ["ab","[key]"]"#]);
}

#[test]
fn sets_refuse_what_their_schema_refuses() {
    let schema = json!({"type": "array", "uniqueItems": true, "items": {"type": "integer"}});
    assert_eq!(errors(&schema, &json!([1, 2])), [""; 0]);
    assert_eq!(errors(&schema, &json!([1, 2, 1])), ["unique_items at []"]);
    assert_eq!(errors(&schema, &json!("x")), ["set_type at []"]);
}

#[test]
fn what_is_not_enforced_is_listed() {
    let shape = Shape::compile(&json!({
        "title": "Annotations do not count",
        "x-internal": true,
        "type": "object",
        "properties": {
            "a": {"type": "string", "pattern": "(?=x)"},
            "b": {"not": {"type": "null"}},
            "c": {"$ref": "#/$defs/Nowhere"},
        },
    }));
    assert_eq!(
        shape.warnings(),
        [
            "#/properties/a: pattern `(?=x)` is not enforced, it cannot be compiled",
            "#/properties/b: `not` is not enforced",
            "#/properties/c: `$ref` to `#/$defs/Nowhere`, which does not exist",
        ]
    );
}
