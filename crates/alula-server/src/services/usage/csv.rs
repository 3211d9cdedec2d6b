//! Reports for spreadsheets: RFC 4180, in UTF-8.

use serde::Serialize;
use serde_json::Value;

/// The names of the fields of an item, as the first line.
pub(crate) fn head(item: &impl Serialize) -> String {
    line(fields(item).into_iter().map(|(name, _)| Value::from(name)))
}

/// An item as a line.
pub(crate) fn row(item: &impl Serialize) -> String {
    line(fields(item).into_iter().map(|(_, value)| value))
}

/// The fields of an item, in their order.
pub(crate) fn fields(item: &impl Serialize) -> Vec<(String, Value)> {
    match serde_json::to_value(item) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn line(values: impl Iterator<Item = Value>) -> String {
    let cells: Vec<String> = values.map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        value => value.to_string(),
    }
}

/// A text that a spreadsheet takes for a text: what begins like a formula gets an apostrophe, as a
/// client may choose the name of the model that it asks for.
fn quoted(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
        || text.trim_start().starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text };
    match text.contains([',', '"', '\r', '\n', ';', '\t']) || is_formula {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_is_a_line() {
        let item = json!({"a": 1, "b": null, "c": "x", "d": true});
        assert_eq!(head(&item), "a,b,c,d\r\n");
        assert_eq!(row(&item), "1,,x,true\r\n");
    }

    #[test]
    fn no_text_ends_its_cell_or_is_a_formula() {
        for (text, expected) in [
            ("a,b", "\"a,b\""),
            ("say \"hi\"\n", "\"say \"\"hi\"\"\n\""),
            ("=HYPERLINK(\"http://a\")", "\"'=HYPERLINK(\"\"http://a\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            (" =1", "\"' =1\""),
            ("gpt-4o", "gpt-4o"),
            ("", ""),
        ] {
            assert_eq!(quoted(text.to_owned()), expected);
        }
    }
}
