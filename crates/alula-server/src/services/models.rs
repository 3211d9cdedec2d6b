//! The models there are at the moment.

use std::sync::Arc;

use alula_llm::Llm;
use arc_swap::ArcSwap;

/// All providers and routes, which a reload replaces as a whole. Clones are the same.
///
/// A call goes on with the models that it has begun with.
#[derive(Debug, Clone)]
pub(crate) struct Models(Arc<ArcSwap<Llm>>);

impl Models {
    pub(crate) fn new(llm: Llm) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(llm)))
    }

    /// Puts others in their place.
    pub(crate) fn replace(&self, llm: Llm) {
        self.0.store(Arc::new(llm));
    }

    /// Those of this moment.
    pub(crate) fn current(&self) -> Llm {
        Llm::clone(&self.0.load())
    }
}
