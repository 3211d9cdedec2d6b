//! Values that arrive as text: queries, paths, headers, cookies, forms.

mod de;
mod expects;
mod pairs;

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::de::Parameters;
use self::expects::{Expects, expects_named};
use self::pairs::Runs;
use super::compile::properties;
use super::detail::{Detail, Loc};
use super::node::{Node, NodeId, ObjectRules, Rest};
use super::shape::Shape;
use super::single::{from_serde, steps, unnamed};
use super::walk::Mode;
use crate::validate::{Failure, Report, TypedStep, Validate};

/// How the names on the wire relate to the names in the type.
#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// They are the same: queries, cookies, forms.
    AsIs,
    /// `x_token` is the header `x-token`. Headers that the type does not name are ignored, even
    /// by a type that denies unknown fields: every request carries some.
    Header,
    /// The names of a path template, in order. A struct takes its values by name, any other type
    /// by position.
    Path(&'a [&'a str]),
}

/// A parameter, as OpenAPI describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name on the wire.
    pub name: String,
    /// Whether a request without it is refused.
    pub required: bool,
    /// The schema as written; its `$ref`s are relative to the root schema.
    pub schema: Value,
}

/// The shape of a value that arrives as pairs of name and text.
///
/// ```
/// use std::borrow::Cow;
///
/// use alula::schema::{Names, TextShape};
/// use alula::Validate;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize, JsonSchema)]
/// struct Page {
///     skip: u32,
///     #[serde(default)]
///     tags: Vec<String>,
/// }
///
/// impl Validate for Page {
///     fn is_valid(&self) -> bool {
///         true
///     }
/// }
///
/// let shape = TextShape::new(schemars::schema_for!(Page).as_value(), Names::AsIs);
/// let pair = |name, text| (Cow::Borrowed(name), Cow::Borrowed(text));
/// let page: Page = shape.parse("query", &[pair("skip", "3"), pair("tags", "a")]).unwrap();
/// assert_eq!((page.skip, page.tags.len()), (3, 1));
///
/// let details = shape.parse::<Page>("query", &[pair("skip", "x")]).unwrap_err();
/// assert_eq!(details[0].kind, "int_parsing");
/// ```
#[derive(Debug)]
pub struct TextShape {
    /// Of an object, whatever the type is.
    shape: Shape,
    form: Form,
    /// Wire names and field names, where they differ.
    renamed: Vec<(String, String)>,
    parameters: Vec<Parameter>,
    /// Whether names that the type does not know are left out.
    drops_unknown: bool,
    /// Whether the first value of a repeated name counts, as it does for headers.
    first_counts: bool,
}

/// What the type is made of.
#[derive(Debug, Clone)]
enum Form {
    Struct,
    /// The one value of a path.
    Single(String),
    /// The values of a path, in order.
    Tuple(Vec<String>),
}

impl TextShape {
    /// Compiles a root schema, as [`Shape::compile`] does.
    #[must_use]
    pub fn new(root: &Value, names: Names<'_>) -> Self {
        match names {
            Names::Path(names) if !is_object(root) => Self::positional(root, names),
            Names::AsIs | Names::Path(_) => Self::named(root, |name| name.to_owned(), false),
            Names::Header => {
                Self::named(root, |name| name.replace('_', "-").to_ascii_lowercase(), true)
            }
        }
    }

    fn named(root: &Value, wire: impl Fn(&str) -> String, header: bool) -> Self {
        let shape = Shape::compile(root);
        let properties = properties(root, root);
        let renamed = properties
            .iter()
            .map(|property| (wire(property.name), property.name.to_owned()))
            .filter(|(wire, name)| wire != name)
            .collect();
        let parameters = properties
            .iter()
            .map(|property| Parameter {
                name: wire(property.name),
                required: property.required,
                schema: property.schema.clone(),
            })
            .collect();
        let open = object_rules(&shape, shape.root())
            .is_some_and(|rules| matches!(rules.rest, Rest::Each(_)));
        Self {
            shape,
            form: Form::Struct,
            renamed,
            parameters,
            drops_unknown: header && !open,
            first_counts: header,
        }
    }

