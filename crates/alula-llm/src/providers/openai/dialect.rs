//! What each server that speaks chat completions does its own way: one row for each.

use crate::{
    EmbedLimits,
    providers::media::{Sources, Takes},
};

/// What a server wants and refuses.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The name of the provider.
    pub(super) name: &'static str,
    pub(super) base_url: &'static str,
    /// The header of the key; without one it is a bearer token.
    pub(super) key_header: Option<&'static str>,
    pub(super) limit: Limit,
    /// Whether the role `developer` is known; elsewhere it is `system`.
    pub(super) developer: bool,
    /// Whether `stream_options` is known; elsewhere usage comes by itself.
    pub(super) stream_options: bool,
    pub(super) top_k: bool,
    /// Whether more than one answer is an error.
    pub(super) one_answer: bool,
    /// Fields of a request that make it fail.
    pub(super) refused: &'static [&'static str],
    /// Fields of a message that make a request fail; tools' results may have a `name`.
    pub(super) refused_in_messages: &'static [&'static str],
    pub(super) reasoning: SentBack,
    pub(super) thinking: ThinkingForm,
    pub(super) seed: &'static str,
    /// Whether `tool_choice` can name a function.
    pub(super) named_tool_choice: bool,
    /// Whether an answer can be any JSON object.
    pub(super) json_object: bool,
    pub(super) schema: Schema,
    pub(super) takes: Takes,
    /// How it takes what it fetches itself, where OpenAI takes only bytes.
    pub(super) by_url: ByUrl,
    /// Whether it is Mistral, whose content differs.
    pub(super) mistral: bool,
    /// How it turns texts into vectors, if it does.
    pub(super) embeddings: Option<Embeddings>,
}

/// How a server takes the address of a sound or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByUrl {
    /// Not at all, or in a way of its own.
    No,
    /// A sound in place of its bytes.
    Sound,
    /// A sound as a part of its own.
    SoundPart,
    /// A document in place of its bytes.
    Document,
}

/// How an answer is held to a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// By `response_format`.
    Native,
    /// By `response_format` with models whose names begin so, neither in a stream nor beside tools;
    /// elsewhere by a tool.
    Some(&'static [&'static str]),
    /// By a tool.
    Tool,
}

/// How a server turns texts into vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Embeddings {
    /// Whether it knows `base64`; elsewhere that is an error, or ignored.
    pub(super) base64: bool,
    /// What the length of the vectors is called.
    pub(super) dimensions: &'static str,
    pub(super) limits: EmbedLimits,
}

impl Dialect {
    /// Whether a request for OpenAI can be sent as it is.
    pub(super) fn takes_all(&self) -> bool {
        self.limit != Limit::OnlyOlder
            && self.developer
            && self.stream_options
            && !self.one_answer
            && self.refused.is_empty()
            && self.refused_in_messages.is_empty()
            && self.reasoning == SentBack::AsItCame
            && self.seed == "seed"
            && self.named_tool_choice
            && self.json_object
            && !self.mistral
    }
}

/// What the limit of the answer is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// `max_completion_tokens`, unless the caller spelled the older name out.
    Newer,
    /// `max_tokens`, unless the caller spelled the newer name out.
    Older,
    /// `max_tokens`, whatever the caller wrote: the newer name is refused or ignored.
    OnlyOlder,
}

/// What becomes of the reasoning of earlier answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SentBack {
    /// It goes back under the name that it came with.
    AsItCame,
    /// It goes back under this name, whichever server it is from.
    Named(&'static str),
    /// It goes back if it came under this name; what others called it is refused.
    Only(&'static str),
    /// It goes back where the model called tools, and only there.
    OfToolTurns,
    /// It does not go back, unless it is a part of the content.
    InContent,
}

/// How to say whether and how long to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThinkingForm {
    /// There is only `reasoning_effort`.
    Effort,
    /// `thinking: {type}`.
    Switch,
    /// `reasoning: {enabled, effort, max_tokens}`.
    Object,
}

/// A server of which no more is known than its address.
pub(super) const PLAIN: Dialect = Dialect {
    name: "",
    base_url: "",
    key_header: None,
    limit: Limit::Older,
    developer: true,
    stream_options: true,
    top_k: false,
    one_answer: false,
    refused: &[],
    refused_in_messages: &[],
    reasoning: SentBack::AsItCame,
    thinking: ThinkingForm::Effort,
    seed: "seed",
    named_tool_choice: true,
    json_object: true,
    schema: Schema::Native,
    takes: Takes {
        image: Sources::URL_OR_BYTES,
        audio: Sources::BYTES,
        file: Sources::BYTES_OR_ID,
    },
    by_url: ByUrl::No,
    mistral: false,
    embeddings: Some(EMBEDDINGS),
};

/// As numbers, of which so many are well below the largest answer that is read.
const EMBEDDINGS: Embeddings = Embeddings {
    base64: false,
    dimensions: "dimensions",
    limits: EmbedLimits { inputs: 256, tokens: 250_000 },
};

