//! Schemas as schemars makes them.

use std::cell::RefCell;

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    json_schema,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Map, Value};

use crate::schema::natural_range;

/// Whether a schema describes what is read or what is written; with serde these can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contract {
    /// What serde deserializes.
    Input,
    /// What serde serializes.
    Output,
}

impl Contract {
    fn generator(self) -> SchemaGenerator {
        let settings = SchemaSettings::draft2020_12();
        match self {
            Self::Input => settings.for_deserialize(),
            Self::Output => settings.for_serialize(),
        }
        .with_transform(RecursiveTransform(forget_null))
        .with_transform(RecursiveTransform(state_range))
        .into_generator()
    }

    /// Where references point until it is known whether the two contracts of a type differ.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Input => "#/input/",
            Self::Output => "#/output/",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Input => Self::Output,
            Self::Output => Self::Input,
        }
    }

    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Input => "-Input",
            Self::Output => "-Output",
        }
    }
}

/// The schema of what is read as `T`, with everything it refers to, beside any document.
#[cfg(feature = "ws")]
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    Generated::of::<T>(Contract::Input).with_definitions()
}

/// A schema as schemars makes it: with the definitions it refers to beside it.
#[derive(Debug, Clone)]
pub(crate) struct Generated {
    /// The schema itself, often only a reference.
    pub(crate) schema: Value,
    /// What it refers to, below `#/$defs/`.
    pub(crate) definitions: Map<String, Value>,
}

impl Generated {
    pub(crate) fn of<T: JsonSchema>(contract: Contract) -> Self {
        let mut generator = contract.generator();
        let mut schema = generator.subschema_for::<T>();
        // The generator transforms definitions only.
        RecursiveTransform(forget_null).transform(&mut schema);
        RecursiveTransform(state_range).transform(&mut schema);
        let schema = schema.to_value();
        Self { schema, definitions: generator.take_definitions(true) }
    }

    /// How many values the type takes by position; `None` if it takes them by name, or may.
    pub(crate) fn values_by_position(&self) -> Option<usize> {
        let mut schema = &self.schema;
        // A reference to a reference is rare, and a longer chain than this no type makes.
        for _ in 0..8 {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { break };
            schema = self.definitions.get(reference.rsplit('/').next()?)?;
        }
        let is =
            |kind: &Value| ["string", "integer", "number", "boolean"].iter().any(|one| kind == one);
        match (schema.get("prefixItems"), schema.get("type")?) {
            (Some(Value::Array(items)), _) => Some(items.len()),
            (_, Value::Array(kinds)) => kinds.iter().any(is).then_some(1),
            (_, kind) => (is(kind) || kind == "array").then_some(1),
        }
    }

    /// The schema as one document, its definitions below `$defs`.
    pub(crate) fn with_definitions(&self) -> Value {
        let mut root = self.schema.clone();
        if let Some(root) = root.as_object_mut() {
            let known = root.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
            // A schema that was written by hand may have some of its own.
            if let Some(known) = known.as_object_mut() {
                known.extend(self.definitions.clone());
            }
        }
        root
    }
}

/// Removes a default of `null`, which says no more than that the field may be left out; as in
/// FastAPI's documents. Swagger UI would send it along.
fn forget_null(schema: &mut Schema) {
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

/// Says which integers a type holds, where schemars says it by the `format` only. No validator or
/// generator of values knows these formats, so a document without the limits would promise more.
fn state_range(schema: &mut Schema) {
    let is_integer = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "integer"),
        kind => kind.is_some_and(|kind| kind == "integer"),
    };
    let format = schema.get("format").and_then(Value::as_str).filter(|_| is_integer);
    let Some((least, most)) = format.and_then(natural_range) else { return };
    let lacks = |keywords: [&str; 2]| keywords.iter().all(|keyword| schema.get(*keyword).is_none());
    let (no_least, no_most) =
        (lacks(["minimum", "exclusiveMinimum"]), lacks(["maximum", "exclusiveMaximum"]));
    if no_least {
        schema.insert("minimum".to_owned(), least.into());
    }
    if no_most {
        schema.insert("maximum".to_owned(), most.into());
    }
}

/// The name of a type that schemars numbered, because another type has the same name.
///
/// schemars turns a second `Page` into `Page2` without a word, and the numbers follow the order in
/// which types are met. A type may also be called `Page2` by its author. The two are told apart by
/// generating once more with `Page` and `Page2` taken: one type called `Page` then becomes
/// `Page3`; only a second one gets as far as `Page4`.
pub(super) fn numbered<T: JsonSchema>(
    definitions: &Map<String, Value>,
    contract: Contract,
) -> Option<String> {
    let number_of = |name: &str, base: &str| name.strip_prefix(base)?.parse::<u32>().ok();
    let bases = definitions.keys().filter_map(|name| {
        let base = name.trim_end_matches(|last: char| last.is_ascii_digit());
        (base.len() < name.len() && definitions.contains_key(base)).then_some(base)
    });
    bases.map(str::to_owned).find(|base| {
        let highest = definitions.keys().filter_map(|name| number_of(name, base)).max();
        let highest = highest.unwrap_or(1);
        let mut generator = contract.generator();
        for number in 1..=highest {
            let suffix = if number == 1 { String::new() } else { number.to_string() };
            TAKEN.set(format!("{base}{suffix}"));
            generator.subschema_for::<Taken>();
        }
        generator.subschema_for::<T>();
        let second = highest.saturating_add(2);
        generator.take_definitions(false).contains_key(&format!("{base}{second}"))
    })
}

thread_local! {
    /// The name that [`Taken`] takes next.
    static TAKEN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A type that takes the name in [`TAKEN`].
struct Taken;

impl JsonSchema for Taken {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        TAKEN.with_borrow(String::clone).into()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        format!("{}::Taken::{}", module_path!(), Self::schema_name()).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
