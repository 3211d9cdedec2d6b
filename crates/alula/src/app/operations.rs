//! Operations in the document: what their authors say about them.

use serde_json::{Map, Value, json};

use crate::{
    openapi::{Example, merge},
    routing::Meta,
};

/// The operation object: what the author said, then what the types say; and what of it cannot be
/// true.
pub(super) fn describe(
    meta: Meta,
    operation_id: String,
    types: Map<String, Value>,
) -> (Map<String, Value>, Vec<String>) {
    let mut operation = Map::new();
    let mut mistakes = Vec::new();
    if !meta.tags.is_empty() {
        operation.insert("tags".to_owned(), meta.tags.into());
    }
    let summary = meta.summary.unwrap_or_else(|| title_case(&meta.name));
    operation.insert("summary".to_owned(), summary.into());
    if let Some(description) = meta.description {
        operation.insert("description".to_owned(), description.into());
    }
    if let Some(external_docs) = meta.external_docs {
        operation.insert("externalDocs".to_owned(), external_docs);
    }
    operation.insert("operationId".to_owned(), operation_id.into());
    if meta.deprecated {
        operation.insert("deprecated".to_owned(), true.into());
    }
    operation.extend(types);
    if let Some(text) = meta.response_description {
        describe_success(&mut operation, &text);
    }
    for (name, example) in meta.examples {
        let body = operation.get_mut("requestBody");
        if !add_example(body, &name, example) {
            mistakes.push(format!("it has the example `{name}` of a body that it does not read"));
        }
    }
    for (status, name, example) in meta.response_examples {
        let response =
            operation.get_mut("responses").and_then(|all| all.get_mut(status.to_string()));
        if !add_example(response, &name, example) {
            mistakes.push(format!(
                "it has the example `{name}` of an answer {status} that it does not describe"
            ));
        }
    }
    for extra in meta.extra {
        match extra {
            Value::Object(extra) => merge(&mut operation, extra),
            _ => mistakes.push("what `.openapi_extra(…)` adds is no object".to_owned()),
        }
    }
    (operation, mistakes)
}

fn describe_success(operation: &mut Map<String, Value>, text: &str) {
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    let success =
        responses.and_then(|all| all.iter_mut().find(|(status, _)| status.starts_with('2')));
    if let Some(response) = success.and_then(|(_, response)| response.as_object_mut()) {
        response.insert("description".to_owned(), text.into());
    }
}

/// Adds an example to each media type of a body; says whether there is any.
fn add_example(body: Option<&mut Value>, name: &str, example: Example) -> bool {
    let content = body.and_then(|body| body.get_mut("content")?.as_object_mut());
    let mut is_added = false;
    let example = example.into_value();
    for media in content.into_iter().flat_map(|content| content.values_mut()) {
        let Some(media) = media.as_object_mut() else { continue };
        let examples = media.entry("examples").or_insert_with(|| json!({}));
        if let Some(examples) = examples.as_object_mut() {
            examples.insert(name.to_owned(), example.clone());
            is_added = true;
        }
    }
    is_added
}

/// `create_item` as a title.
fn title_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(char::to_uppercase).into_iter().flatten();
        first.chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The names in braces, in order.
pub(super) fn path_names(path: &str) -> Vec<String> {
    let part = |part: &str| Some(part.split_once('}')?.0.trim_start_matches('*').to_owned());
    path.split('{').skip(1).filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_path_are_found_in_order() {
        assert_eq!(path_names("/a/{b}/c/{*rest}"), ["b", "rest"]);
        assert_eq!(path_names("/{id}.json"), ["id"]);
        assert!(path_names("/plain").is_empty());
    }

    #[test]
    fn names_become_titles() {
        assert_eq!(title_case("create_item"), "Create Item");
        assert_eq!(title_case("_x__y"), "X Y");
        assert_eq!(title_case(""), "");
    }
}
