//! An embedding model whose calls somebody pays for.

use std::time::Duration;

use alula::HttpError;
use alula_llm::{
    EmbedRequest, Error, ErrorKind, Llm,
    model::{Purpose, Vectors},
};
use alula_rag::{EmbedError, Embedder, LlmEmbedder};
use async_trait::async_trait;

use crate::services::admission::{Asking, Caller};

/// The model that really makes vectors.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// As `provider/model`: whoever gives its alias to another one does not mix their vectors.
    target: String,
    dimensions: Option<u32>,
    /// The target, with the dimensions if these were chosen.
    pub(super) name: String,
}

impl Model {
    /// The first of the models that a name leads to. The others would make other vectors, so they
    /// do not stand in for it.
    pub(super) fn resolve(llm: &Llm, name: &str, dimensions: Option<u32>) -> Result<Self, Error> {
        let target = llm.resolve(name)?.into_iter().next();
        let nobody = |why: &str| Error::new(ErrorKind::NotFound, format!("{name:?} {why}"));
        let target = target.ok_or_else(|| nobody("leads nowhere"))?;
        if llm.resolve(&target)? != [target.as_str()] {
            return Err(nobody("leads to a model whose name is given to another one"));
        }
        let name = match dimensions {
            Some(dimensions) => format!("{target}@{dimensions}"),
            None => target.clone(),
        };
        Ok(Self { target, dimensions, name })
    }

    fn embedder(&self, llm: Llm) -> LlmEmbedder {
        let embedder = LlmEmbedder::new(llm, &self.target);
        match self.dimensions {
            Some(dimensions) => embedder.with_dimensions(dimensions),
            None => embedder,
        }
    }
}

/// Makes a vector of one word, which is nobody's call, to see whether that can be done. Returns the
/// name of the model, and how many numbers a vector of it has.
///
/// # Errors
///
/// Why it cannot be done.
pub(crate) async fn try_model(
    llm: &Llm,
    name: &str,
    dimensions: Option<u32>,
) -> Result<(String, usize), EmbedError> {
    let model = Model::resolve(llm, name, dimensions)?;
    let vectors = model.embedder(llm.clone()).embed(&["feather"], Purpose::Query).await?;
    Ok((model.name, vectors.dimensions()))
}

/// The model, as a caller may ask it.
#[derive(Debug)]
pub(super) struct Charged {
    caller: Caller,
    model: Model,
}

/// A call for vectors that was not let in.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.log_message())]
pub(crate) struct NotAdmitted(pub(crate) HttpError);

impl Charged {
    pub(super) fn new(caller: Caller, model: Model) -> Self {
        Self { caller, model }
    }

    /// Makes vectors of queries within this time. A model that takes longer is in trouble, and not
    /// asked by others as long as that is so.
    pub(super) async fn query(
        &self,
        texts: &[&str],
        within: Duration,
    ) -> Result<Vectors, EmbedError> {
        self.made(texts, Purpose::Query, within).await
    }

    async fn made(
        &self,
        texts: &[&str],
        purpose: Purpose,
        within: Duration,
    ) -> Result<Vectors, EmbedError> {
        if texts.is_empty() {
            return Ok(Vectors::new());
        }
        let Model { target, dimensions, .. } = &self.model;
        let mut request = EmbedRequest::new(target).texts(texts.iter().copied());
        request.dimensions = dimensions.map(u64::from);
        let asking = match purpose {
            Purpose::Query => Asking::Query(&request),
            _ => Asking::Documents(&request),
        };
        let admitted = self.caller.admit(asking).await;
        let llm = admitted.map_err(|error| EmbedError::Refused(Box::new(NotAdmitted(error))))?;
        // The configuration may have been read again since.
        if llm.resolve(target)? != [target.as_str()] {
            let reason = format!("{target} is the name of another model now");
            return Err(Error::new(ErrorKind::NotFound, reason).into());
        }
        self.model.embedder(llm).within(within).embed(texts, purpose).await
    }
}

#[async_trait]
impl Embedder for Charged {
    fn model(&self) -> &str {
        &self.model.name
    }

    fn dimensions(&self) -> Option<u32> {
        self.model.dimensions
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError> {
        self.made(texts, purpose, Duration::MAX).await
    }
}

#[cfg(test)]
mod tests {
    use alula_llm::{OpenAi, Route};

    use super::*;

    fn named(name: &str, routes: &[(&str, Route)], dimensions: Option<u32>) -> Option<String> {
        let builder = Llm::builder().provider(OpenAi::new("k")).default_model("openai/chat");
        let builder =
            routes.iter().fold(builder, |it, (name, route)| it.route(*name, route.clone()));
        Model::resolve(&builder.build().unwrap(), name, dimensions).map(|model| model.name).ok()
    }

    #[test]
    fn vectors_have_the_name_of_the_model_that_makes_them() {
        let found = Some("openai/e".to_owned());
        assert_eq!(named("e", &[], None), found);
        assert_eq!(named("openai/e", &[], None), found);
        assert_eq!(named("openai/e", &[], Some(64)), Some("openai/e@64".to_owned()));
        let route = Route::to("openai/e").fallback("openai/other");
        assert_eq!(named("search", &[("search", route.clone())], None), found);
        // Whose provider is not there is asked of nobody else.
        assert_eq!(named("ollama/e", &[], None), None);
        // Who asks for `openai/e` would be answered by another one.
        let taken = ("openai/e", Route::to("openai/other"));
        assert_eq!(named("search", &[("search", route), taken], None), None);
    }
}
