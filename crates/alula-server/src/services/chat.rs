//! Chat as applications know it, over the model of `alula-llm`.

mod answer;
mod documents;

use alula::{Result, Validate};
use alula_llm::{ChatResponse, Llm, Part, StopReason, model::Usage as LlmUsage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::documents::Grounded;
pub(crate) use self::{
    answer::Answer,
    documents::{ChosenDocuments, Citation, FromDocuments, UseDocuments},
};
use super::{
    admission::{Asking, Caller},
    conversations::{Conversations, Recording},
    retrieval::Retrieval,
    tools::{Made, Rounds, Wanted},
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
    conversation_id: Option<String>,
    /// Whether to answer from documents, with citations: `true`, or which of them.
    // A worker of a version before knows no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    use_documents: Option<UseDocuments>,
    /// Fields of the provider's own API that go with the question as they are, such as `tools`,
    /// `tool_choice`, or `messages` for a whole conversation.
    #[serde(default)]
    options: Map<String, Value>,
    /// Where to send a webhook when the answer is there. Only `POST /chat` has it, and only with
    /// `Prefer: respond-async`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    callback_url: Option<String>,
    /// MCP servers of `alula.toml` whose tools the model may have called while it answers; takes a
    /// key with the scope `tools`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    mcp_servers: Vec<String>,
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
    fn chosen(&self) -> Option<ChosenDocuments> {
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
    fn into_llm(self, llm: &Llm) -> Result<alula_llm::ChatRequest, CallError> {
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

/// What a model answered.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChatAnswer {
    /// The text of the answer.
    response: String,
    /// How the answer came about.
    #[serde(flatten)]
    summary: Summary,
}

impl ChatAnswer {
    /// Whether documents were asked, and have an answer.
    pub(crate) fn is_in_documents(&self) -> bool {
        self.summary.documents.as_ref().is_some_and(|documents| documents.is_in_documents)
    }

    pub(crate) fn text(&self) -> &str {
        &self.response
    }

    /// What it cites of documents, in the order in which it does.
    pub(crate) fn citations(&self) -> &[Citation] {
        self.summary.documents.as_ref().map_or(&[], |documents| &documents.citations)
    }
}

/// The conversation that an answer belongs to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InConversation {
    /// Its id.
    conversation_id: String,
    /// How many messages of its history the model did not get, as they did not fit.
    history_left_out: usize,
    /// Whether the message and its answer are part of it now. The answer has been paid for, so it
    /// is given also when it cannot be kept.
    is_kept: bool,
}

/// How an answer came about.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// The model that answered.
    model: String,
    /// All tokens of the call; `null` if the provider did not count them.
    tokens_used: Option<u64>,
    /// The tokens of the call by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// Why the model stopped: `end`, `max_tokens`, `tool_calls`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<String>,
    /// The tools that the model wants to be called or, with `mcp_servers`, those that were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    /// What the model thought before it answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning: String,
    #[serde(flatten)]
    pub(crate) documents: Option<FromDocuments>,
    #[serde(flatten)]
    conversation: Option<InConversation>,
}

/// Tokens by kind.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Usage {
    /// Tokens of the prompt.
    input_tokens: u64,
    /// Tokens of the answer.
    output_tokens: u64,
    /// Both together.
    total_tokens: u64,
    /// Tokens of the prompt that came from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_tokens: Option<u64>,
    /// Tokens of the prompt that were put into a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    /// Tokens of the answer that were reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
}

/// A tool that the model wants to be called or, if it has a `result`, that was.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct ToolCall {
    /// The id that the result must name.
    id: String,
    /// The name of the tool.
    name: String,
    /// The arguments, as the model wrote them: JSON, unless it made a mistake.
    arguments: String,
    /// The MCP server that the tool is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// What the model read of what the tool gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// Whether the tool failed; the result says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_error: Option<bool>,
}

impl From<&Wanted> for ToolCall {
    fn from(wanted: &Wanted) -> Self {
        Self {
            id: wanted.call.id.clone(),
            name: wanted.tool.clone(),
            arguments: wanted.call.arguments.clone(),
            server: wanted.server.as_deref().map(str::to_owned),
            ..Self::default()
        }
    }
}

impl From<&Made> for ToolCall {
    fn from(made: &Made) -> Self {
        Self {
            result: Some(made.result.clone()),
            is_error: Some(made.is_error),
            ..Self::from(&made.wanted)
        }
    }
}

impl From<&LlmUsage> for Usage {
    fn from(usage: &LlmUsage) -> Self {
        Self {
            input_tokens: usage.input,
            output_tokens: usage.output,
            total_tokens: usage.total(),
            cache_read_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write,
            reasoning_tokens: usage.reasoning,
        }
    }
}

impl From<&ChatResponse> for Summary {
    fn from(response: &ChatResponse) -> Self {
        let tool_call = |call: &alula_llm::model::ToolCall| ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            ..ToolCall::default()
        };
        Self {
            model: response.model.clone(),
            tokens_used: response.usage.as_ref().map(LlmUsage::total),
            usage: response.usage.as_ref().map(Usage::from),
            stop_reason: response.stop().map(stop_reason),
            tool_calls: response.tool_calls().map(tool_call).collect(),
            reasoning: response.message().map(|message| message.reasoning()).unwrap_or_default(),
            documents: None,
            conversation: None,
        }
    }
}

impl Summary {
    /// The same, with the calls that were made before the answer.
    fn after(mut self, made: &[Made]) -> Self {
        let made = made.iter().map(ToolCall::from);
        self.tool_calls = made.chain(self.tool_calls).collect();
        self
    }

