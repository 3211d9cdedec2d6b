//! The answers of an operation.

use serde_json::{Map, Value, json};

use super::Operation;

impl Operation<'_> {
    /// Describes an answer; a second description of the same status adds its content.
    pub fn response(&mut self, status: u16, description: &str, content: Option<(&str, Value)>) {
        let content = content.map(|(media_type, schema)| (media_type, json!({ "schema": schema })));
        self.add_response(status, description, content);
    }

    /// Describes an answer that is a stream of items, each of which has the schema `item`.
    ///
    /// It stands as `x-item-schema`, and there is no `schema`: in OpenAPI 3.1 that would be of the
    /// whole stream, and tools take it for that of an item.
    pub fn stream_response(&mut self, status: u16, media_type: &str, item: &Value) {
        let content = json!({ "x-item-schema": item });
        self.add_response(status, "Successful Response", Some((media_type, content)));
    }

    fn add_response(&mut self, status: u16, description: &str, content: Option<(&str, Value)>) {
        if content.is_some() && matches!(status, 204 | 205 | 304) {
            self.mistake(format!("an answer with status {status} has no body; return `()`"));
        }
        let response = self
            .responses
            .entry(status.to_string())
            .or_insert_with(|| json!({ "description": description }));
        let (Some(response), Some((media_type, media))) = (response.as_object_mut(), content)
        else {
            return;
        };
        let contents = response.entry("content").or_insert_with(|| json!({}));
        let Some(contents) = contents.as_object_mut() else { return };
        match contents.get_mut(media_type) {
            Some(known) => add_alternative(known, &media),
            None => {
                contents.insert(media_type.to_owned(), media);
            }
        }
    }

    /// The description of an answer, if it has one yet.
    pub(super) fn response_mut(&mut self, status: u16) -> Option<&mut Map<String, Value>> {
        self.responses.get_mut(&status.to_string())?.as_object_mut()
    }
}

/// Lets a media type have another schema beside the ones it has.
fn add_alternative(media: &mut Value, other: &Value) {
    let (Some(known), Some(new)) = (media.get_mut("schema"), other.get("schema").cloned()) else {
        return;
    };
    if *known == new {
        return;
    }
    match known.get_mut("anyOf").and_then(Value::as_array_mut) {
        Some(schemas) if !schemas.contains(&new) => schemas.push(new),
        Some(_) => {}
        None => *known = json!({ "anyOf": [known.take(), new] }),
    }
}
