//! Questions to a model.

use alula::{Result, Validate};
use alula_llm::Llm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    super::admission::Caller,
    documents::{ChosenDocuments, UseDocuments},
};
use crate::error::CallError;

/// A question to a model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "message": "What is an alula?" }]))]
#[validate(custom = has_a_message)]
#[validate(custom = a_conversation_has_a_message)]
#[validate(custom = documents_are_asked_with_a_message)]
#[validate(custom = tools_are_ours_or_the_callers)]
pub(crate) struct ChatRequest {
    /// What to say to the model. Needed unless `options` has `messages` (Gemini: `contents`).
    #[serde(default)]
    #[schemars(length(min = 1, max = 1_000_000))]
    pub(crate) message: Option<String>,
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub(crate) model: Option<String>,
    /// Sampling temperature.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(crate) temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) max_tokens: Option<u64>,
    /// Instructions for the model.
    #[serde(default)]
    #[schemars(length(max = 1_000_000))]
    pub(crate) system_prompt: Option<String>,
    /// The conversation to go on with; see `POST /conversations`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    pub(super) conversation_id: Option<String>,
    /// Whether to answer from documents, with citations: `true`, or which of them.
    // A worker of a version before knows no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) use_documents: Option<UseDocuments>,
    /// Fields of the provider's own API that go with the question as they are, such as `tools`,
    /// `tool_choice`, or `messages` for a whole conversation.
    #[serde(default)]
    pub(super) options: Map<String, Value>,
    /// Where to send a webhook when the answer is there. Only `POST /chat` has it, and only with
    /// `Prefer: respond-async`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    pub(super) callback_url: Option<String>,
    /// MCP servers of `alula.toml` whose tools the model may have called while it answers; takes a
    /// key with the scope `tools`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(super) mcp_servers: Vec<String>,
}

fn has_a_message(request: &ChatRequest) -> Result<(), &'static str> {
    let whole =
        ["messages", "contents", "input"].iter().any(|name| request.options.contains_key(*name));
    match request.message.is_some() || whole {
        true => Ok(()),
        false => Err("there is neither a message nor options.messages"),
    }
}

/// What a conversation keeps are texts, so all else would be forgotten by the next message.
fn a_conversation_has_a_message(request: &ChatRequest) -> Result<(), &'static str> {
    let names = ["messages", "contents", "input", "tools"];
    let has_other = names.iter().any(|name| request.options.contains_key(*name));
    match request.conversation_id.is_some() && (has_other || request.message.is_none()) {
        true => {
            Err("a conversation goes on with a message, without options.messages or options.tools")
        }
        false => Ok(()),
    }
}

/// The question is what is searched for.
fn documents_are_asked_with_a_message(request: &ChatRequest) -> Result<(), &'static str> {
    let has_other =
        ["messages", "contents", "input"].iter().any(|name| request.options.contains_key(*name));
    match request.chosen().is_some() && (has_other || request.message.is_none()) {
        true => Err("documents are asked with a message, without options.messages"),
        false => Ok(()),
    }
}

/// Calls of both in one answer would leave some of them without a result.
fn tools_are_ours_or_the_callers(request: &ChatRequest) -> Result<(), &'static str> {
    match !request.mcp_servers.is_empty() && request.options.contains_key("tools") {
        true => Err("there are either mcp_servers or options.tools"),
        false => Ok(()),
    }
}

impl ChatRequest {
    /// A message, and nothing else.
    pub(crate) fn question(message: String) -> Self {
        Self {
            message: Some(message),
            model: None,
            temperature: None,
            max_tokens: None,
            system_prompt: None,
            conversation_id: None,
            use_documents: None,
            options: Map::new(),
            callback_url: None,
            mcp_servers: Vec::new(),
        }
    }

    /// A question that is answered from documents.
    pub(crate) fn of_documents(
        message: String,
        model: Option<String>,
        documents: ChosenDocuments,
    ) -> Self {
        let use_documents = Some(UseDocuments::Chosen(Box::new(documents)));
        Self { model, use_documents, ..Self::question(message) }
    }

    /// Which documents it is answered from, if it is from any.
    pub(super) fn chosen(&self) -> Option<ChosenDocuments> {
        match self.use_documents.as_ref()? {
            UseDocuments::Switch(true) => Some(ChosenDocuments::default()),
            UseDocuments::Switch(false) => None,
            UseDocuments::Chosen(chosen) => Some(ChosenDocuments::clone(chosen)),
        }
    }

    /// The next message of a conversation.
    pub(crate) fn in_conversation(
        id: String,
        message: String,
        model: Option<String>,
        temperature: Option<f64>,
        max_tokens: Option<u64>,
        use_documents: Option<UseDocuments>,
    ) -> Self {
        let conversation_id = Some(id);
        Self {
            model,
            temperature,
            max_tokens,
            conversation_id,
            use_documents,
            ..Self::question(message)
        }
    }

    /// Where to send a webhook.
    pub(crate) fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }

    /// Whether the caller may have the tools called that it asks for. What is asked later is judged
    /// now: whoever does the job does not know who has asked where no key is needed.
    pub(crate) fn check_tools(&self, caller: &Caller) -> Result<()> {
        match self.mcp_servers.is_empty() {
            true => Ok(()),
            false => caller.tools().map(drop),
        }
    }

    /// The request in the model of `alula-llm`.
    pub(super) fn into_llm(self, llm: &Llm) -> Result<alula_llm::ChatRequest, CallError> {
        let model = self.model.unwrap_or_default();
        let mut request = llm.request_from_json(&model, self.options)?;
        if let Some(prompt) = self.system_prompt {
            request.messages.insert(0, alula_llm::Message::system(prompt));
        }
        if let Some(message) = self.message {
            request = request.user(message);
        }
        request.temperature = self.temperature.or(request.temperature);
        request.max_tokens = self.max_tokens.or(request.max_tokens);
        Ok(request)
    }
}
