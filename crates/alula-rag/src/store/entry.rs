//! What a store holds of documents.

use std::{collections::BTreeMap, fmt};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Chunk;

/// One collection of one tenant: whose documents are meant.
///
/// Both are texts of the caller. No call finds anything of another scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    /// Whose documents.
    pub tenant: &'a str,
    /// Which of their collections. It need not be made before it is used.
    pub collection: &'a str,
}

impl<'a> Scope<'a> {
    /// A collection of a tenant.
    pub fn new(tenant: &'a str, collection: &'a str) -> Self {
        Self { tenant, collection }
    }

    /// An entry of this collection.
    pub fn entry(self, document: &'a str) -> EntryRef<'a> {
        EntryRef { scope: self, document }
    }
}

/// A document in a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryRef<'a> {
    /// In which collection.
    pub scope: Scope<'a>,
    /// Which document, by the caller's id.
    pub document: &'a str,
}

/// A document that is put into a collection, without its text yet.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'a> {
    /// Which document, in which collection.
    pub at: EntryRef<'a>,
    /// What its file is called.
    pub filename: &'a str,
    /// What searches can filter by.
    pub attributes: &'a Attributes,
    /// How it is cut into chunks, in the caller's words.
    pub chunking: Option<&'a Value>,
}

/// A document in a collection, as it is kept.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Which document.
    pub document: String,
    /// What its file is called.
    pub filename: String,
    /// What searches can filter by.
    pub attributes: Attributes,
    /// How it is cut into chunks, in the caller's words.
    pub chunking: Option<Value>,
    /// Whether searches leave it out that do not ask for it.
    pub archived: bool,
    /// Which version of it is found; nothing before the first one is.
    pub version: Option<String>,
    /// How many chunks that version has.
    pub chunks: u32,
    /// Which model has made the vectors of that version, if there are any.
    pub embedding: Option<Embedding>,
}

/// A model that makes vectors, and how many numbers these have. Only vectors of the same one can be
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Embedding {
    /// The model.
    pub model: String,
    /// How many numbers a vector has.
    pub dimensions: u32,
}

/// The attributes of an entry, at most [`ATTRIBUTES_MAX`].
///
/// ```
/// use alula_rag::{Attribute, Attributes};
///
/// let attributes: Attributes = serde_json::from_str(r#"{"year": 2026, "draft": false}"#)?;
/// assert_eq!(attributes.get("year"), Some(&Attribute::Number(2026.0)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Attribute>);

/// How many attributes an entry may have.
pub const ATTRIBUTES_MAX: usize = 16;
/// How many characters the name of an attribute may have.
pub const ATTRIBUTE_NAME_MAX: usize = 64;
/// How many characters the text of an attribute may have.
pub const ATTRIBUTE_TEXT_MAX: usize = 512;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number, and no other than a finite one.
    Number(f64),
    /// A truth.
    Bool(bool),
}

impl Attributes {
    /// Adds one, or replaces the one of this name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// All of them, by their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with them, if they cannot be kept.
    ///
    /// # Errors
    ///
    /// A sentence that says which limit they pass.
    pub fn check(&self) -> Result<(), String> {
        if self.len() > ATTRIBUTES_MAX {
            return Err(format!("{} attributes are more than {ATTRIBUTES_MAX}", self.len()));
        }
        self.iter().try_for_each(|(name, value)| check_attribute(name, value))
    }
}

fn check_attribute(name: &str, value: &Attribute) -> Result<(), String> {
    if name.is_empty() || name.chars().count() > ATTRIBUTE_NAME_MAX {
        return Err(format!("the name of an attribute has 1 to {ATTRIBUTE_NAME_MAX} characters"));
    }
    match value {
        _ if name.contains('\0') => Err("a name of an attribute holds the character 0".to_owned()),
        Attribute::Text(text) if text.contains('\0') => {
            Err(format!("the attribute {name:?} holds the character 0"))
        }
        Attribute::Text(text) if text.chars().count() > ATTRIBUTE_TEXT_MAX => {
            Err(format!("the attribute {name:?} has more than {ATTRIBUTE_TEXT_MAX} characters"))
        }
        Attribute::Number(number) if !number.is_finite() => {
            Err(format!("the attribute {name:?} is no finite number"))
        }
        _ => Ok(()),
    }
}