/// OpenAI's. It takes twice as many inputs, but the answer could be too large to read.
// Source: platform.openai.com/docs/api-reference/embeddings (2048 inputs, 300,000 tokens).
pub(super) const OFFICIAL_EMBEDDINGS: Embeddings = Embeddings {
    base64: true,
    limits: EmbedLimits { inputs: 1024, tokens: 300_000 },
    ..EMBEDDINGS
};

/// Pictures and nothing else.
const IMAGES: Takes =
    Takes { image: Sources::URL_OR_BYTES, audio: Sources::NONE, file: Sources::NONE };

/// Pictures, and only those that are sent along.
const IMAGES_SENT: Takes = Takes { image: Sources::BYTES, ..IMAGES };

/// What OpenAI's answers hold beside the text, and strict servers refuse in a conversation.
const NOT_SENT_BACK: &[&str] =
    &["annotations", "audio", "function_call", "name", "reasoning_details", "refusal"];

/// A server that runs models as they are: what it does not know it ignores.
const LOCAL: Dialect = Dialect { developer: false, top_k: true, ..PLAIN };

/// Azure: as OpenAI, but for the address and the key.
// Source: learn.microsoft.com/azure/ai-foundry/openai/reference and …/api-version-lifecycle.
pub(super) const AZURE: Dialect = Dialect {
    name: "azure",
    key_header: Some("api-key"),
    limit: Limit::Newer,
    embeddings: Some(OFFICIAL_EMBEDDINGS),
    ..PLAIN
};

/// Groq. It refuses what it does not know, in messages too. Without `stream_options` usage stands in `x_groq` of the last chunk. Flex capacity that
/// is used up has the status 498.
// Source: console.groq.com/docs/openai (what is refused), …/docs/api-reference (`max_tokens` is
// deprecated; `reasoning` of an assistant), …/docs/errors, vercel/ai#8057 and janhq/jan#8136
// (what is refused in messages), …/docs/structured-outputs.
pub(super) const GROQ: Dialect = Dialect {
    name: "groq",
    base_url: "https://api.groq.com/openai/v1",
    limit: Limit::Newer,
    developer: false,
    one_answer: true,
    refused: &["logit_bias", "logprobs", "store", "top_logprobs", "top_k"],
    refused_in_messages: NOT_SENT_BACK,
    reasoning: SentBack::Only("reasoning"),
    schema: Schema::Some(&["openai/gpt-oss-", "moonshotai/kimi-k2", "meta-llama/llama-4-"]),
    embeddings: None,
    takes: IMAGES,
    ..PLAIN
};

/// Mistral. It answers 422 to every field that it does not know. Thinking is a part of the
/// content, a tool call's id has nine letters or digits, and the model speaks after a tool does.
/// Usage comes in the last chunk; `num_cached_tokens` are those from the cache. Errors have no
/// `error` around them, and a list of places as their message.
// Source: docs.mistral.ai/api, mistralai/client-python (`chatcompletionstreamrequest.py`,
// `assistantmessage.py`), mistralai/platform-docs-public#7, pydantic-ai `models/mistral.py`.
pub(super) const MISTRAL: Dialect = Dialect {
    name: "mistral",
    base_url: "https://api.mistral.ai/v1",
    limit: Limit::OnlyOlder,
    developer: false,
    stream_options: false,
    refused: &[
        "audio",
        "logit_bias",
        "logprobs",
        "modalities",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "store",
        "top_k",
        "top_logprobs",
        "user",
        "verbosity",
        "web_search_options",
    ],
    refused_in_messages: NOT_SENT_BACK,
    reasoning: SentBack::InContent,
    seed: "random_seed",
    mistral: true,
    embeddings: Some(Embeddings {
        dimensions: "output_dimension",
        limits: EmbedLimits { inputs: 256, tokens: 16_384 },
        ..EMBEDDINGS
    }),
    takes: Takes { image: Sources::URL_OR_BYTES, audio: Sources::URL_OR_BYTES, file: Sources::ALL },
    by_url: ByUrl::Sound,
    ..PLAIN
};

/// `DeepSeek`. Where the model called tools its `reasoning_content` must come back, even an empty
/// one; elsewhere it is ignored, and older models refuse it. Tokens from the cache are
/// `prompt_cache_hit_tokens`.
// Source: api-docs.deepseek.com/guides/thinking_mode, …/guides/reasoning_model,
// …/api/create-chat-completion, …/guides/json_mode (no schema); deepseek-ai/deepseek-harness discussion 739.
pub(super) const DEEPSEEK: Dialect = Dialect {
    name: "deepseek",
    base_url: "https://api.deepseek.com/v1",
    limit: Limit::OnlyOlder,
    developer: false,
    refused_in_messages: &["reasoning_details"],
    reasoning: SentBack::OfToolTurns,
    thinking: ThinkingForm::Switch,
    schema: Schema::Tool,
    embeddings: None,
    takes: Takes { image: Sources::NONE, ..IMAGES },
    ..PLAIN
};

