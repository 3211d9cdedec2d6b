//! What clients of vector stores send, in OpenAI's words.

use std::collections::BTreeMap;

use alula::prelude::*;
use alula_rag::{Attribute, Attributes, Chunker};
use serde::Deserializer;

use crate::db::{FileState, ListPart};

/// The most entries of one page, and how many there are unless another number is asked for.
pub(super) const PAGE_MAX: i64 = 100;
const PAGE: i64 = 20;
/// The most days that a store can be kept without a use.
const DAYS_MAX: i64 = 365;
/// The most files of one request that the document allows; the operator may allow fewer.
pub(super) const FILES_MAX: usize = 2_000;

/// Up to 16 texts of one's own.
pub(super) type Metadata = BTreeMap<String, String>;
/// Up to 16 values of one's own that searches can filter by.
pub(super) type FileAttributes = BTreeMap<String, AttributeValue>;

/// A text, a number or a truth.
#[derive(Clone, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
pub(super) enum AttributeValue {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// As they are kept.
pub(super) fn attributes(written: Option<FileAttributes>) -> Attributes {
    let value = |value| match value {
        AttributeValue::Text(text) => Attribute::Text(text),
        AttributeValue::Number(number) => Attribute::Number(number),
        AttributeValue::Bool(truth) => Attribute::Bool(truth),
    };
    written.unwrap_or_default().into_iter().map(|(name, it)| (name, value(it))).collect()
}

/// Whether attributes keep to their limits.
pub(super) fn are_attributes(written: &FileAttributes) -> Result<(), String> {
    attributes(Some(written.clone())).check()
}

/// Whether metadata keep to their limits, which are those of attributes.
pub(super) fn are_metadata(metadata: &Metadata) -> Result<(), String> {
    let texts = metadata.iter().map(|(name, text)| (name.clone(), text.as_str()));
    texts.collect::<Attributes>().check()
}

/// When a store is removed.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpiresAfter {
    /// What the days are counted from: the last use.
    anchor: StoreAnchor,
    /// After how many days.
    #[schemars(range(min = 1, max = DAYS_MAX))]
    pub(super) days: i64,
}

impl ExpiresAfter {
    /// So many days after the last use.
    pub(super) fn days(days: i64) -> Self {
        Self { anchor: StoreAnchor::LastActiveAt, days }
    }
}

/// What the days of a store are counted from.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
enum StoreAnchor {
    /// When it was last searched or changed.
    LastActiveAt,
}

/// How a file is cut into chunks.
#[derive(Clone, Copy, Deserialize, JsonSchema, Validate)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ChunkingStrategy {
    /// As the server does it: into chunks of 800 tokens, of which 400 are repeated, unless its
    /// operator has said otherwise.
    Auto,
    /// As it says.
    Static {
        #[serde(rename = "static")]
        sizes: StaticChunking,
    },
}

/// How large chunks are.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(custom = repeats_half_at_most)]
pub(super) struct StaticChunking {
    /// How many tokens a chunk has at most.
    #[schemars(range(min = Chunker::TOKENS_MIN, max = Chunker::TOKENS_MAX))]
    max_chunk_size_tokens: u32,
    /// How many of these the next one repeats: half of them at most.
    chunk_overlap_tokens: u32,
}

impl From<Chunker> for StaticChunking {
    fn from(chunker: Chunker) -> Self {
        Self {
            max_chunk_size_tokens: chunker.tokens_max(),
            chunk_overlap_tokens: chunker.overlap_tokens(),
        }
    }
}

fn repeats_half_at_most(sizes: &StaticChunking) -> Result<(), String> {
    let StaticChunking { max_chunk_size_tokens, chunk_overlap_tokens } = *sizes;
    let made = Chunker::new(max_chunk_size_tokens, chunk_overlap_tokens);
    made.map(drop).map_err(|error| error.to_string())
}

/// What cuts a file like that; nothing for the server's usual way.
pub(super) fn chunker(strategy: Option<ChunkingStrategy>) -> Option<Chunker> {
    match strategy? {
        // It has been validated.
        ChunkingStrategy::Static { sizes } => {
            Chunker::new(sizes.max_chunk_size_tokens, sizes.chunk_overlap_tokens).ok()
        }
        ChunkingStrategy::Auto => None,
    }
}

/// In which order lists are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// The oldest first.
    Asc,
    /// The newest first.
    #[default]
    Desc,
}

