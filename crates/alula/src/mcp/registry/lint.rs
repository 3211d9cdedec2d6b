//! What some clients, or providers of models behind them, refuse or get wrong, though the protocol
//! allows it. One tool that is refused may cost the client all of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The longest description that the providers with a limit take.
const DESCRIPTION_LETTERS_MAX: usize = 1024;
/// The longest name of an argument.
const ARGUMENT_LENGTH_MAX: usize = 64;
/// The most tools that the providers with a limit take.
const TOOLS_MAX: usize = 128;
/// How many fields of a result are named that have the same mistake.
const PLACES_MAX: usize = 4;
/// How deep it is looked; what is deeper has been said above.
const DEPTH_MAX: usize = 32;

/// What is to be said of so many tools.
pub(super) fn of_count(count: usize) -> Option<String> {
    (count > TOOLS_MAX).then(|| {
        format!(
            "there are {count} tools, and some providers of models take {TOOLS_MAX} at most; models \
             choose better among few"
        )
    })
}

/// What is to be said of a tool, by what clients are told of it.
pub(super) fn of_tool(name: &str, fields: &Map<String, Value>) -> Vec<String> {
    let schema = fields.get("inputSchema").unwrap_or(&Value::Null);
    let mut found = Vec::new();
    if name.contains('.') {
        found.push("its name has a `.`, which some providers of models refuse".to_owned());
    }
    match fields.get("description").and_then(Value::as_str) {
        None => found.push("it has no description, by which models choose".to_owned()),
        Some(text) if text.chars().count() > DESCRIPTION_LETTERS_MAX => found.push(format!(
            "its description is longer than the {DESCRIPTION_LETTERS_MAX} letters that some \
             providers of models take"
        )),
        Some(_) => {}
    }
    if let Some(keyword) =
        ["oneOf", "anyOf", "allOf"].into_iter().find(|keyword| schema.get(keyword).is_some())
    {
        found.push(format!(
            "it has `{keyword}` around all of its arguments, which some providers of models refuse; \
             put what has several forms into a field"
        ));
    }
    of_arguments(schema, "", 0, &mut found);
    if let Some(schema) = fields.get("outputSchema") {
        found.extend(of_result(schema));
    }
    found
}

/// What is to be said of the fields of a result, of each mistake once.
fn of_result(schema: &Value) -> Vec<String> {
    let mut places = BTreeMap::new();
    places_in_result(schema, "", 0, &mut places);
    let told = |(mistake, places): (&str, Vec<String>)| {
        let named: Vec<_> =
            places.iter().take(PLACES_MAX).map(|place| format!("`{place}`")).collect();
        let more = match places.len().saturating_sub(PLACES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more} in its result {mistake}", named.join(", "))
    };
    places.into_iter().map(told).collect()
}

/// Finds the fields of a result with which something is wrong, by what that is.
fn places_in_result(
    schema: &Value,
    place: &str,
    depth: usize,
    places: &mut BTreeMap<&'static str, Vec<String>>,
) {
    if depth > DEPTH_MAX {
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields = properties.into_iter().flatten().map(|(name, field)| {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        (place, field)
    });
    let items = schema.get("items").map(|items| (format!("{place}[]"), items));
    for (place, field) in fields.chain(items) {
        places_in_result(field, &place, depth + 1, places);
        if let Some(mistake) = mistake_of_result(field) {
            places.entry(mistake).or_default().push(place);
        }
    }
}

/// What is wrong with the schema of a value in a result. Providers of models do not read it, and
/// clients read more than those.
fn mistake_of_result(schema: &Value) -> Option<&'static str> {
    let Some(map) = schema.as_object() else {
        return Some("may be anything, which some clients refuse; say of what type it is");
    };
    if map.contains_key("$ref") {
        return Some("holds its own type, which some clients refuse");
    }
    map.get("type").is_some_and(Value::is_array).then_some(
        "has several types, such as null, which some clients refuse; leave out what is not there, \
         with `#[serde(skip_serializing_if = \"Option::is_none\")]`",
    )
}

/// Looks at the arguments in an object, and in what these hold.
fn of_arguments(schema: &Value, place: &str, depth: usize, found: &mut Vec<String>) {
    if depth > DEPTH_MAX {
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        let is_fit = (1..=ARGUMENT_LENGTH_MAX).contains(&name.len()) && name.chars().all(is_plain);
        if !is_fit {
            found.push(format!(
                "the name of its argument `{place}` is not of 1 to {ARGUMENT_LENGTH_MAX} letters, \
                 digits, `_`, `-` and `.`, as some providers of models want it"
            ));
        }
        found.extend(mistake(property).map(|mistake| format!("its argument `{place}` {mistake}")));
        of_arguments(property, &place, depth + 1, found);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        let place = format!("{place}[]");
        found.extend(mistake(items).map(|mistake| format!("its argument `{place}` {mistake}")));
        of_arguments(items, &place, depth + 1, found);
    }
}

