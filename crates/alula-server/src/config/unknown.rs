//! Variables that look like ours and are not.

use std::cell::RefCell;

use super::Config;

/// What the names of our own variables begin with.
const PREFIX: &str = "ALULA_";

/// Warns of each variable of ours that nobody reads: a typing mistake would else be a setting that
/// silently is not there. `elsewhere` are those that are not read by [`Config`].
pub(crate) fn warn_of_unknown(elsewhere: &[String]) {
    for (unknown, nearest) in unknown_variables(elsewhere) {
        tracing::warn!("nothing reads {unknown}; is it meant to be {nearest}?");
    }
}

/// Variables of ours that nobody reads, with the nearest one that somebody does.
pub(crate) fn unknown_variables(elsewhere: &[String]) -> Vec<(String, String)> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    unknown(names, elsewhere)
}

fn unknown(names: impl Iterator<Item = String>, elsewhere: &[String]) -> Vec<(String, String)> {
    let known = RefCell::new(elsewhere.to_vec());
    // Whatever it makes of an empty environment, it asks for everything it knows.
    let _ = Config::read(|name| {
        known.borrow_mut().push(name.to_owned());
        None
    });
    let known = known.into_inner();
    let is_unknown = |name: &String| name.starts_with(PREFIX) && !known.contains(name);
    let ours = || known.iter().filter(|name| name.starts_with(PREFIX));
    let nearest = |name: &str| ours().min_by_key(|known| strsim::damerau_levenshtein(name, known));
    names
        .filter(is_unknown)
        .filter_map(|name| Some((nearest(&name)?.clone(), name)))
        .map(|(nearest, name)| (name, nearest))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_a_typing_mistake_is_told_with_the_nearest_one() {
        let names = ["ALULA_BODY_BYTES_MAXX", "ALULA_LOG", "ALULA_PROT", "HOME", "ALULA_GPU_KEY"];
        let elsewhere = ["ALULA_PORT".to_owned(), "ALULA_GPU_KEY".to_owned()];
        let found = unknown(names.map(str::to_owned).into_iter(), &elsewhere);
        let expected =
            [("ALULA_BODY_BYTES_MAXX", "ALULA_BODY_BYTES_MAX"), ("ALULA_PROT", "ALULA_PORT")];
        assert_eq!(found, expected.map(|(one, other)| (one.to_owned(), other.to_owned())));
    }
}
