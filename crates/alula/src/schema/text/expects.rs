//! How many values a name should have, by the schema.

use super::super::node::{Node, NodeId, Rest};
use super::super::shape::Shape;

/// How many values a name should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    One,
    Many,
    /// A union of both, or anything.
    Either,
}

impl Expects {
    fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Either }
    }
}

/// Wrappers and unions are followed this deep.
const DEPTH_MAX: usize = 16;

/// What the entry `name` of the object at the root of `shape` expects.
pub(super) fn expects_named(shape: &Shape, name: &str) -> Expects {
    expects_at(shape, shape.root(), name, 0)
}

fn expects_at(shape: &Shape, id: NodeId, name: &str, depth: usize) -> Expects {
    if depth > DEPTH_MAX {
        return Expects::Either;
    }
    let all = |ids: &mut dyn Iterator<Item = NodeId>| {
        ids.map(|id| expects_at(shape, id, name, depth + 1)).reduce(Expects::or)
    };
    let found = match shape.node(id) {
        Node::Object(rules) => match (rules.field(name), rules.rest) {
            (Some(field), _) => return expects(shape, field.node, depth + 1),
            (None, Rest::Each(node)) => return expects(shape, node, depth + 1),
            (None, Rest::Ignore | Rest::Forbid) => None,
        },
        Node::Nullable(inner) | Node::When(_, inner) => all(&mut std::iter::once(*inner)),
        Node::All(parts) => all(&mut parts.iter().copied()),
        Node::Union(branches) => all(&mut branches.iter().map(|branch| branch.node)),
        Node::Tagged(rules) => all(&mut rules.branches.iter().map(|branch| branch.node)),
        _ => None,
    };
    found.unwrap_or(Expects::Either)
}

fn expects(shape: &Shape, id: NodeId, depth: usize) -> Expects {
    if depth > DEPTH_MAX {
        return Expects::Either;
    }
    let all = |ids: &mut dyn Iterator<Item = NodeId>| {
        ids.map(|id| expects(shape, id, depth + 1)).reduce(Expects::or).unwrap_or(Expects::Either)
    };
    match shape.node(id) {
        Node::List(_) => Expects::Many,
        Node::Any | Node::When(..) => Expects::Either,
        Node::Nullable(inner) => expects(shape, *inner, depth + 1),
        Node::All(parts) => all(&mut parts.iter().copied()),
        Node::Union(branches) => all(&mut branches.iter().map(|branch| branch.node)),
        _ => Expects::One,
    }
}
