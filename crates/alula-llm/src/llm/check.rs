//! What is known of a call before it is made.

use super::{Llm, route::Target};
use crate::{RelayRequest, Result};

impl Llm {
    /// Says whether there is somebody to ask for a model.
    ///
    /// ```
    /// use alula_llm::{Llm, OpenAi};
    ///
    /// let llm = Llm::builder().provider(OpenAi::new("sk-…")).provider(OpenAi::ollama()).build()?;
    /// assert!(llm.check_model("openai/gpt-5").is_ok());
    /// assert!(llm.check_model("nobody/knows").is_err());
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is nobody.
    pub fn check_model(&self, model: &str) -> Result<()> {
        self.inner.all_targets(model).map(drop)
    }

    /// The models that calls to a name may go to, as `provider/model`: those of a route in the order
    /// in which they were added, else one.
    ///
    /// Whoever keeps what a model has made, such as vectors, keeps it under this name: another one
    /// may stand for another model tomorrow.
    ///
    /// ```
    /// use alula_llm::{Llm, OpenAi, Route};
    ///
    /// let route = Route::to("openai/text-embedding-3-small");
    /// let llm = Llm::builder().provider(OpenAi::new("sk-…")).route("search", route).build()?;
    /// assert_eq!(llm.resolve("search")?, ["openai/text-embedding-3-small"]);
    /// assert_eq!(llm.resolve("text-embedding-3-small")?, ["openai/text-embedding-3-small"]);
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is nobody to ask, and where a name
    /// begins with a provider that is not there: a call would go to another one.
    pub fn resolve(&self, model: &str) -> Result<Vec<String>> {
        let name = if model.is_empty() { self.default_model().unwrap_or_default() } else { model };
        let full = |target: &Target| {
            let provider = self.inner.providers.get(target.provider)?.provider.name();
            Some(format!("{provider}/{}", target.model))
        };
        match self.inner.routes.get(name) {
            Some(targets) => Ok(targets.iter().filter_map(full).collect()),
            None => Ok(full(&self.inner.target_of_route(name)?).into_iter().collect()),
        }
    }

    /// Says whether [`relay`](Self::relay) would ask a provider, for whoever makes the call later.
    ///
    /// Where the request must be translated for all targets of its model, it is read for that.
    ///
    /// ```
    /// use alula_llm::{Demo, Llm, RelayRequest, model::Protocol};
    ///
    /// let llm = Llm::builder().provider(Demo::new()).build()?;
    /// let request = |body| RelayRequest::new(Protocol::AnthropicMessages, body);
    /// assert!(llm.check_relay(&request(r#"{"messages": "Hello"}"#)?).is_err());
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`relay`](Self::relay), as far as it does not take a provider to know.
    pub fn check_relay(&self, request: &RelayRequest) -> Result<()> {
        let targets = self.inner.all_targets(request.model())?;
        let mut providers =
            targets.iter().filter_map(|target| self.inner.providers.get(target.provider));
        // The futures are not polled, so nobody is asked.
        if providers.any(|connected| connected.provider.relay(request).is_some()) {
            return Ok(());
        }
        request.chat().map(drop)
    }
}
