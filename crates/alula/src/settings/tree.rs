//! What the sources say, laid over each other, with where each part came from.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::Origin;
use crate::schema::Loc;

/// The place in a source that a value came from.
#[derive(Debug)]
pub(super) struct Place {
    /// What the source calls it: `APP_PORT`, `server.port`.
    pub(super) name: String,
    pub(super) origin: Origin,
}

impl Place {
    /// The name of what is one step inside.
    pub(super) fn name_of(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }
}

/// A value whose parts remember their places.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Table { entries: Vec<(String, Self)>, place: Arc<Place> },
    Leaf { value: Value, place: Arc<Place> },
}

impl Tree {
    /// A value that a variable holds as a whole.
    pub(super) fn new(value: Value, place: &Arc<Place>) -> Self {
        let place = Arc::clone(place);
        match value {
            Value::Object(entries) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let inner = Place { name: place.name_of(&key), origin: place.origin.clone() };
                    (key, Self::new(value, &Arc::new(inner)))
                });
                Self::Table { entries: entries.collect(), place }
            }
            value => Self::Leaf { value, place },
        }
    }

    /// The tree in which `self` is found at `path`.
    pub(super) fn below(self, path: &[&str]) -> Self {
        path.iter().rev().fold(self, |tree, key| {
            let place = Arc::clone(tree.place());
            Self::Table { entries: vec![((*key).to_owned(), tree)], place }
        })
    }

    /// Lays another tree over this one: tables are merged, everything else is replaced.
    pub(super) fn lay_over(&mut self, over: Self) {
        match (self, over) {
            (Self::Table { entries, place }, Self::Table { entries: new, place: new_place }) => {
                *place = new_place;
                for (key, tree) in new {
                    match entries.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, known)) => known.lay_over(tree),
                        None => entries.push((key, tree)),
                    }
                }
            }
            (replaced, over) => *replaced = over,
        }
    }

    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Leaf { value, .. } => value.clone(),
            Self::Table { entries, .. } => {
                let entries = entries.iter().map(|(key, tree)| (key.clone(), tree.to_value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// How far a way leads into the tree, and the place where it ends.
    pub(super) fn follow(&self, way: &[Loc]) -> (usize, &Arc<Place>) {
        let mut tree = self;
        for (steps, step) in way.iter().enumerate() {
            let next = match (tree, step) {
                (Self::Table { entries, .. }, Loc::Key(key)) => {
                    entries.iter().find(|(known, _)| known == key)
                }
                _ => None,
            };
            match next {
                Some((_, inner)) => tree = inner,
                None => return (steps, tree.place()),
            }
        }
        (way.len(), tree.place())
    }

    fn place(&self) -> &Arc<Place> {
        match self {
            Self::Table { place, .. } | Self::Leaf { place, .. } => place,
        }
    }
}
