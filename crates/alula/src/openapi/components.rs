//! The named schemas of a document.

use std::{
    any::type_name,
    collections::{BTreeMap, BTreeSet},
};

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::generated::{Contract, Generated, numbered};
use crate::schema::FILE_KEYWORD;

/// The schemas of the framework itself, which no type may be called.
pub(super) const OWN_NAMES: [&str; 3] = ["HTTPValidationError", "ValidationError", "HTTPError"];

/// A named schema in both contracts.
#[derive(Debug, Default)]
struct Named {
    input: Option<Form>,
    output: Option<Form>,
}

/// A named schema in one contract.
#[derive(Debug)]
struct Form {
    schema: Value,
    /// Whether an endpoint uses it; otherwise it is only known, to tell types of one name apart.
    is_used: bool,
}

impl Named {
    fn slot(&mut self, contract: Contract) -> &mut Option<Form> {
        match contract {
            Contract::Input => &mut self.input,
            Contract::Output => &mut self.output,
        }
    }
}

/// The named schemas of all endpoints.
#[derive(Debug, Default)]
pub(crate) struct Components {
    named: BTreeMap<String, Named>,
}

impl Components {
    /// Adds the definitions that a schema of `T` uses and returns the schema to put in the
    /// document.
    ///
    /// # Errors
    ///
    /// If two types have one name: whichever were described would be a lie for the other.
    pub(crate) fn add<T: JsonSchema>(
        &mut self,
        generated: &Generated,
        contract: Contract,
    ) -> Result<Value, String> {
        if let Some(name) = numbered::<T>(&generated.definitions, contract) {
            return Err(same_name(&name, type_name::<T>()));
        }
        self.register::<T>(generated, contract, true)?;
        // One type that is read and another of its name that is written would pass for one.
        let other = contract.other();
        self.register::<T>(&Generated::of::<T>(other), other, false)?;
        let mut schema = generated.schema.clone();
        redirect(&mut schema, &|name| format!("{}{name}", contract.prefix()));
        Ok(schema)
    }

    fn register<T>(
        &mut self,
        generated: &Generated,
        contract: Contract,
        is_used: bool,
    ) -> Result<(), String> {
        let mut found = references(&generated.schema);
        let mut next = 0;
        while let Some(name) = found.get(next).cloned() {
            next += 1;
            check_name(&name, type_name::<T>())?;
            let Some(definition) = generated.definitions.get(&name) else { continue };
            let inner = references(definition).into_iter().filter(|name| !found.contains(name));
            found.extend(inner.collect::<Vec<_>>());
            let mut schema = definition.clone();
            redirect(&mut schema, &|name| format!("{}{name}", contract.prefix()));
            match self.named.entry(name.clone()).or_default().slot(contract) {
                Some(known) if known.schema != schema => {
                    return Err(same_name(&name, type_name::<T>()));
                }
                Some(known) => known.is_used |= is_used,
                slot @ None => *slot = Some(Form { schema, is_used }),
            }
        }
        Ok(())
    }

    /// A schema of the document by itself, with what it refers to below `$defs`.
    #[cfg(feature = "mcp")]
    pub(crate) fn expand(&self, schema: &Value) -> Value {
        let contract = match schema.to_string().contains(Contract::Output.prefix()) {
            true => Contract::Output,
            false => Contract::Input,
        };
        let form = |name: &str| {
            let named = self.named.get(name)?;
            match contract {
                Contract::Input => named.input.as_ref(),
                Contract::Output => named.output.as_ref(),
            }
        };
        let mut found = references(schema);
        let mut definitions = Map::new();
        while let Some(name) = found.pop() {
            let Some(form) = form(&name).filter(|_| !definitions.contains_key(&name)) else {
                continue;
            };
            found.extend(references(&form.schema));
            definitions.insert(name, form.schema.clone());
        }
        let mut schema = schema.clone();
        if let (Some(map), false) = (schema.as_object_mut(), definitions.is_empty()) {
            map.insert("$defs".to_owned(), definitions.into());
        }
        redirect(&mut schema, &|name| format!("#/$defs/{name}"));
        schema
    }

    /// The names that are read in one form and written in another, directly or by what they hold.
    fn split_names(&self) -> BTreeSet<String> {
        fn used(form: Option<&Form>) -> Option<&Value> {
            form.filter(|form| form.is_used).map(|form| &form.schema)
        }
        let both = || {
            self.named.iter().filter_map(|(name, named)| {
                Some((name, used(named.input.as_ref())?, used(named.output.as_ref())?))
            })
        };
        let mut split = BTreeSet::new();
        for (name, input, output) in both() {
            let mut output = output.clone();
            redirect(&mut output, &|name| format!("{}{name}", Contract::Input.prefix()));
            if *input != output {
                split.insert(name.clone());
            }
        }
        loop {
            let before = split.len();
            for (name, input, _) in both() {
                if references(input).iter().any(|inner| split.contains(inner)) {
                    split.insert(name.clone());
                }
            }
            if split.len() == before {
                return split;
            }
        }
    }

    /// Gives every schema its final name, in the components and in `document`.
    ///
    /// A type whose two contracts are equal has one schema; otherwise `Item-Input` and
    /// `Item-Output`, as FastAPI has it.
    pub(crate) fn finish(mut self, document: &mut Value) -> Map<String, Value> {
        let split = self.split_names();
        let mut schemas = Map::new();
        for (name, named) in &mut self.named {
            for contract in [Contract::Input, Contract::Output] {
                let used = named.slot(contract).take().filter(|form| form.is_used);
                let Some(Form { mut schema, .. }) = used else { continue };
                resolve(&mut schema, &split);
                let suffix = if split.contains(name) { contract.suffix() } else { "" };
                schemas.insert(format!("{name}{suffix}"), schema);
            }
        }
        resolve(document, &split);
        schemas
    }
}

