//! What a compiled schema is made of: nodes in one list that name each other by position.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use super::format::Format;

/// The position of a node in its shape.
///
/// Recursive types make the schema a graph; positions keep it a plain list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) usize);

/// One schema, ready to be walked.
#[derive(Debug)]
pub(super) enum Node {
    /// Everything fits.
    Any,
    /// Nothing fits.
    Never,
    Null,
    Bool,
    Int(NumberRules),
    Float(NumberRules),
    Text(TextRules),
    /// A file of a form.
    File,
    List(ListRules),
    Object(ObjectRules),
    Choice(ChoiceRules),
    /// Null, or what the other node takes.
    Nullable(NodeId),
    /// The first branch that fits.
    Union(Vec<Branch>),
    /// The branch that a property of the object names.
    Tagged(TaggedRules),
    /// The branch that the object's only key names, or a bare name.
    Keyed(KeyedRules),
    /// Every one of them.
    All(Vec<NodeId>),
    /// The other node, but only for values of this JSON type.
    When(JsonType, NodeId),
}

/// The JSON types that a schema without `type` may still constrain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonType {
    Number,
    Text,
    List,
    Object,
}

impl JsonType {
    pub(super) fn is_type_of(self, value: &Value) -> bool {
        match self {
            Self::Number => value.is_number(),
            Self::Text => value.is_string(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// Limits of a number, checked in this order.
#[derive(Debug, Default)]
pub(super) struct NumberRules {
    pub(super) multiple_of: Option<Bound>,
    pub(super) le: Option<Bound>,
    pub(super) lt: Option<Bound>,
    pub(super) ge: Option<Bound>,
    pub(super) gt: Option<Bound>,
}

/// One limit, with the forms in which answers show it.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) float: f64,
    /// Set when the limit is whole, so that 64-bit integers compare exactly.
    pub(super) exact: Option<i128>,
    /// `2.0` for a float field, `2` for an integer field.
    pub(super) ctx: Value,
}

#[derive(Debug, Default)]
pub(super) struct TextRules {
    /// In characters, not bytes.
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) pattern: Option<Regex>,
    pub(super) format: Option<Format>,
}

/// Which Python collection an array stands for; it decides the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    List,
    Set,
    Tuple,
}

#[derive(Debug)]
pub(super) struct ListRules {
    pub(super) sequence: Sequence,
    /// The positions of a tuple.
    pub(super) prefix: Vec<NodeId>,
    /// Every item after the prefix.
    pub(super) items: Option<NodeId>,
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}

#[derive(Debug)]
pub(super) struct ObjectRules {
    /// In declaration order, which is the order of the errors.
    pub(super) fields: Vec<Field>,
    /// Positions in `fields` by name.
    pub(super) index: HashMap<Box<str>, usize>,
    /// Nodes for keys that match a pattern.
    pub(super) patterns: Vec<(Regex, NodeId)>,
    /// What the keys themselves must be.
    pub(super) names: Option<NodeId>,
    pub(super) rest: Rest,
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}

impl ObjectRules {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.index.get(name).and_then(|at| self.fields.get(*at))
    }

    /// Whether this stands for a struct rather than for a map.
    pub(super) fn is_model(&self) -> bool {
        !self.fields.is_empty() || (self.patterns.is_empty() && self.rest == Rest::Forbid)
    }
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) node: NodeId,
    pub(super) required: bool,
}

/// What happens to keys that no field and no pattern claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Ignore,
    Forbid,
    Each(NodeId),
}

/// One of a few values: `enum` or `const`.
#[derive(Debug)]
pub(super) struct ChoiceRules {
    pub(super) values: Vec<Value>,
    /// `literal_error` for a lone `const`, `enum` otherwise.
    pub(super) literal: bool,
    /// `'a', 'b' or 'c'`
    pub(super) expected: String,
}

#[derive(Debug)]
pub(super) struct Branch {
    /// The name that pydantic puts into `loc`: `str`, `list[int]`, `Image`, …
    pub(super) label: Box<str>,
    pub(super) node: NodeId,
}

#[derive(Debug)]
pub(super) struct TaggedRules {
    pub(super) tag: Box<str>,
    pub(super) branches: Vec<Branch>,
    /// `'text', 'image'`
    pub(super) expected: String,
}

impl TaggedRules {
    pub(super) fn branch(&self, tag: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| &*branch.label == tag)
    }
}

#[derive(Debug)]
pub(super) struct KeyedRules {
    /// Variants without content, written as a bare string.
    pub(super) units: Vec<Box<str>>,
    /// Variants with content, written as an object of one key.
    pub(super) branches: Vec<Branch>,
    /// `'Stop', 'Tool'`
    pub(super) expected: String,
}

impl KeyedRules {
    pub(super) fn branch(&self, key: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| &*branch.label == key)
    }

    pub(super) fn has_unit(&self, name: &str) -> bool {
        self.units.iter().any(|unit| &**unit == name)
    }
}