impl<N: Into<String>, V: Into<Attribute>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Attribute {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// Names a chunk for good: 32 hexadecimal digits.
///
/// It is a hash of the tenant, the collection, the document, its version and the place of the chunk
/// in it, so that what is indexed once more has the same ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkId(pub(crate) String);

impl ChunkId {
    /// That of a chunk of this version of an entry.
    pub fn of(at: EntryRef<'_>, version: &str, ordinal: u32) -> Self {
        let mut context = Context::new(&SHA256);
        // With their lengths, so that no two lists of texts are the same bytes.
        for text in [at.scope.tenant, at.scope.collection, at.document, version] {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(text.as_bytes());
        }
        context.update(&ordinal.to_le_bytes());
        Self(hex(context.finish().as_ref().iter().take(16)))
    }

    /// One that somebody has kept as text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == 32 && is_hex).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    use std::fmt::Write as _;
    bytes.into_iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A chunk with the document it is of.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredChunk {
    /// Its name.
    pub id: ChunkId,
    /// Where the store has it. It does not outlive the version.
    pub key: ChunkKey,
    /// Which document.
    pub document: String,
    /// What its file is called.
    pub filename: String,
    /// What searches can filter by.
    pub attributes: Attributes,
    /// The chunk.
    pub chunk: Chunk,
}

/// Where a store has a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkKey(pub(crate) i64);

/// How much there is in a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Entries, archived ones too.
    pub entries: u64,
    /// Entries that are archived.
    pub archived: u64,
    /// Entries of which a version is found.
    pub live: u64,
    /// Chunks of these.
    pub chunks: u64,
    /// Entries of which a version is found by its vectors too.
    pub embedded: u64,
}

/// How much of a collection is found by vectors of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Embedded {
    /// Entries of which a version is found.
    pub live: u64,
    /// Those of them that are found by vectors of the model.
    pub embedded: u64,
    /// How many numbers these vectors have, if there are any. Where a model has changed that, it is
    /// what most have.
    pub dimensions: Option<u32>,
}

impl Embedded {
    /// How many entries are found by their words only.
    pub fn without(&self) -> u64 {
        self.live.saturating_sub(self.embedded)
    }
}

/// How much of a version is there, whether it is live or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Built {
    /// How many chunks.
    pub chunks: u64,
    /// How many of these have vectors of the model, from the first one on without a gap.
    pub vectors: u64,
}

/// An entry whose vectors are not those of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unembedded {
    /// Whose it is.
    pub tenant: String,
    /// In which collection.
    pub collection: String,
    /// Which document.
    pub document: String,
    /// Which version is live.
    pub version: String,
    /// How many chunks it has.
    pub chunks: u32,
    /// From where the next page of the list goes on.
    pub cursor: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_all_they_are_made_of() {
        let id = |tenant, collection, document, version, ordinal| {
            ChunkId::of(Scope::new(tenant, collection).entry(document), version, ordinal)
        };
        let ids = [
            id("a", "b", "c", "d", 0),
            id("ab", "", "c", "d", 0),
            id("a", "bc", "", "d", 0),
            id("a", "b", "cd", "", 0),
            id("a", "b", "c", "d", 1),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(ids[0], id("a", "b", "c", "d", 0));
        assert_eq!(ChunkId::parse(ids[0].as_str()).as_ref(), Some(&ids[0]));
        assert_eq!(ChunkId::parse("A"), None);
    }

    #[test]
    fn attributes_have_limits() {
        let of = |name: &str, value: Attribute| Attributes::default().with(name, value).check();
        assert!(of("year", 2026.0.into()).is_ok());
        for (name, value) in [
            ("", true.into()),
            ("nan", f64::NAN.into()),
            ("zero", "\0".into()),
            ("long", "x".repeat(ATTRIBUTE_TEXT_MAX + 1).into()),
        ] {
            assert!(of(name, value).is_err(), "{name}");
        }
        let many: Attributes = (0..17).map(|n| (n.to_string(), true)).collect();
        assert_eq!(many.check().unwrap_err(), "17 attributes are more than 16");
    }
}