/// Which vector stores to list.
#[derive(Deserialize, JsonSchema, Validate)]
pub(super) struct VectorStorePage {
    /// How many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: i64,
    /// By when they were made.
    #[serde(default)]
    order: Order,
    /// Only what comes behind this one in the list.
    #[serde(default)]
    after: Option<String>,
    /// Only what comes in front of this one in the list.
    #[serde(default)]
    before: Option<String>,
}

/// Which files of a vector store to list.
#[derive(Deserialize, JsonSchema, Validate)]
pub(super) struct VectorStoreFilePage {
    /// How many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: i64,
    /// By when they were uploaded.
    #[serde(default)]
    order: Order,
    /// Only what comes behind this file in the list.
    #[serde(default)]
    after: Option<String>,
    /// Only what comes in front of this file in the list.
    #[serde(default)]
    before: Option<String>,
    /// Only files with this status.
    #[serde(default)]
    pub(super) filter: Option<FileStatus>,
}

fn page() -> i64 {
    PAGE
}

impl VectorStorePage {
    pub(super) fn part(&self) -> ListPart<'_> {
        let Self { limit, order, after, before } = self;
        part(*limit, *order, after.as_deref(), before.as_deref())
    }
}

impl VectorStoreFilePage {
    pub(super) fn part(&self) -> ListPart<'_> {
        let Self { limit, order, after, before, .. } = self;
        part(*limit, *order, after.as_deref(), before.as_deref())
    }
}

fn part<'a>(
    limit: i64,
    order: Order,
    after: Option<&'a str>,
    before: Option<&'a str>,
) -> ListPart<'a> {
    ListPart { after, before, limit, is_ascending: order == Order::Asc }
}

/// How it stands with a file in a vector store.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "VectorStoreFileStatus")]
pub(super) enum FileStatus {
    /// It is being indexed, or waits for that.
    InProgress,
    /// It is found.
    Completed,
    /// It cannot be indexed.
    Failed,
    /// Somebody has stopped that.
    Cancelled,
}

impl From<FileStatus> for FileState {
    fn from(status: FileStatus) -> Self {
        match status {
            FileStatus::InProgress => Self::InProgress,
            FileStatus::Completed => Self::Completed,
            FileStatus::Failed => Self::Failed,
            FileStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// Tells `null` from a field that is absent.
pub(super) fn even_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn strategy(json: Value) -> Result<Chunker, String> {
        let strategy: ChunkingStrategy =
            serde_json::from_value(json).map_err(|it| it.to_string())?;
        match strategy.is_valid() {
            true => Ok(chunker(Some(strategy)).unwrap_or_default()),
            false => Err("it is not valid".to_owned()),
        }
    }

    #[test]
    fn chunks_are_as_large_as_openai_allows() {
        let fixed = |size: u32, overlap: u32| {
            let sizes = json!({"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap});
            strategy(json!({"type": "static", "static": sizes}))
        };
        assert_eq!(strategy(json!({"type": "auto"})), Ok(Chunker::default()));
        assert_eq!(fixed(100, 50), Ok(Chunker::new(100, 50).unwrap()));
        assert_eq!(fixed(4096, 0), Ok(Chunker::new(4096, 0).unwrap()));
        assert!(fixed(99, 0).is_err() && fixed(4097, 0).is_err() && fixed(100, 51).is_err());
        assert!(strategy(json!({"type": "semantic"})).is_err());
        assert!(strategy(json!({"type": "static"})).is_err());
    }

    #[test]
    fn attributes_are_texts_numbers_and_truths_and_not_too_many() {
        let read = |json: Value| serde_json::from_value::<FileAttributes>(json);
        let kept = attributes(Some(read(json!({"a": "x", "b": 1, "c": 2.5, "d": true})).unwrap()));
        let text = r#"{"a":"x","b":1.0,"c":2.5,"d":true}"#;
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        assert!(read(json!({"a": null})).is_err() && read(json!({"a": [1]})).is_err());
        let many = json!((0..17).map(|n| (n.to_string(), n)).collect::<BTreeMap<_, _>>());
        assert!(are_attributes(&read(many).unwrap()).is_err());
        let long = Metadata::from([("a".to_owned(), "x".repeat(513))]);
        assert!(are_metadata(&long).is_err() && are_metadata(&Metadata::new()).is_ok());
    }
}