fn same_name(name: &str, type_name: &str) -> String {
    format!(
        "two types are called `{name}` in the OpenAPI document (one is in `{type_name}`); \
         rename one with #[schemars(rename = \"…\")], \
         or #[schemars(rename = \"{name}_{{T}}\")] if it has a type parameter `T`"
    )
}

/// Whether the document may call a schema so.
fn check_name(name: &str, type_name: &str) -> Result<(), String> {
    let rename = "rename it with #[schemars(rename = \"…\")]";
    let allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
    if OWN_NAMES.contains(&name) {
        return Err(format!(
            "`{name}` (in `{type_name}`) is what the OpenAPI document calls an error of the \
             framework; {rename}"
        ));
    }
    if !name.bytes().all(allowed) {
        // As a part of a reference it is escaped.
        let name = percent_decode_str(name).decode_utf8_lossy().replace("~1", "/");
        return Err(format!(
            "`{name}` (in `{type_name}`) is no name for the OpenAPI document, which allows ASCII \
             letters, digits, `.`, `_` and `-`; {rename}"
        ));
    }
    Ok(())
}

/// Makes a schema ready for the document: its references point to where they end there, and
/// nothing is left that only we understand.
fn resolve(schema: &mut Value, split: &BTreeSet<String>) {
    forget_files(schema);
    for contract in [Contract::Input, Contract::Output] {
        each_reference(schema, &mut |reference| {
            if let Some(name) = reference.strip_prefix(contract.prefix()) {
                let suffix = if split.contains(name) { contract.suffix() } else { "" };
                *reference = format!("#/components/schemas/{name}{suffix}");
            }
        });
    }
}

/// Removes the keyword by which the schema of an upload is known from that of a text.
fn forget_files(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.shift_remove(FILE_KEYWORD);
            map.values_mut().for_each(forget_files);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_files),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Changes the references of a schema, whatever they pointed to, by the name at their end.
fn redirect(schema: &mut Value, to: &dyn Fn(&str) -> String) {
    each_reference(schema, &mut |reference| {
        if let Some((_, name)) = reference.rsplit_once('/') {
            *reference = to(name);
        }
    });
}

/// The names that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    let mut names = Vec::new();
    each_reference(&mut schema.clone(), &mut |reference| {
        names.extend(reference.rsplit_once('/').map(|(_, name)| name.to_owned()));
    });
    names
}

fn each_reference(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(reference) if key == "$ref" => change(reference),
                    value => each_reference(value, change),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_reference(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    mod other {
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        pub(super) struct Page {
            text: String,
        }
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Page {
        number: u8,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Page2 {
        number: u8,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Both<A, B> {
        a: A,
        b: B,
    }

    fn add<T: JsonSchema>(
        components: &mut Components,
        contract: Contract,
    ) -> Result<Value, String> {
        components.add::<T>(&Generated::of::<T>(contract), contract)
    }

    #[test]
    fn two_types_of_one_name_are_found_in_one_type_and_across() {
        let mut components = Components::default();
        let error = add::<Both<Page, other::Page>>(&mut components, Contract::Input).unwrap_err();
        assert!(error.contains("`Page`") && error.contains("rename"), "{error}");

        for contract in [Contract::Input, Contract::Output] {
            let mut components = Components::default();
            add::<Page>(&mut components, Contract::Input).unwrap();
            let error = add::<other::Page>(&mut components, contract).unwrap_err();
            assert!(error.contains("`Page`"), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_taken_or_not_allowed_is_a_mistake() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct ValidationError {
            text: String,
        }
        #[derive(JsonSchema)]
        #[schemars(rename = "My type")]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Spaced {
            text: String,
        }
        let mut components = Components::default();
        let error = add::<ValidationError>(&mut components, Contract::Output).unwrap_err();
        assert!(error.contains("an error of the framework"), "{error}");
        let error = add::<Vec<Spaced>>(&mut components, Contract::Input).unwrap_err();
        assert!(error.starts_with("`My type`") && error.contains("rename it"), "{error}");
    }

    #[test]
    fn a_name_that_ends_in_a_digit_is_no_mistake() {
        let mut components = Components::default();
        add::<Both<Page, Page2>>(&mut components, Contract::Input).unwrap();
        add::<Both<Page2, Page>>(&mut Components::default(), Contract::Input).unwrap();
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    struct Inner {
        #[serde(default)]
        count: u32,
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    struct Outer {
        inner: Inner,
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    struct Same {
        text: String,
    }

    #[test]
    fn a_type_is_split_where_its_contracts_differ_even_deep_inside() {
        let mut components = Components::default();
        let input = add::<Both<Outer, Same>>(&mut components, Contract::Input).unwrap();
        let output = add::<Outer>(&mut components, Contract::Output).unwrap();
        let same = add::<Same>(&mut components, Contract::Output).unwrap();
        let mut document = json!([input, output, same]);
        let schemas = components.finish(&mut document);
        let names: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
        let expected =
            ["Both", "Inner-Input", "Inner-Output", "Outer-Input", "Outer-Output", "Same"];
        assert_eq!(names, BTreeSet::from(expected));
        assert_eq!(document[1]["$ref"], "#/components/schemas/Outer-Output");
        assert_eq!(document[2]["$ref"], "#/components/schemas/Same");
        let inner = &schemas["Outer-Input"]["properties"]["inner"]["$ref"];
        assert_eq!(inner, "#/components/schemas/Inner-Input");
        let outer = &schemas["Both"]["properties"]["a"]["$ref"];
        assert_eq!(outer, "#/components/schemas/Outer-Input");
    }
}
