//! What is known of a call before it is made.

use super::Llm;
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
        self.inner.targets(model).map(drop)
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
        let targets = self.inner.targets(request.model())?;
        let mut providers =
            targets.iter().filter_map(|target| self.inner.providers.get(target.provider));
        // The futures are not polled, so nobody is asked.
        if providers.any(|connected| connected.provider.relay(request).is_some()) {
            return Ok(());
        }
        request.chat().map(drop)
    }
}