/// What is wrong with the schema of one value.
fn mistake(schema: &Value) -> Option<&'static str> {
    const KINDS: [&str; 8] =
        ["type", "$ref", "enum", "const", "anyOf", "oneOf", "allOf", "properties"];
    let Some(map) = schema.as_object() else {
        return Some("may be anything; say of what type it is");
    };
    let kinds = map.get("type");
    let is_array = kinds == Some(&Value::from("array"));
    if map.contains_key("$ref") {
        Some("holds its own type, which some providers of models refuse")
    } else if kinds.is_some_and(Value::is_array) {
        Some(
            "has several types, such as null, which some clients cannot show; one that may be left \
             out is an `Option` with `#[serde(default)]`",
        )
    } else if !KINDS.iter().any(|keyword| map.contains_key(*keyword)) {
        Some("may be anything; say of what type it is")
    } else if is_array && !map.get("items").is_some_and(Value::is_object) {
        Some("is a list of anything, which some providers of models refuse; say of what")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(name: &str, description: &str, schema: &Value) -> String {
        let fields = json!({ "description": description, "inputSchema": schema });
        of_tool(name, fields.as_object().unwrap()).join("\n")
    }

    /// What is said of a tool whose result is of this schema.
    fn of_output(schema: &Value) -> String {
        let fields = json!({ "description": "b", "inputSchema": {}, "outputSchema": schema });
        of_tool("a", fields.as_object().unwrap()).join("\n")
    }

    fn with(argument: &Value) -> String {
        said("a", "b", &json!({ "type": "object", "properties": { "x": argument } }))
    }

    #[test]
    fn what_all_clients_take_is_not_mentioned() {
        for argument in [
            json!({ "type": "string", "enum": ["a"] }),
            json!({ "type": "array", "items": { "type": "integer" } }),
            json!({ "type": "object", "properties": { "y": { "type": "number" } } }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }),
        ] {
            assert_eq!(with(&argument), "");
        }
        assert_eq!(said("a", "b", &json!({ "type": "object" })), "");
        assert_eq!(of_count(128), None);
    }

    #[test]
    fn each_thing_that_some_refuse_is_told_with_its_place() {
        assert!(said("a.b", "b", &json!({})).contains("its name has a `.`"));
        assert!(said("a", &"b".repeat(1025), &json!({})).contains("1024 letters"));
        assert!(said("a", "b", &json!({ "anyOf": [] })).contains("`anyOf` around all"));
        assert!(of_count(129).unwrap().contains("129 tools"));
        let object = json!({ "type": "object", "properties": { "é": { "type": "string" } } });
        assert!(said("a", "b", &object).contains("argument `é` is not of"));
        assert!(with(&object).contains("argument `x.é` is not of"));
        for (argument, place, says) in [
            (json!(true), "`x`", "may be anything"),
            (json!({ "description": "what" }), "`x`", "may be anything"),
            (json!({ "type": ["string", "null"] }), "`x`", "several types"),
            (json!({ "$ref": "#/$defs/Node" }), "`x`", "its own type"),
            (json!({ "type": "array" }), "`x`", "a list of anything"),
            (json!({ "type": "array", "items": true }), "`x`", "a list of anything"),
            (json!({ "type": "array", "items": { "type": "array" } }), "`x[]`", "list of anything"),
        ] {
            let said = with(&argument);
            assert!(said.contains(place) && said.contains(says), "{said}");
        }
    }

    #[test]
    fn results_are_looked_at_as_well() {
        let fields = json!({
            "fine": { "type": "string" },
            "either": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
            "list": { "type": "array", "items": { "type": "object", "properties": {
                "page": { "type": ["integer", "null"] },
            } } },
            "page": { "type": ["integer", "null"] },
            "raw": true,
            "node": { "$ref": "#/$defs/Node" },
        });
        let said = of_output(&json!({ "type": "object", "properties": fields }));
        for line in [
            "`list[].page`, `page` in its result has several types",
            "`raw` in its result may be anything",
            "`node` in its result holds its own type",
        ] {
            assert!(said.contains(line), "{line:?} in {said}");
        }
        assert_eq!(said.lines().count(), 3, "{said}");
        let several = (0..9).map(|number| (format!("f{number}"), json!(true)));
        let fields: Map<String, Value> = several.collect();
        let said = of_output(&json!({ "type": "object", "properties": fields }));
        assert!(said.starts_with("`f0`, `f1`, `f2`, `f3` and 5 more in its result may"), "{said}");
    }
}