    /// That of an answer without a model, which this one would have given.
    fn without_call(model: String) -> Self {
        Self {
            model,
            tokens_used: Some(0),
            usage: Some(Usage::from(&LlmUsage::default())),
            stop_reason: Some(stop_reason(&StopReason::End)),
            tool_calls: Vec::new(),
            reasoning: String::new(),
            documents: None,
            conversation: None,
        }
    }
}

fn stop_reason(reason: &StopReason) -> String {
    let text = match reason {
        StopReason::End => "end",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter => "content_filter",
        StopReason::Refusal => "refusal",
        StopReason::Pause => "pause",
        StopReason::Other(other) => other,
        _ => "other",
    };
    text.to_owned()
}

/// What answers are made from, beside the question. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) conversations: Conversations,
    pub(crate) retrieval: Retrieval,
}

/// Asks a model and waits for the answer.
pub(crate) async fn ask(
    caller: &Caller,
    sources: &Sources,
    request: ChatRequest,
) -> Result<ChatAnswer, CallError> {
    let servers = request.mcp_servers.clone();
    let Prepared { mut request, recording, grounded } =
        Prepared::new(caller, sources, request).await?;
    let plain_no = grounded.as_ref().and_then(Grounded::plain_no);
    let (text, mut summary) = match plain_no {
        Some(no) => (no.to_owned(), Summary::without_call(named(caller, request.model))),
        None if servers.is_empty() => {
            let llm = caller.admit(Asking::Chat(&request)).await?;
            let response = llm.chat(request).await?;
            (said(&response), Summary::from(&response))
        }
        None => {
            let rounds = Rounds::begin(caller.tools()?, &servers, &mut request).await?;
            let (response, made) = Box::pin(rounds.chat(caller, request)).await?;
            (said(&response), Summary::from(&response).after(&made))
        }
    };
    let mut plain = None;
    if let Some(mut grounded) = grounded {
        grounded.push(&text);
        let ended = grounded.finish();
        plain = Some(ended.unmarked);
        summary.documents = Some(ended.documents);
    }
    if let Some(recording) = recording {
        recording.push(plain.as_deref().unwrap_or(&text));
        recording.answered_by(&summary.model);
        summary.conversation = Some(kept(&recording).await);
    }
    Ok(ChatAnswer { response: text, summary })
}

/// The name of the model that a request means.
fn named(caller: &Caller, model: String) -> String {
    match model.is_empty() {
        true => caller.models().default_model().unwrap_or_default().to_owned(),
        false => model,
    }
}

/// Finds what is wrong with a request without asking a provider.
pub(crate) async fn check(
    caller: &Caller,
    sources: &Sources,
    request: ChatRequest,
) -> Result<(), CallError> {
    documents::check(&request)?;
    if !request.mcp_servers.is_empty() {
        caller.tools()?.check(&request.mcp_servers)?;
    }
    let request = ChatRequest { use_documents: None, ..request };
    Prepared::new(caller, sources, request).await.map(drop)
}

/// A request that can be made.
struct Prepared {
    /// With the history of its conversation, and what was found in documents.
    request: alula_llm::ChatRequest,
    /// Where the conversation goes on.
    recording: Option<Recording>,
    grounded: Option<Grounded>,
}

impl Prepared {
    async fn new(
        caller: &Caller,
        sources: &Sources,
        mut request: ChatRequest,
    ) -> Result<Self, CallError> {
        let Sources { conversations, retrieval } = sources;
        let Some(id) = request.conversation_id.take() else {
            let grounded = Grounded::ground(caller, retrieval, &mut request, None).await?;
            let request = request.into_llm(&caller.models())?;
            return Ok(Self { request, recording: None, grounded });
        };
        let resumed = conversations.resume(caller.owner(), &id, caller.origin()).await?;
        let conversation = &resumed.conversation;
        request.model = request.model.or_else(|| conversation.model.clone());
        request.system_prompt =
            request.system_prompt.or_else(|| conversation.system_prompt.clone());
        let question = request.message.clone().unwrap_or_default();
        let before = resumed.last_question().map(str::to_owned);
        let grounded = Grounded::ground(caller, retrieval, &mut request, before.as_deref()).await?;
        let mut request = request.into_llm(&caller.models())?;
        let reads = caller.models().input_tokens_max(&request.model)?;
        let recording = resumed.recall(&mut request, question, reads);
        Ok(Self { request, recording: Some(recording), grounded })
    }
}

/// What the model said, be it that it will not.
fn said(response: &ChatResponse) -> String {
    let parts = response.message().into_iter().flat_map(|message| &message.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        Part::Refusal(refusal) => Some(refusal.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Keeps a turn, and says so.
async fn kept(recording: &Recording) -> InConversation {
    let is_kept = recording.keep().await;
    InConversation {
        conversation_id: recording.id().to_owned(),
        history_left_out: recording.left_out(),
        is_kept,
    }
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// More text.
    Token(String),
    /// More reasoning.
    Reasoning(String),
    /// What the text before it is from, the first time that it is cited.
    Citation(Box<Citation>),
    /// A tool that is being called.
    ToolCall(ToolCall),
    /// The same, once it has a result.
    ToolResult(ToolCall),
    /// The end, and what it came to.
    End(Box<Summary>),
}

impl From<documents::Piece> for Piece {
    fn from(piece: documents::Piece) -> Self {
        match piece {
            documents::Piece::Text(text) => Self::Token(text),
            documents::Piece::Citation(citation) => Self::Citation(Box::new(citation)),
        }
    }
}
