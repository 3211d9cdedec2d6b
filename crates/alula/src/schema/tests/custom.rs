//! What no schema says: custom checks, and what only serde refuses.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::Shape;
use crate::schema::json::{Refused, parse};
use crate::validate::{Report, Validate};

#[derive(Debug, Deserialize, JsonSchema)]
struct Item {
    #[schemars(length(max = 3))]
    name: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// Items without constraints of their own, and checks of every depth.
#[derive(Debug, Deserialize, JsonSchema)]
struct Order {
    items: Vec<Item>,
    #[serde(default)]
    note: String,
}

impl Validate for Order {
    fn is_valid(&self) -> bool {
        let mut report = Report::default();
        self.report(&mut report);
        report.into_failures().is_empty() && self.items.iter().all(|item| item.name.len() <= 3)
    }

    fn report(&self, report: &mut Report) {
        report.at("items", |report| {
            for (at, item) in self.items.iter().enumerate() {
                report.at(at, |report| {
                    report.at("name", |report| {
                        report.check(if item.name.contains('!') {
                            Err("no shouting")
                        } else {
                            Ok(())
                        });
                    });
                    report.check(if item.tags.is_empty() { Err("no tags") } else { Ok(()) });
                });
            }
        });
        report.at("note", |report| {
            report.check(if self.note == "bad" { Err("bad note") } else { Ok(()) });
        });
        report.check(if self.items.is_empty() { Err("empty order") } else { Ok(()) });
    }
}

fn order(body: &Value) -> Vec<String> {
    let shape = Shape::compile(schemars::schema_for!(Order).as_value());
    match parse::<Order>(&shape, body.to_string().as_bytes(), false) {
        Ok(_) => Vec::new(),
        Err(Refused::Invalid(details)) => details
            .into_iter()
            .map(|detail| format!("{} at {}", detail.msg, json!(detail.loc)))
            .collect(),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn custom_failures_appear_where_the_walk_leaves_their_place() {
    assert_eq!(order(&json!({"items": [{"name": "a", "tags": ["t"]}]})), [""; 0]);
    assert_eq!(
        order(&json!({"note": "bad", "items": [{"name": "a!"}, {"name": "b"}, {"name": "long!"}]})),
        [
            r#"Value error, no shouting at ["body","items",0,"name"]"#,
            r#"Value error, no tags at ["body","items",1]"#,
            r#"String should have at most 3 characters at ["body","items",2,"name"]"#,
            r#"Value error, bad note at ["body","note"]"#,
        ]
    );
    assert_eq!(order(&json!({"items": []})), [r#"Value error, empty order at ["body"]"#]);
}

#[test]
fn a_custom_failure_of_a_default_is_not_lost() {
    let mut report = Report::default();
    report.at("absent", |report| report.check(Err("no such default")));
    let details = Shape::compile(&json!({"type": "object"})).explain("body", &json!({}), report);
    assert_eq!(
        json!(details),
        json!([{
            "type": "value_error", "loc": ["body", "absent"], "msg": "Value error, no such default",
            "input": null, "ctx": {"error": {}},
        }])
    );
}

#[test]
fn a_custom_failure_inside_what_the_schema_does_not_describe_is_not_lost() {
    let mut report = Report::default();
    report.at("any", |report| report.at(0, |report| report.check(Err("no such thing"))));
    let shape = Shape::compile(&json!({"type": "object", "properties": {
        "any": true, "n": {"type": "integer"},
    }}));
    let details = shape.explain("body", &json!({"any": [7], "n": "x"}), report);
    assert_eq!(details[0].kind, "int_type");
    assert_eq!(json!(details[1].loc), json!(["body", "any", 0]));
    assert_eq!(details[1].input, json!(7));
}

#[test]
fn what_only_the_type_refuses_is_said_by_serde() {
    /// Takes even numbers only.
    #[derive(Debug, JsonSchema)]
    #[expect(dead_code, reason = "only read")]
    struct Even(i64);
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match i64::deserialize(deserializer)? {
                even if even % 2 == 0 => Ok(Self(even)),
                _ => Err(serde::de::Error::custom("not even")),
            }
        }
    }
    /// Takes a date with a zone only, which its format does not say.
    #[derive(Debug, JsonSchema)]
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "only read")]
    struct Zoned(String);
    impl<'de> Deserialize<'de> for Zoned {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match String::deserialize(deserializer)? {
                zoned if zoned.ends_with('Z') => Ok(Self(zoned)),
                _ => Err(serde::de::Error::custom("no time zone")),
            }
        }
    }
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only read")]
    struct Pairs {
        even: Vec<Even>,
        when: Option<Zoned>,
    }
    impl Validate for Pairs {
        fn is_valid(&self) -> bool {
            true
        }
    }
    let shape = Shape::compile(schemars::schema_for!(Pairs).as_value());
    let refused = |text: &str| match parse::<Pairs>(&shape, text.as_bytes(), false) {
        Err(Refused::Invalid(details)) => json!(details),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(r#"{"even": [2, 3]}"#),
        json!([{
            "type": "value_error", "loc": ["body", "even", 1], "msg": "Value error, not even",
            "input": 3, "ctx": {"error": {}},
        }])
    );
    assert_eq!(
        refused(r#"{"even": [], "even": []}"#)[0]["msg"],
        "Value error, duplicate field `even`"
    );
    let reason = "Input should be a valid datetime or date, no time zone";
    assert_eq!(
        refused(r#"{"even": [], "when": "2024-01-01T10:00:00"}"#),
        json!([{
            "type": "datetime_from_date_parsing", "loc": ["body", "when"], "msg": reason,
            "input": "2024-01-01T10:00:00", "ctx": {"error": "no time zone"},
        }])
    );
}

#[test]
fn a_list_does_not_pass_for_a_struct() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only read")]
    struct One {
        x: i64,
    }
    impl Validate for One {
        fn is_valid(&self) -> bool {
            true
        }
    }
    let shape = Shape::compile(schemars::schema_for!(One).as_value());
    match parse::<One>(&shape, b" [1]", false) {
        Err(Refused::Invalid(details)) => assert_eq!(details[0].kind, "model_attributes_type"),
        other => panic!("{other:?}"),
    }
}
