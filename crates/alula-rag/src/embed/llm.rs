use std::time::Duration;

use alula_llm::{
    EmbedRequest, Llm,
    model::{Purpose, Vectors},
};
use async_trait::async_trait;

use super::{EmbedError, Embedder, check};

/// The embedding model of a provider.
///
/// Batches, retries, limits and costs are those of the [`Llm`]. Let its model have one target: vectors
/// of two models have nothing to do with each other, and a fallback would mix them.
///
/// ```
/// use alula_llm::{Demo, Llm, model::Purpose};
/// use alula_rag::{Embedder, LlmEmbedder};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// let embedder = LlmEmbedder::new(llm, "demo").with_dimensions(64);
/// assert_eq!(embedder.model(), "demo@64");
/// let vectors = embedder.embed(&["a feather", "a wing"], Purpose::Document).await?;
/// assert_eq!((vectors.len(), vectors.dimensions()), (2, 64));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LlmEmbedder {
    llm: Llm,
    /// As the `Llm` knows it.
    target: String,
    /// With the dimensions, if these were chosen.
    model: String,
    dimensions: Option<u32>,
    within: Duration,
}

impl LlmEmbedder {
    /// Uses this model, with as many dimensions as it has by itself.
    pub fn new(llm: Llm, model: impl Into<String>) -> Self {
        let model = model.into();
        Self { llm, target: model.clone(), model, dimensions: None, within: Duration::MAX }
    }

    /// Asks for so many dimensions, of a model that can vary them.
    #[must_use]
    pub fn with_dimensions(mut self, dimensions: u32) -> Self {
        self.model = format!("{}@{dimensions}", self.target);
        self.dimensions = Some(dimensions);
        self
    }

    /// Waits only so long for vectors, for as many texts as these may be: see
    /// [`Llm::embed_within`].
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

#[async_trait]
impl Embedder for LlmEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> Option<u32> {
        self.dimensions
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError> {
        if texts.is_empty() {
            return Ok(Vectors::new());
        }
        let mut request =
            EmbedRequest::new(&self.target).texts(texts.iter().copied()).purpose(purpose);
        request.dimensions = self.dimensions.map(u64::from);
        let answer = self.llm.embed_within(request, self.within).await?;
        check(texts.len(), self.dimensions, &answer.vectors)?;
        Ok(answer.vectors)
    }
}
