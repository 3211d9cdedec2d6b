//! Chat as applications know it, over the model of `alula-llm`.

mod answer;
mod documents;
mod request;
mod summary;

use alula::Result;
use alula_llm::{ChatResponse, Part};

use self::documents::Grounded;
pub(crate) use self::{
    answer::Answer,
    documents::{ChosenDocuments, Citation, FromDocuments, UseDocuments},
    request::ChatRequest,
    summary::{ChatAnswer, InConversation, Summary, ToolCall},
};
use super::{
    admission::{Asking, Caller},
    conversations::{Conversations, Recording},
    retrieval::Retrieval,
    tools::Rounds,
};
use crate::error::CallError;

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
