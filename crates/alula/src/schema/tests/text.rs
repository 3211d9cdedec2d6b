//! Parameters that need their schema, and what documents need to know of them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::schema::{Names, TextShape};
use crate::validate::{Report, Validate};

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Page {
    skip: u32,
    #[serde(flatten)]
    sort: Sort,
    one_or_many: Option<OneOrMany>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Sort {
    #[serde(default)]
    descending: bool,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged)]
enum OneOrMany {
    One(i32),
    Many(Vec<i32>),
}

impl Validate for Page {
    fn is_valid(&self) -> bool {
        self.skip < 1000
    }

    fn report(&self, report: &mut Report) {
        report.check(if self.is_valid() { Ok(()) } else { Err("too far") });
    }
}

fn page(pairs: &[(&str, &str)]) -> Result<Page, Vec<String>> {
    let shape = TextShape::new(schemars::schema_for!(Page).as_value(), Names::AsIs);
    let pairs: Vec<_> =
        pairs.iter().map(|(name, text)| (Cow::Borrowed(*name), Cow::Borrowed(*text))).collect();
    shape.parse("query", &pairs).map_err(|details| {
        details
            .into_iter()
            .map(|detail| format!("{} at {}", detail.kind, json!(detail.loc)))
            .collect()
    })
}

#[test]
fn text_that_is_not_plain_is_read_by_its_schema() {
    let sort = |descending| Sort { descending };
    assert_eq!(
        page(&[("skip", "1"), ("descending", "yes")]),
        Ok(Page { skip: 1, sort: sort(true), one_or_many: None })
    );
    assert_eq!(
        page(&[("skip", "1"), ("one_or_many", "5")]),
        Ok(Page { skip: 1, sort: sort(false), one_or_many: Some(OneOrMany::One(5)) })
    );
    assert_eq!(
        page(&[("one_or_many", "5"), ("skip", "1"), ("one_or_many", "6")]),
        Ok(Page { skip: 1, sort: sort(false), one_or_many: Some(OneOrMany::Many(vec![5, 6])) })
    );
    assert_eq!(
        page(&[("descending", "x"), ("one_or_many", "y")]),
        Err(vec![
            r#"missing at ["query","skip"]"#.to_owned(),
            r#"bool_parsing at ["query","descending"]"#.to_owned(),
            r#"int_parsing at ["query","one_or_many","int"]"#.to_owned(),
            r#"list_type at ["query","one_or_many","list[int]"]"#.to_owned(),
        ])
    );
    assert_eq!(page(&[("skip", "1000")]), Err(vec![r#"value_error at ["query"]"#.to_owned()]));
}

#[test]
fn parameters_are_listed_for_the_document() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only the schema matters")]
    struct Headers {
        x_request_id: String,
        retries: Option<u8>,
    }
    let shape = TextShape::new(schemars::schema_for!(Headers).as_value(), Names::Header);
    let listed: Vec<_> = shape
        .parameters()
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.required, &parameter.schema["type"]))
        .collect();
    assert_eq!(
        listed,
        [("x-request-id", true, &json!("string")), ("retries", false, &json!(["integer", "null"]))]
    );

    let shape =
        TextShape::new(schemars::schema_for!((u8, Sort)).as_value(), Names::Path(&["a", "b"]));
    assert_eq!(shape.parameters()[0].name, "a");
    assert_eq!(shape.parameters()[1].schema, json!({"$ref": "#/$defs/Sort"}));
}

#[test]
fn headers_that_nobody_asked_for_are_ignored() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Headers {
        x_token: String,
    }
    impl Validate for Headers {
        fn is_valid(&self) -> bool {
            self.x_token != "bad"
        }

        fn report(&self, report: &mut Report) {
            report.at("x_token", |report| {
                report.check(if self.is_valid() { Ok(()) } else { Err("bad token") });
            });
        }
    }
    let shape = TextShape::new(schemars::schema_for!(Headers).as_value(), Names::Header);
    let pair = |name, text| (Cow::Borrowed(name), Cow::Borrowed(text));
    let good: Headers = shape.parse("header", &[pair("host", "x"), pair("x-token", "t")]).unwrap();
    assert_eq!(good.x_token, "t");
    let bad = shape.parse::<Headers>("header", &[pair("x-token", "bad"), pair("host", "x")]);
    assert_eq!(json!(bad.unwrap_err()[0].loc), json!(["header", "x-token"]));
}