/// `OpenRouter`. Errors of the provider behind it come with the status 200, in the stream or in a
/// choice; their `code` is a status. `reasoning_details` go back as they came.
// Source: openrouter.ai/docs/api/reference/errors-and-debugging, …/reference/parameters,
// …/use-cases/reasoning-tokens.
pub(super) const OPENROUTER: Dialect = Dialect {
    name: "openrouter",
    base_url: "https://openrouter.ai/api/v1",
    top_k: true,
    reasoning: SentBack::Named("reasoning"),
    thinking: ThinkingForm::Object,
    takes: Takes { audio: Sources::BYTES, file: Sources::URL_OR_BYTES, ..IMAGES },
    by_url: ByUrl::Document,
    ..PLAIN
};

/// Cerebras. It refuses what it does not know, in messages too. Errors have no `error` around
/// them.
// Source: inference-docs.cerebras.ai/resources/openai (what is refused; no `developer`),
// …/api-reference/chat-completions, QwenLM/qwen-code#11045 (`reasoning` is taken back,
// `reasoning_content` refused).
pub(super) const CEREBRAS: Dialect = Dialect {
    name: "cerebras",
    base_url: "https://api.cerebras.ai/v1",
    limit: Limit::Newer,
    developer: false,
    one_answer: true,
    refused: &[
        "audio",
        "frequency_penalty",
        "logit_bias",
        "metadata",
        "modalities",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "store",
        "top_k",
        "verbosity",
        "web_search_options",
    ],
    refused_in_messages: NOT_SENT_BACK,
    reasoning: SentBack::Only("reasoning"),
    embeddings: None,
    takes: IMAGES,
    ..PLAIN
};

/// xAI. `completion_tokens` leave the reasoning out. An error is a text beside its code. Its
/// reasoning models refuse penalties and `stop`, others take them, so that they are sent.
// Source: docs.x.ai/docs/api-reference, …/docs/guides/reasoning.
pub(super) const XAI: Dialect = Dialect {
    name: "xai",
    base_url: "https://api.x.ai/v1",
    limit: Limit::Newer,
    developer: false,
    reasoning: SentBack::Named("reasoning_content"),
    embeddings: None,
    takes: Takes { file: Sources::ID, ..IMAGES },
    ..PLAIN
};

/// Together.
// Source: docs.together.ai/reference/chat-completions.
pub(super) const TOGETHER: Dialect = Dialect {
    name: "together",
    base_url: "https://api.together.ai/v1",
    limit: Limit::OnlyOlder,
    takes: IMAGES,
    ..LOCAL
};

/// Ollama. It ignores what it does not know, the newer name of the limit included.
// Source: docs.ollama.com/api/openai-compatibility, ollama/ollama `openai/openai.go`.
pub(super) const OLLAMA: Dialect = Dialect {
    name: "ollama",
    base_url: "http://localhost:11434/v1",
    limit: Limit::OnlyOlder,
    top_k: false,
    reasoning: SentBack::Named("reasoning"),
    takes: IMAGES_SENT,
    ..LOCAL
};

/// vLLM. Older versions have no `error` around an error, but `"object": "error"` in it.
// Source: docs.vllm.ai/en/latest/serving/openai_compatible_server.html.
pub(super) const VLLM: Dialect = Dialect {
    name: "vllm",
    base_url: "http://localhost:8000/v1",
    embeddings: Some(Embeddings { base64: true, ..EMBEDDINGS }),
    takes: Takes { audio: Sources::URL_OR_BYTES, ..IMAGES },
    by_url: ByUrl::SoundPart,
    ..LOCAL
};

/// llama.cpp's server. A `tool_choice` that names a function it takes for `auto`.
// Source: ggml-org/llama.cpp `tools/server/README.md`; langchain-llama-cpp (`tool_choice`).
pub(super) const LLAMA_CPP: Dialect = Dialect {
    name: "llama-cpp",
    base_url: "http://localhost:8080/v1",
    reasoning: SentBack::Named("reasoning_content"),
    named_tool_choice: false,
    embeddings: Some(Embeddings { base64: true, ..EMBEDDINGS }),
    takes: Takes { audio: Sources::BYTES, ..IMAGES },
    ..LOCAL
};

/// LM Studio. It refuses a `tool_choice` that names a function, and `json_object`.
// Source: lmstudio.ai/docs/developer/openai-compat, …/docs/developer/api-changelog.
pub(super) const LM_STUDIO: Dialect = Dialect {
    name: "lm-studio",
    base_url: "http://localhost:1234/v1",
    limit: Limit::OnlyOlder,
    named_tool_choice: false,
    json_object: false,
    takes: IMAGES_SENT,
    ..LOCAL
};