    /// A path that is not read into a struct: its schema is wrapped into an object.
    fn positional(root: &Value, names: &[&str]) -> Self {
        let items = match root.get("prefixItems") {
            Some(Value::Array(items)) => Some(items.clone()),
            _ => None,
        };
        let form = match (&items, names) {
            (None, [name, ..]) => Form::Single((*name).to_owned()),
            _ => Form::Tuple(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let mut definitions = Map::new();
        let mut inner = root.clone();
        if let Some(object) = inner.as_object_mut() {
            object.retain(|keyword, _| keyword != "$schema");
            for keyword in ["$defs", "definitions"] {
                definitions.extend(object.remove_entry(keyword));
            }
        }
        let schemas = items.unwrap_or_else(|| vec![inner]);
        let properties: Map<String, Value> =
            names.iter().map(|name| (*name).to_owned()).zip(schemas).collect();
        let mut wrapped = json!({
            "type": "object",
            "required": properties.keys().collect::<Vec<_>>(),
            "properties": properties,
        });
        if let Some(object) = wrapped.as_object_mut() {
            object.extend(definitions);
        }
        Self { form, ..Self::named(&wrapped, |name| name.to_owned(), false) }
    }

    /// The parameters in the order of declaration.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What no check enforces, as [`Shape::warnings`] lists it.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.shape.warnings()
    }

    /// Reads pairs of wire name and text as `T`.
    ///
    /// Numbers and booleans are read as FastAPI reads them. The values of a repeated name are a
    /// list; where one value is expected, the last counts, and of headers the first. A good value
    /// is made without a detour.
    ///
    /// # Errors
    /// Every error, each with the text as it arrived.
    ///
    /// Details differ from FastAPI's in these places:
    /// - of a union of a scalar and a list, one value is taken for the scalar;
    /// - `nan` and `inf` are refused, because no answer in JSON could repeat them;
    /// - a missing entry shows `null` as its input also where FastAPI, given a model, shows all
    ///   parameters;
    /// - headers that a type does not name are ignored, even where it denies unknown fields.
    pub fn parse<T>(
        &self,
        place: &'static str,
        pairs: &[(Cow<'_, str>, Cow<'_, str>)],
    ) -> Result<T, Vec<Detail>>
    where
        T: DeserializeOwned + Validate,
    {
        let runs = Runs::new(pairs, self.first_counts);
        match T::deserialize(Parameters::new(self, &runs)) {
            Ok(value) if value.is_valid() => Ok(value),
            Ok(value) => {
                let mut report = Report::default();
                value.report(&mut report);
                self.recover(place, &runs, report)
            }
            Err(_) => self.recover(place, &runs, Report::default()),
        }
    }

    /// The slow way, which is the authority: the schema says what each text should be.
    #[cold]
    fn recover<T>(
        &self,
        place: &'static str,
        runs: &Runs<'_>,
        report: Report,
    ) -> Result<T, Vec<Detail>>
    where
        T: DeserializeOwned + Validate,
    {
        let input = self.assemble(runs);
        let failures = self.in_object(report);
        let outcome = self.shape.walk(Mode::Text, &input, &failures);
        let edits = outcome.edits(place).map_err(|details| self.on_the_wire(details))?;
        let mut coerced = input.clone();
        for edit in edits {
            edit.apply(&mut coerced);
        }
        let value: T = match serde_path_to_error::deserialize(&self.unwrap(coerced)) {
            Ok(value) => value,
            Err(error) => {
                let mut loc = steps(error.path());
                if let Some(entry) = self.enter_object(loc.first_mut()) {
                    loc.insert(0, entry);
                }
                let detail = from_serde(&self.shape, place, &input, loc, error.inner());
                return Err(self.on_the_wire(vec![detail]));
            }
        };
        if value.is_valid() {
            return Ok(value);
        }
        let mut report = Report::default();
        value.report(&mut report);
        let failures = self.in_object(report);
        let details = self.shape.walk(Mode::Text, &input, &failures).details(place);
        Err(if details.is_empty() {
            vec![unnamed(place, input)]
        } else {
            self.on_the_wire(details)
        })
    }

    /// The pairs as an object of texts and lists of texts, under the names of the type.
    fn assemble(&self, runs: &Runs<'_>) -> Value {
        let mut object = Map::new();
        for run in runs.in_order_of_arrival() {
            let Some(name) = self.field_name(run.name()) else { continue };
            let value = match expects_named(&self.shape, name) {
                Expects::One => run.one().into(),
                Expects::Either if run.len() == 1 => run.one().into(),
                Expects::Either | Expects::Many => run.texts().collect(),
            };
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    /// What the type calls a name on the wire; `None` when the type must not see it.
    fn field_name<'n>(&'n self, wire: &'n str) -> Option<&'n str> {
        if let Some((_, name)) = self.renamed.iter().find(|(renamed, _)| renamed == wire) {
            return Some(name);
        }
        let unknown = self.drops_unknown && !self.parameters.iter().any(|known| known.name == wire);
        (!unknown).then_some(wire)
    }

    /// Where custom checks failed, in terms of the object that stands for the value.
    fn in_object(&self, report: Report) -> Vec<Failure> {
        let mut failures = report.into_failures();
        for failure in &mut failures {
            let first = match failure.place.first_mut() {
                Some(TypedStep::Part(step)) => Some(step),
                _ => None,
            };
            if let Some(entry) = self.enter_object(first) {
                failure.place.insert(0, TypedStep::Part(entry));
            }
        }
        failures
    }

    /// Names the first step inside the value as the object does, or returns the step before it.
    fn enter_object(&self, first: Option<&mut Loc>) -> Option<Loc> {
        match (&self.form, first) {
            (Form::Single(name), _) => return Some(Loc::from(name.clone())),
            (Form::Tuple(names), Some(step)) => {
                if let Loc::Index(at) = step
                    && let Some(name) = names.get(*at)
                {
                    *step = Loc::from(name.clone());
                }
            }
            (Form::Struct | Form::Tuple(_), _) => {}
        }
        None
    }

    /// The value inside the object that stands for it.
    fn unwrap(&self, mut object: Value) -> Value {
        let mut take = |name: &String| object.get_mut(name).map_or(Value::Null, Value::take);
        match &self.form {
            Form::Struct => object,
            Form::Single(name) => take(name),
            Form::Tuple(names) => names.iter().map(take).collect(),
        }
    }

    /// Details show the names that the client wrote.
    fn on_the_wire(&self, mut details: Vec<Detail>) -> Vec<Detail> {
        for detail in &mut details {
            if let Some(Loc::Key(step)) = detail.loc.get_mut(1)
                && let Some((wire, _)) = self.renamed.iter().find(|(_, name)| name == step)
            {
                *step = Cow::Owned(wire.clone());
            }
        }
        details
    }
}

fn object_rules(shape: &Shape, id: NodeId) -> Option<&ObjectRules> {
    match shape.node(id) {
        Node::Object(rules) => Some(rules),
        Node::All(parts) => parts.iter().find_map(|part| object_rules(shape, *part)),
        _ => None,
    }
}

fn is_object(root: &Value) -> bool {
    !properties(root, root).is_empty() || root.get("type").is_some_and(|name| name == "object")
}
