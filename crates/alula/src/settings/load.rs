//! From the tree to the type, and from the walker's findings to mistakes with names.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{
    Loader, SettingsError,
    error::{Mistake, Origin},
    gather::{FORBIDDEN, Gathered, with_hint},
    near::nearest,
    plan::{self, Setting},
    tree::Place,
};
use crate::{
    schema::{Loc, SettingMistake, Shape, Teller},
    validate::Validate,
};

/// Messages of these kinds never repeat a part of the value.
const DISCREET: &[&str] = &[
    "missing",
    "extra_forbidden",
    "none_required",
    "string_type",
    "string_too_short",
    "string_too_long",
    "string_pattern_mismatch",
    "bool_type",
    "bool_parsing",
    "int_type",
    "int_from_float",
    "int_parsing",
    "int_parsing_size",
    "float_type",
    "float_parsing",
    "finite_number",
    "multiple_of",
    "less_than",
    "less_than_equal",
    "greater_than",
    "greater_than_equal",
    "enum",
    "literal_error",
    "dict_type",
    "model_attributes_type",
    "list_type",
    "set_type",
    "tuple_type",
    "too_short",
    "too_long",
    "unique_items",
];

pub(super) fn load<T>(loader: &Loader) -> Result<T, SettingsError>
where
    T: DeserializeOwned + JsonSchema + Validate,
{
    let schema = schemars::schema_for!(T);
    let settings = plan::settings(schema.as_value(), &loader.prefix);
    let mut gathered = Gathered::new(&settings, &loader.prefix);
    loader.gather(&mut gathered);
    let shape = Shape::compile(schema.as_value());
    let Gathered { tree, mut mistakes, incomplete, strangers, .. } = gathered;
    let naming = Naming { settings: &settings, tree: &tree, strangers: &strangers };
    match shape.read_settings::<T>(&tree.to_value()) {
        Ok(value) if mistakes.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(found) => {
            // What is missing may be in what could not be read.
            let told = found.into_iter().map(|mistake| naming.name(mistake)).filter(|mistake| {
                !(incomplete && mistake.kind == "missing" && mistake.origin == Origin::Unset)
            });
            mistakes.extend(told);
        }
    }
    Err(SettingsError::new(mistakes))
}

/// What gives a finding of the walker its name.
struct Naming<'n, 's> {
    settings: &'n [Setting<'s>],
    tree: &'n super::tree::Tree,
    strangers: &'n [String],
}

impl Naming<'_, '_> {
    fn name(&self, found: SettingMistake) -> Mistake {
        let SettingMistake { path, kind, message, teller } = found;
        let (planned, setting) = self.planned(&path);
        let secret = setting.is_some_and(|setting| setting.secret);
        let message = if secret && !is_discreet(&kind, teller) {
            "The value is refused; as it is a secret, nothing more is told".to_owned()
        } else if kind == FORBIDDEN.0 {
            with_hint(&message, self.meant_key(&path))
        } else if kind == "missing" {
            let names = setting.into_iter().flat_map(|setting| &setting.variables);
            let strangers = || self.strangers.iter().map(String::as_str);
            match names.filter_map(|name| nearest(name, strangers())).next() {
                Some(stranger) => format!("{message}; is `{stranger}` meant to be it?"),
                None => message,
            }
        } else {
            message
        };
        Mistake::new(&self.place(&path, planned, setting), &kind, message)
    }

    /// What the source calls the value, or what its variable would be.
    fn place(&self, path: &[Loc], planned: usize, setting: Option<&Setting<'_>>) -> Place {
        let (steps, place) = self.tree.follow(path);
        match setting.and_then(|setting| setting.variables.first()) {
            Some(variable) if planned > steps => {
                let name = with_rest(variable, path.get(planned..));
                Place { name, origin: Origin::Unset }
            }
            _ => Place {
                name: with_rest(&place.name, path.get(steps..)),
                origin: place.origin.clone(),
            },
        }
    }

    /// How many steps of a path the settings know, and the setting there.
    fn planned(&self, path: &[Loc]) -> (usize, Option<&Setting<'_>>) {
        let leads_to = |setting: &&Setting<'_>| {
            let start = path.get(..setting.path.len());
            start.is_some_and(|start| {
                start.iter().zip(&setting.path).all(|(step, key)| is_key(step, key))
            })
        };
        let found = self.settings.iter().filter(leads_to).max_by_key(|it| it.path.len());
        (found.map_or(0, |setting| setting.path.len()), found)
    }

    /// The field that an unknown key was probably meant to be.
    fn meant_key(&self, path: &[Loc]) -> Option<&str> {
        let Some((Loc::Key(key), parent)) = path.split_last() else { return None };
        let siblings = self.settings.iter().filter_map(|setting| {
            let (name, before) = setting.path.split_last()?;
            let same = before.len() == parent.len()
                && parent.iter().zip(before).all(|(step, key)| is_key(step, key));
            same.then_some(*name)
        });
        nearest(key, siblings)
    }
}

fn is_key(step: &Loc, key: &str) -> bool {
    matches!(step, Loc::Key(step) if step == key)
}

/// A name with the steps that lead further: `APP_TARGETS[0].url`.
fn with_rest(name: &str, rest: Option<&[Loc]>) -> String {
    rest.unwrap_or_default().iter().fold(name.to_owned(), |name, step| match step {
        Loc::Index(at) => format!("{name}[{at}]"),
        Loc::Key(key) | Loc::Branch(key) if name.is_empty() => key.to_string(),
        Loc::Key(key) | Loc::Branch(key) => format!("{name}.{key}"),
    })
}

/// Whether a message may be told of a secret. The words of a check are its author's.
fn is_discreet(kind: &str, teller: Teller) -> bool {
    match teller {
        Teller::Check => true,
        Teller::Schema => DISCREET.contains(&kind),
        Teller::Type => false,
    }
}
