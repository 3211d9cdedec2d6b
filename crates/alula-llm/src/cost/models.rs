//! How large calls to a model may be.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use toml::de::{DeTable, DeValue};

use super::prices::{longest_beginning, undated};

/// How many tokens a model takes, and gives.
///
/// ```
/// use alula_llm::ModelSize;
///
/// let size = ModelSize::of("openai", "gpt-4o-mini").expect("it is known");
/// assert_eq!((size.input, size.output), (128_000, 16_384));
/// assert_eq!(ModelSize::of("openai", "gpt-4o-mini-2024-07-18"), Some(size));
/// // A model of this name somewhere else is no larger.
/// assert_eq!(ModelSize::of("azure", "gpt-4o-mini"), Some(size));
/// assert_eq!(ModelSize::of("gpu", "our-model"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSize {
    /// The longest prompt, in tokens.
    pub input: u64,
    /// The longest answer, in tokens, reasoning included.
    pub output: u64,
}

static BUILTIN: LazyLock<HashMap<String, Models>> =
    // A test reads the file.
    LazyLock::new(|| read(include_str!("models.toml")).unwrap_or_default());

/// The models of a provider.
#[derive(Debug, Default)]
struct Models {
    exact: HashMap<String, ModelSize>,
    beginnings: BTreeMap<String, ModelSize>,
}

impl ModelSize {
    /// The size of a model, as far as it comes with this crate: see `models.toml` in the source.
    pub fn of(provider: &str, model: &str) -> Option<Self> {
        if let Some(models) = BUILTIN.get(provider) {
            return models.find(model);
        }
        // Whoever serves it under the name that its maker gave it, perhaps behind the maker's.
        let name = model.rsplit('/').next().unwrap_or_default();
        BUILTIN.values().filter_map(|models| models.find(name)).reduce(Self::larger)
    }

    fn larger(self, other: Self) -> Self {
        Self { input: self.input.max(other.input), output: self.output.max(other.output) }
    }
}

impl Models {
    fn find(&self, model: &str) -> Option<ModelSize> {
        let exact = self.exact.get(model).or_else(|| self.exact.get(undated(model)?));
        exact.or_else(|| longest_beginning(&self.beginnings, model)).copied()
    }
}

/// Reads the file; nothing if it is not what it should be.
fn read(text: &str) -> Option<HashMap<String, Models>> {
    let document = DeTable::parse(text).ok()?;
    let mut read = HashMap::new();
    for provider in list(document.get_ref().get("provider")?.get_ref())? {
        let DeValue::Table(provider) = provider.get_ref() else { return None };
        let models: &mut Models = read.entry(string(provider.get("name")?.get_ref())?).or_default();
        for row in list(provider.get("models")?.get_ref())? {
            let DeValue::Table(row) = row.get_ref() else { return None };
            let number = |field: &str| whole(row.get(field)?.get_ref());
            let size = ModelSize { input: number("input")?, output: number("output")? };
            for name in list(row.get("names")?.get_ref())? {
                let name = string(name.get_ref())?;
                match name.strip_suffix('*') {
                    Some(beginning) => models.beginnings.insert(beginning.to_owned(), size),
                    None => models.exact.insert(name, size),
                };
            }
        }
    }
    Some(read)
}

fn list<'d>(value: &'d DeValue<'d>) -> Option<&'d [toml::Spanned<DeValue<'d>>]> {
    match value {
        DeValue::Array(items) => Some(items),
        _ => None,
    }
}

fn string(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        _ => None,
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read() {
        let models = read(include_str!("models.toml")).unwrap();
        let rows = models.values().map(|it| it.exact.len() + it.beginnings.len()).sum::<usize>();
        assert!(rows > 150, "{rows}");
        let sizes = || models.values().flat_map(|it| it.exact.values());
        assert!(sizes().all(|size| size.input >= 500 && size.output >= 500));
        assert!(read("[[provider]]").is_none());
    }
}
