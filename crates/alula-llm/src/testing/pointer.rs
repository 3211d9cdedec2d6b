//! JSON pointers with `*` for every item and every field.

use serde_json::Value;

/// Calls `act` with each value that has a child at the pointer's end, and the name of the child.
pub(super) fn each_parent(value: &mut Value, pointer: &str, act: &mut dyn FnMut(&mut Value, &str)) {
    let Some(path) = pointer.strip_prefix('/') else { return };
    let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    for name in names(value, name) {
        if rest.is_empty() {
            act(value, &name);
        } else if let Some(child) = child(value, &name) {
            each_parent(child, rest, act);
        }
    }
}

/// The field or item of this name.
pub(super) fn child<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(fields) => fields.get_mut(name),
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Takes out what is there; the items of a list keep their places.
pub(super) fn remove(value: &mut Value, pointer: &str) {
    each_parent(value, pointer, &mut |parent, name| match parent {
        Value::Object(fields) => drop(fields.shift_remove(name)),
        parent => {
            if let Some(item) = child(parent, name) {
                item.take();
            }
        }
    });
}

fn names(value: &Value, name: &str) -> Vec<String> {
    match (name, value) {
        ("*", Value::Object(fields)) => fields.keys().cloned().collect(),
        ("*", Value::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => vec![name.replace("~1", "/").replace("~0", "~")],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(pointer: &str, expected: &Value) {
        let mut value = json!({"a": {"b/c": 1, "d": 2}, "l": [{"id": 1, "x": 1}, {"id": 2}]});
        remove(&mut value, pointer);
        assert_eq!(&value, expected, "{pointer}");
    }

    #[test]
    fn a_pointer_takes_out_what_it_points_at() {
        let list = json!([{"id": 1, "x": 1}, {"id": 2}]);
        let map = json!({"b/c": 1, "d": 2});
        check("/a/d", &json!({"a": {"b/c": 1}, "l": list}));
        check("/a/b~1c", &json!({"a": {"d": 2}, "l": list}));
        check("/a/*", &json!({"a": {}, "l": list}));
        check("/l/0", &json!({"a": map, "l": [null, {"id": 2}]}));
        check("/l/*/id", &json!({"a": map, "l": [{"x": 1}, {}]}));
        for nothing in ["", "a", "/", "/x/y", "/l/7/id", "/l/x", "/a/d/e"] {
            check(nothing, &json!({"a": map, "l": list}));
        }
    }
}
