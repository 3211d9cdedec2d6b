use std::{ops::Range, sync::OnceLock};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use super::{
    headers,
    scan::{Edits, Head},
};
use crate::{ChatRequest, Error, ErrorKind, Result, cache::Digest, model::Protocol, parts::Parts};

/// A request in the bytes in which a client wrote it.
///
/// ```
/// use alula_llm::{RelayRequest, model::Protocol};
///
/// let body = r#"{"model": "fast", "messages": [], "stream": true, "new_field": 1}"#;
/// let request = RelayRequest::new(Protocol::OpenAiChat, body)?;
/// assert_eq!(request.model(), "fast");
/// assert!(request.is_stream());
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RelayRequest {
    protocol: Protocol,
    body: Bytes,
    head: Head,
    /// The model to ask, which is not always the one in the body.
    model: String,
    stream: bool,
    headers: HeaderMap,
    /// The request in our own model, once somebody has needed it. In a box: the request is moved
    /// through the futures of a call, most of which need none.
    chat: OnceLock<Box<ChatRequest>>,
}

impl RelayRequest {
    /// Looks into a request just far enough to know where it goes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the body is not one JSON object.
    pub fn new(protocol: Protocol, body: impl Into<Bytes>) -> Result<Self> {
        let body = body.into();
        let head = Head::of(&body, protocol)?;
        let model = match &head.model {
            Some(at) => name(body.get(at.clone()).unwrap_or_default())?,
            None => String::new(),
        };
        Ok(Self {
            protocol,
            stream: head.stream.as_ref().is_some_and(|at| is(&body, at, "true")),
            body,
            head,
            model,
            headers: HeaderMap::new(),
            chat: OnceLock::new(),
        })
    }

    /// Names the model, where it is not part of the body, as in Gemini's protocol.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.ask_for(&model.into());
        self
    }

    /// Says whether a stream is asked for, whatever the body says. Where that is part of the body,
    /// it is sent as it is said here.
    ///
    /// [`Llm::relay`](crate::Llm::relay) and [`Llm::relay_stream`](crate::Llm::relay_stream) say it
    /// themselves.
    #[must_use]
    pub fn with_stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// Sends headers along to providers that speak the client's protocol, such as
    /// `anthropic-beta`.
    ///
    /// These may be all that came: what belongs to the client, such as its key, its cookies and its
    /// address, or to the connection to it is left out, and where a provider sets a header itself,
    /// its own is sent. Only betas are added to those that are switched on already.
    ///
    /// ```
    /// use alula_llm::{RelayRequest, model::Protocol};
    /// use reqwest::header::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("anthropic-beta", "context-1m-2025-08-07".parse()?);
    /// headers.insert("x-api-key", "the client's".parse()?);
    /// let request = RelayRequest::new(Protocol::AnthropicMessages, "{}")?.with_headers(&headers);
    /// assert_eq!(request.headers().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_headers(mut self, headers: &HeaderMap) -> Self {
        self.headers = headers::of_request(headers);
        self
    }

    /// The protocol of the request, and of its answer.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The model to ask; empty for the default one.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether a stream is asked for.
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    /// The longest answer, in tokens, if the request says. Gemini's protocol says it where only
    /// [`chat`](Self::chat) looks.
    pub(crate) fn max_tokens(&self) -> Option<u64> {
        self.head.max_tokens
    }

    /// How many answers are asked for.
    pub(crate) fn answers(&self) -> u64 {
        self.head.answers.unwrap_or(1).max(1)
    }

    /// How many messages, tools, calls of tools and their results there are, if the prompt is all
    /// text.
    pub(crate) fn text_pieces(&self) -> Option<u64> {
        self.head.pieces
    }

    /// The bytes as they came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The headers to send along.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The request in our own model, which is read once, when it is asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the body is no request of its protocol.
    pub fn chat(&self) -> Result<&ChatRequest> {
        if let Some(chat) = self.chat.get() {
            return Ok(chat);
        }
        let mut chat = self.protocol.request_from_json(Value::Object(self.object()?))?;
        chat.model.clone_from(&self.model);
        Ok(self.chat.get_or_init(|| Box::new(chat)))
    }

    /// Adds all that is sent, as it is sent.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        digest.value(&self.protocol).bytes(self.model.as_bytes()).bytes(&self.body);
        for (name, value) in &self.headers {
            digest.bytes(name.as_str().as_bytes()).bytes(value.as_bytes());
        }
    }

    pub(crate) fn ask_for(&mut self, model: &str) {
        model.clone_into(&mut self.model);
        if let Some(chat) = self.chat.get_mut() {
            model.clone_into(&mut chat.model);
        }
    }

    /// The body as a provider of the same protocol is to get it: the bytes as they came, asking for
    /// the [model](Self::model), and for a stream or not, as [`is_stream`](Self::is_stream) says.
    ///
    /// It is what a [`Provider`](crate::Provider) of one's own sends to relay a request.
    ///
    /// ```
    /// use alula_llm::{RelayRequest, model::Protocol};
    ///
    /// let body = r#"{"model": "fast", "messages": [], "new_field": 1.0}"#;
    /// let request = RelayRequest::new(Protocol::OpenAiChat, body)?.with_model("gpt-4o-mini");
    /// let sent = r#"{"model": "gpt-4o-mini", "messages": [], "new_field": 1.0}"#;
    /// assert_eq!(request.body_for_model(), sent);
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    pub fn body_for_model(&self) -> Bytes {
        self.parts_for_model().whole()
    }

    /// The same in parts, of which none is a copy.
    pub(crate) fn parts_for_model(&self) -> Parts {
        self.edited(Edits::default())
    }

    /// The body, asking for the model and for a report of usage at the end of a stream.
    pub(crate) fn parts_with_usage(&self) -> Result<Parts> {
        let mut edits = Edits::default();
        if self.stream && !self.wants_usage() {
            let mut options = self.stream_options();
            options.insert("include_usage".to_owned(), true.into());
            let options = Value::Object(options).to_string();
            edits.set("stream_options", self.head.stream_options.as_ref(), &options);
        }
        Ok(self.edited(edits))
    }

    /// The body as an object that asks for the model.
    pub(crate) fn object(&self) -> Result<Map<String, Value>> {
        let object: serde_json::Result<Map<String, Value>> = serde_json::from_slice(&self.body);
        let mut object = object.map_err(|error| invalid(format!("not JSON: {error}")))?;
        if self.protocol != Protocol::GeminiGenerate {
            object.insert("model".to_owned(), self.model.as_str().into());
        }
        Ok(object)
    }

    /// Whether the client wants usage in a stream of OpenAI's chat completions.
    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options().get("include_usage") == Some(&Value::Bool(true))
    }

    fn stream_options(&self) -> Map<String, Value> {
        let at = self.head.stream_options.clone();
        let options = at.and_then(|at| serde_json::from_slice(self.body.get(at)?).ok());
        options.unwrap_or_default()
    }

    fn edited(&self, mut edits: Edits) -> Parts {
        // Gemini's protocol says both in the address.
        if self.protocol != Protocol::GeminiGenerate {
            self.put_model(&mut edits);
            self.put_stream(&mut edits);
        }
        edits.apply(&self.body)
    }

    fn put_model(&self, edits: &mut Edits) {
        let model = Value::from(self.model.as_str()).to_string();
        let at = self.head.model.as_ref();
        if !at.is_some_and(|at| is(&self.body, at, &model)) {
            edits.set("model", at, &model);
        }
    }

    fn put_stream(&self, edits: &mut Edits) {
        let at = self.head.stream.as_ref();
        if self.stream == at.is_some_and(|at| is(&self.body, at, "true")) {
            return;
        }
        edits.set("stream", at, if self.stream { "true" } else { "false" });
        // They are refused beside an answer that does not stream.
        if let (false, Some(options)) = (self.stream, &self.head.stream_options) {
            edits.set("stream_options", Some(options), "null");
        }
    }
}

