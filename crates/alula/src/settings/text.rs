//! The text of a variable as the value that its setting takes.

use serde_json::Value;

use super::plan::Takes;

/// Reads text for a setting: JSON where it takes lists or objects and the text looks like one, a
/// list by commas where it takes nothing else, and otherwise the text as it is, for the walker.
///
/// # Errors
/// What is wrong with the JSON.
pub(super) fn value(text: &str, takes: Takes) -> Result<Value, String> {
    let json = match text.trim_start().chars().next() {
        Some('[') => takes.list,
        Some('{') => takes.object,
        _ => false,
    };
    if json {
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            Err(_) if takes.scalar => {}
            Err(error) => return Err(format!("Invalid JSON: {error}")),
        }
    }
    if takes.list && !takes.scalar && !takes.object {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Ok(items.collect());
    }
    Ok(Value::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCALAR: Takes = Takes { scalar: true, list: false, object: false };
    const LIST: Takes = Takes { scalar: false, list: true, object: false };
    const OBJECT: Takes = Takes { scalar: false, list: false, object: true };
    const ANY: Takes = Takes::ANYTHING;

    #[test]
    fn scalars_stay_text() {
        for text in ["8000", " a ", "[1", "{}", "a,b"] {
            assert_eq!(value(text, SCALAR), Ok(json!(text)));
        }
    }

    #[test]
    fn lists_are_json_or_separated_by_commas() {
        assert_eq!(value("a, b,,c,", LIST), Ok(json!(["a", "b", "c"])));
        assert_eq!(value(" [1, \"a,b\"]", LIST), Ok(json!([1, "a,b"])));
        assert_eq!(value("[]", LIST), Ok(json!([])));
        assert!(value("[a", LIST).unwrap_err().starts_with("Invalid JSON: "));
    }

    #[test]
    fn objects_are_json() {
        assert_eq!(value("{\"a\": 1}", OBJECT), Ok(json!({"a": 1})));
        assert_eq!(value("a=1", OBJECT), Ok(json!("a=1")));
        assert!(value("{a}", OBJECT).unwrap_err().starts_with("Invalid JSON: "));
    }

    #[test]
    fn what_may_be_anything_is_json_only_if_it_can_be() {
        assert_eq!(value("{a}", ANY), Ok(json!("{a}")));
        assert_eq!(value("[1]", ANY), Ok(json!([1])));
        assert_eq!(value("a,b", ANY), Ok(json!("a,b")));
    }
}
