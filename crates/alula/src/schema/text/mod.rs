//! Values that arrive as text: queries, paths, headers, cookies, forms.

mod de;
mod expects;
mod files;
mod pairs;
mod recover;

use std::{borrow::Cow, collections::HashMap};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::de::Parameters;
use self::expects::{Expects, expects_named};
use self::files::NoFiles;
pub(super) use self::files::is_file;
pub(crate) use self::files::{FILE, FILE_KEYWORD, Files};
use self::pairs::{Run, Runs};
use super::compile::properties;
use super::detail::Detail;
use super::node::{Node, NodeId, ObjectRules, Rest};
use super::shape::Shape;
use crate::validate::{Report, Validate};

/// How the names on the wire relate to the names in the type.
#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// They are the same: queries and cookies.
    AsIs,
    /// They are the same, and an input that was left empty was not sent: forms.
    ///
    /// So it is missing, or has its default. Of a list every text counts, also an empty one.
    Form,
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
    /// What the fields of a form expect; `None` for what is no form.
    form_fields: Option<HashMap<Box<str>, Expects>>,
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
            Names::Form => {
                let shape = Self::named(root, |name| name.to_owned(), false);
                let expects = |field: &Parameter| {
                    (field.name.as_str().into(), expects_named(&shape.shape, &field.name))
                };
                let fields = shape.parameters.iter().map(expects).collect();
                Self { form_fields: Some(fields), ..shape }
            }
            Names::Header => Self::named(root, |name| name.replace('_', "-"), true),
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
        let drops_unknown = header && !open;
        let form = Form::Struct;
        Self {
            shape,
            form,
            renamed,
            parameters,
            drops_unknown,
            first_counts: header,
            form_fields: None,
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

    /// Whether a part of the value is a file.
    pub(crate) fn holds_files(&self) -> bool {
        self.shape.holds_files()
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
        self.parse_with(place, pairs, &NoFiles)
    }

    /// As [`parse`](Self::parse), where some of the pairs are files.
    pub(crate) fn parse_with<T>(
        &self,
        place: &'static str,
        pairs: &[(Cow<'_, str>, Cow<'_, str>)],
        files: &dyn Files,
    ) -> Result<T, Vec<Detail>>
    where
        T: DeserializeOwned + Validate,
    {
        let runs = Runs::new(pairs, files, self.first_counts);
        let mut report = Report::default();
        match T::deserialize(Parameters::new(self, &runs)) {
            Ok(value) if value.is_valid() => return Ok(value),
            Ok(value) => value.report(&mut report),
            Err(_) => {}
        }
        let secrets = self.shape.secrets();
        let is_secret = |wire: &str| secrets.has(self.field_name(wire).unwrap_or(wire));
        self.recover(place, &runs, report).map_err(|details| secrets.conceal(details, is_secret))
    }

    /// Whether a field of a form counts as not sent, because its input was left alone.
    fn is_absent(&self, name: &str, run: Run<'_>) -> bool {
        match self.form_fields.as_ref().and_then(|fields| fields.get(name)) {
            None => false,
            Some(Expects::Either) if run.len() == 1 => run.is_blank(),
            Some(Expects::One) => run.is_blank(),
            Some(Expects::Either | Expects::Many) => run.items().next().is_none(),
        }
    }

    /// What the type calls a name on the wire; `None` when the type must not see it.
    fn field_name<'n>(&'n self, wire: &'n str) -> Option<&'n str> {
        if let Some((_, name)) = self.renamed.iter().find(|(renamed, _)| renamed == wire) {
            return Some(name);
        }
        let unknown = self.drops_unknown && !self.parameters.iter().any(|known| known.name == wire);
        (!unknown).then_some(wire)
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