/// Whether this part of the body is the text.
fn is(body: &[u8], at: &Range<usize>, text: &str) -> bool {
    body.get(at.clone()) == Some(text.as_bytes())
}

/// The text of a JSON string.
fn name(json: &[u8]) -> Result<String> {
    let name: Option<String> = serde_json::from_slice(json)
        .map_err(|_| invalid("model: the name of a model is a text".to_owned()))?;
    Ok(name.unwrap_or_default())
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(body: &str) -> RelayRequest {
        RelayRequest::new(Protocol::OpenAiChat, body.to_owned()).unwrap()
    }

    #[test]
    fn a_request_for_the_model_it_names_is_not_touched() {
        let body = r#"{ "messages": [], "model": "m", "temperature": 1.00, "new": {} }"#;
        let request = request(body);
        assert_eq!(request.body_for_model(), body);
        assert_eq!(request.body_for_model().as_ptr(), request.body().as_ptr());
        let other = request.with_model("other");
        assert_eq!(other.body_for_model(), body.replace("\"m\"", "\"other\""));
    }

    #[test]
    fn a_stream_reports_its_usage() {
        let usage = |body: &str| -> Value {
            let body = request(body).parts_with_usage().unwrap().whole();
            serde_json::from_slice(&body).unwrap()
        };
        let asked = json!({"include_usage": true});
        let stream = r#"{"model": "m", "stream": true"#;
        assert_eq!(usage(&format!("{stream}}}"))["stream_options"], asked);
        let without =
            format!("{stream}, \"stream_options\": {{\"x\": 1, \"include_usage\": false}}}}");
        let options = &usage(&without)["stream_options"];
        assert_eq!(options, &json!({"x": 1, "include_usage": true}));
        assert_eq!(usage(r#"{"model": "m"}"#), json!({"model": "m"}));
    }

    #[test]
    fn the_body_says_whether_it_wants_a_stream() {
        for (body, stream, expected) in [
            ("{}", true, r#"{"model":"","stream":true,"stream_options":{"include_usage":true}}"#),
            ("{}", false, r#"{"model":""}"#),
            (r#"{"model":"","stream":null}"#, false, r#"{"model":"","stream":null}"#),
            (
                r#"{"model":"","stream":true,"stream_options":{}}"#,
                false,
                r#"{"model":"","stream":false,"stream_options":null}"#,
            ),
        ] {
            let sent = request(body).with_stream(stream).parts_with_usage().unwrap().whole();
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            assert_eq!(sent, serde_json::from_str::<Value>(expected).unwrap(), "{body} {stream}");
        }
        let gemini = RelayRequest::new(Protocol::GeminiGenerate, "{}").unwrap();
        assert_eq!(gemini.with_stream(true).body_for_model(), "{}");
    }

    #[test]
    fn the_model_of_the_request_is_the_one_asked() {
        let mut request =
            request(r#"{"model": "m", "messages": [{"role": "user", "content": "a"}]}"#);
        assert_eq!(request.chat().unwrap().model, "m");
        request.ask_for("n");
        assert_eq!(request.chat().unwrap().model, "n");
        let error = RelayRequest::new(Protocol::OpenAiChat, r#"{"model": 5}"#).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    }
}
