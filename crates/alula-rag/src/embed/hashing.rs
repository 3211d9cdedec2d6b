use alula_llm::model::{Purpose, Vectors};
use async_trait::async_trait;
use ring::digest::{SHA256, digest};

use super::{EmbedError, Embedder};
use crate::search::words;

/// No model, but a hash of the words of a text: for tests, and wherever vectors shall be the same
/// each time. Texts that share words have vectors that are near to each other, and no others.
///
/// It finds nothing that a search by words does not find; for readers it is of no use.
///
/// ```
/// use alula_llm::model::Purpose;
/// use alula_rag::{Embedder, Hashing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), alula_rag::EmbedError> {
/// let vectors = Hashing::new(128).embed(&["a wing", "A Wing!"], Purpose::Query).await?;
/// assert_eq!(vectors.get(0), vectors.get(1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Hashing {
    dimensions: u32,
    name: String,
}

impl Hashing {
    /// Vectors of this length, which is 8 at least.
    pub fn new(dimensions: u32) -> Self {
        let dimensions = dimensions.max(8);
        Self { dimensions, name: format!("hashing@{dimensions}") }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let length = usize::try_from(self.dimensions).unwrap_or(usize::MAX);
        let mut vector = vec![0.0; length];
        words(text).for_each(|word| add(&mut vector, &word.folded));
        if let (true, Some(first)) = (vector.iter().all(|it| *it == 0.0), vector.first_mut()) {
            // A text without words, or whose words cancel each other out.
            *first = 1.0;
        }
        vector
    }
}

/// Adds a word at several places, so that two seldom have all of them in common.
fn add(vector: &mut [f32], word: &str) {
    let hash = digest(&SHA256, word.as_bytes());
    for bytes in hash.as_ref().as_chunks::<3>().0.iter().take(4) {
        let [low, high, sign] = bytes.map(usize::from);
        let place = (low | high << 8) % vector.len().max(1);
        if let Some(value) = vector.get_mut(place) {
            *value += if sign & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
}

#[async_trait]
impl Embedder for Hashing {
    fn model(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> Option<u32> {
        Some(self.dimensions)
    }

    async fn embed(&self, texts: &[&str], _: Purpose) -> Result<Vectors, EmbedError> {
        let mut vectors = Vectors::new();
        for text in texts {
            vectors.push(&self.vector(text))?;
        }
        Ok(vectors)
    }
}
