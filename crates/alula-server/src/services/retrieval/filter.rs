//! Filters, as clients write them.

use alula::{Detail, HttpError, Loc};
use alula_rag::search::{Filter, FilterError};
use serde_json::{Map, Value, json};

/// Reads the filter at this place of a body.
///
/// # Errors
///
/// 422 with the place of what is wrong.
pub(crate) fn parsed(
    filters: Map<String, Value>,
    within: &[&'static str],
) -> Result<Filter, HttpError> {
    let filters = Value::Object(filters);
    Filter::parse(&filters).map_err(|FilterError { at, reason }| {
        HttpError::validation(vec![Detail {
            kind: "value_error".into(),
            loc: place_of(&at, within),
            msg: format!("Value error, {reason}"),
            input: filters.clone(),
            ctx: Some(json!({ "error": {} })),
        }])
    })
}

/// `filters.filters[0].value` as steps into a body.
fn place_of(at: &str, within: &[&'static str]) -> Vec<Loc> {
    let mut place: Vec<Loc> = vec!["body".into()];
    place.extend(within.iter().map(|name| Loc::from(*name)));
    for step in at.split('.').skip(1) {
        let mut parts = step.split('[');
        place.extend(parts.next().map(|name| Loc::from(name.to_owned())));
        let numbers = parts.filter_map(|part| part.trim_end_matches(']').parse().ok());
        place.extend(numbers.map(Loc::Index));
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_filter_has_its_place() {
        let place = |at| {
            let steps = place_of(at, &["filters"]);
            steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
        };
        assert_eq!(place("filters"), "body/filters");
        assert_eq!(place("filters.filters[2].value[11]"), "body/filters/filters/2/value/11");
    }
}
