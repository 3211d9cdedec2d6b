//! A schema compiled once, to check values against from many threads.

use serde_json::Value;

use super::compile::{Compiled, compile};
use super::detail::{Detail, Loc};
use super::format::Format;
use super::node::{Node, NodeId, Rest};
use super::secrets::Secrets;
use super::walk::{Mode, Outcome, Walk};
use crate::validate::{Failure, Report};

/// A JSON Schema, compiled to be walked.
///
/// References are resolved and patterns compiled once; after that a shape never changes.
///
/// ```
/// use alula::schema::Shape;
/// use alula::Report;
/// use serde_json::json;
///
/// let shape = Shape::compile(&json!({
///     "type": "object",
///     "properties": {"n": {"type": "integer", "minimum": 1}},
///     "required": ["n"],
/// }));
/// let details = shape.explain("body", &json!({"n": 0}), Report::default());
/// assert_eq!(details[0].kind, "greater_than_equal");
/// assert_eq!(details[0].msg, "Input should be greater than or equal to 1");
/// ```
#[derive(Debug)]
pub struct Shape {
    nodes: Vec<Node>,
    root: NodeId,
    warnings: Vec<String>,
    secrets: Secrets,
}

impl Shape {
    /// Compiles a root schema in the 2020-12 dialect, as schemars writes it for the
    /// deserialize contract.
    ///
    /// Never fails: what cannot be enforced is listed by [`warnings`](Self::warnings).
    #[must_use]
    pub fn compile(root: &Value) -> Self {
        let Compiled { nodes, root: node, warnings } = compile(root);
        Self { nodes, root: node, warnings, secrets: Secrets::of(root) }
    }

    /// Keywords and patterns of the schema that no check enforces, each with its place.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every error of `input`, read strictly: `"4"` is not 4, but `4.0` is, as in JSON Schema.
    ///
    /// The order is that of the declarations. `custom` holds the failures of custom checks, with
    /// places relative to `input`; each appears where the walk leaves its place, unless something
    /// inside that place is wrong already. At most 100 errors are listed.
    ///
    /// What the schema says is only written, such as a [`Secret`](crate::Secret), is shown as `…`.
    ///
    /// An empty list means that the schema has nothing to say, not that a type accepts the value.
    #[must_use]
    pub fn explain(&self, place: &'static str, input: &Value, custom: Report) -> Vec<Detail> {
        self.conceal(self.walk(Mode::Strict, input, &custom.into_failures()).details(place))
    }

    /// Reads `input` as pydantic does by default: `"4"` and `4.0` are 4, `"yes"` is true.
    ///
    /// # Errors
    /// Every error of the input, as [`explain`](Self::explain) lists them; each shows the value as
    /// it arrived.
    pub fn coerce(
        &self,
        place: &'static str,
        input: Value,
        custom: Report,
    ) -> Result<Value, Vec<Detail>> {
        let converted = self.convert(Mode::Lax, place, input, &custom.into_failures());
        converted.map(|(value, _)| value).map_err(|details| self.conceal(details))
    }

    /// Reads `input` as the mode does, and says whether anything had to be converted.
    pub(super) fn convert(
        &self,
        mode: Mode,
        place: &'static str,
        mut input: Value,
        custom: &[Failure],
    ) -> Result<(Value, bool), Vec<Detail>> {
        let edits = self.walk(mode, &input, custom).edits(place)?;
        let converted = !edits.is_empty();
        for edit in edits {
            edit.apply(&mut input);
        }
        Ok((input, converted))
    }

    /// Takes the secrets out of what an answer would repeat.
    pub(super) fn conceal(&self, details: Vec<Detail>) -> Vec<Detail> {
        self.secrets.conceal(details, |name| self.secrets.has(name))
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(super) fn walk<'a>(
        &'a self,
        mode: Mode,
        input: &'a Value,
        custom: &'a [Failure],
    ) -> Outcome<'a> {
        Walk::new(self, mode, custom).run(input)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0).unwrap_or(&Node::Any)
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    /// Whether a part of the value is a file, which only a form can hold.
    pub(crate) fn holds_files(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node, Node::File))
    }

    /// Whether the whole value is an object with known fields.
    pub(super) fn is_model(&self) -> bool {
        let mut id = self.root;
        // A root is often a reference, to another one at most; references may form a cycle.
        for _ in 0..8 {
            match self.node(id) {
                Node::Object(rules) => return rules.is_model(),
                Node::All(parts) => match parts.as_slice() {
                    [target] => id = *target,
                    _ => return false,
                },
                _ => return false,
            }
        }
        false
    }

    /// The format of the strings at a place, when the way there is plain.
    pub(super) fn format_at(&self, loc: &[Loc]) -> Option<Format> {
        let mut id = self.root;
        let mut steps = loc.iter();
        // Each turn follows a step or a wrapper, and wrappers may form a cycle.
        for _ in 0..loc.len().saturating_add(16).saturating_mul(2) {
            match self.node(id) {
                Node::Nullable(inner) | Node::When(_, inner) => id = *inner,
                Node::All(parts) => id = *parts.first()?,
                Node::Text(rules) => return rules.format.filter(|_| steps.next().is_none()),
                Node::Object(rules) => match steps.next()? {
                    Loc::Key(name) => {
                        id = match (rules.field(name), rules.rest) {
                            (Some(field), _) => field.node,
                            (None, Rest::Each(node)) => node,
                            (None, Rest::Ignore | Rest::Forbid) => return None,
                        }
                    }
                    Loc::Index(_) | Loc::Branch(_) => return None,
                },
                Node::List(rules) => match steps.next()? {
                    Loc::Index(at) => id = *rules.prefix.get(*at).or(rules.items.as_ref())?,
                    Loc::Key(_) | Loc::Branch(_) => return None,
                },
                _ => return None,
            }
        }
        None
    }
}
