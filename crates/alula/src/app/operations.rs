//! Operations in the document: their names, and what their authors say about them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::routing::{Meta, Route};

/// The operation object: what the author said, then what the types say.
pub(super) fn describe(
    meta: Meta,
    operation_id: String,
    types: Map<String, Value>,
) -> Map<String, Value> {
    let mut operation = Map::new();
    if !meta.tags.is_empty() {
        operation.insert("tags".to_owned(), meta.tags.into());
    }
    let summary = meta.summary.unwrap_or_else(|| title_case(&meta.name));
    operation.insert("summary".to_owned(), summary.into());
    if let Some(description) = meta.description {
        operation.insert("description".to_owned(), description.into());
    }
    operation.insert("operationId".to_owned(), operation_id.into());
    if meta.deprecated {
        operation.insert("deprecated".to_owned(), true.into());
    }
    operation.extend(types);
    let text = meta.response_description;
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    if let (Some(text), Some(responses)) = (text, responses) {
        let success = responses.iter_mut().find(|(status, _)| status.starts_with(['2', '3']));
        if let Some(response) = success.and_then(|(_, response)| response.as_object_mut()) {
            response.insert("description".to_owned(), text.into());
        }
    }
    operation
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

/// The name of each endpoint; where two share it, with method and path, whatever their order.
pub(super) fn operation_ids(routes: &[Route]) -> Vec<String> {
    let own = |route: &Route| route.meta.operation_id.clone();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for route in routes.iter().filter(|route| own(route).is_none()) {
        *uses.entry(&route.meta.name).or_default() += 1;
    }
    let unique = |route: &Route| uses.get(route.meta.name.as_str()) == Some(&1);
    let id = |route: &Route| {
        let name = &route.meta.name;
        own(route).unwrap_or_else(|| match unique(route) {
            true => name.clone(),
            false => {
                let path = route.path.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
                format!("{name}{path}_{}", route.method.as_str().to_ascii_lowercase())
            }
        })
    };
    routes.iter().map(id).collect()
}

/// Operation ids that two endpoints have, although clients name their methods by them.
pub(super) fn repeated(routes: &[Route], operation_ids: &[String]) -> Vec<String> {
    let mut known: HashMap<&str, &Route> = HashMap::new();
    let mut mistakes = Vec::new();
    for (route, id) in routes.iter().zip(operation_ids).filter(|(route, _)| !route.meta.hidden) {
        if let Some(other) = known.insert(id, route) {
            mistakes.push(format!(
                "{} {}: its operation id `{id}` is that of {} {}, too; \
                 set another with `.operation_id(…)`",
                route.method, route.path, other.method, other.path
            ));
        }
    }
    mistakes
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
