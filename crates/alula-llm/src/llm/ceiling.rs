//! What a call may cost at most, whoever answers it.

use super::Llm;
use crate::{CallSize, Error, ErrorKind, MicroUsd, ModelSize, Result};

/// What a call may cost at most, as far as that is known; see [`Llm::known_cost_ceiling`].
///
/// ```
/// use alula_llm::{ChatRequest, Llm, ModelSize, OpenAi, Route};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder()
///     .provider(OpenAi::new("sk-…"))
///     .route("fast", Route::to("openai/gpt-4o").fallback("openai/new"))
///     .build()?;
/// let request = ChatRequest::new("fast").user("What is an alula?").max_tokens(1_000);
/// let unknown = ModelSize { input: 1_000_000, output: 100_000 };
/// let ceiling = llm.known_cost_ceiling("fast", &request.size(), unknown)?;
/// assert!(ceiling.known.get() > 10_000);
/// assert_eq!(ceiling.unpriced.as_deref(), Some("openai/new"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CostCeiling {
    /// At the dearest of the targets that have a price; nothing if none has.
    pub known: MicroUsd,
    /// A target without a price, if there is one: `provider/model`.
    pub unpriced: Option<String>,
}

impl Llm {
    /// The most that a call to a model may cost: at the dearest of its targets, once. `unknown` is
    /// how large a model is of which that is not known.
    ///
    /// It holds for what the provider counts as one call. One that fails after the provider has
    /// worked and is made again may be charged twice.
    ///
    /// ```
    /// use alula_llm::{ChatRequest, Llm, ModelSize, OpenAi, Route};
    ///
    /// # fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder()
    ///     .provider(OpenAi::new("sk-…"))
    ///     .route("fast", Route::to("openai/gpt-4o-mini").fallback("openai/gpt-4o"))
    ///     .build()?;
    /// let request = ChatRequest::new("fast").user("What is an alula?").max_tokens(1_000);
    /// let unknown = ModelSize { input: 1_000_000, output: 100_000 };
    /// let most = llm.cost_ceiling("fast", &request.size(), unknown)?;
    /// assert!((10_000..15_000).contains(&most.get())); // a thousand tokens of gpt-4o, and some
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model, and [`ErrorKind::Unsupported`] when
    /// nobody knows the price of one of its targets.
    pub fn cost_ceiling(
        &self,
        model: &str,
        size: &CallSize,
        unknown: ModelSize,
    ) -> Result<MicroUsd> {
        let ceiling = self.known_cost_ceiling(model, size, unknown)?;
        match ceiling.unpriced {
            None => Ok(ceiling.known),
            Some(target) => {
                let message = format!("the price of {target} is not known");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// The same, of those targets alone whose prices are known, for whoever takes the others for
    /// free; see [`CostCeiling`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model.
    pub fn known_cost_ceiling(
        &self,
        model: &str,
        size: &CallSize,
        unknown: ModelSize,
    ) -> Result<CostCeiling> {
        let inner = &*self.inner;
        let mut ceiling = CostCeiling { known: MicroUsd::default(), unpriced: None };
        for target in &*inner.all_targets(model)? {
            let Some(connected) = inner.providers.get(target.provider) else { continue };
            let provider = connected.provider.name();
            match inner.observer.prices.ceiling(provider, &target.model, size, unknown) {
                Some(cost) => ceiling.known = ceiling.known.max(cost),
                None => ceiling.unpriced = Some(format!("{provider}/{}", target.model)),
            }
        }
        Ok(ceiling)
    }

    /// The most tokens that every target of a model reads, as far as their sizes are known; see
    /// [`ModelSize::of`]. `None` if that of none is.
    ///
    /// ```
    /// use alula_llm::{Llm, OpenAi, Route};
    ///
    /// # fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder()
    ///     .provider(OpenAi::new("sk-…"))
    ///     .route("fast", Route::to("openai/gpt-4o-mini").fallback("openai/gpt-4"))
    ///     .build()?;
    /// assert_eq!(llm.input_tokens_max("fast")?, Some(8_192)); // that of gpt-4
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when no provider serves the model.
    pub fn input_tokens_max(&self, model: &str) -> Result<Option<u64>> {
        let inner = &*self.inner;
        let targets = inner.all_targets(model)?;
        let size = targets.iter().filter_map(|target| {
            let provider = inner.providers.get(target.provider)?.provider.name();
            Some(ModelSize::of(provider, &target.model)?.input)
        });
        Ok(size.min())
    }
}
