//! What every adapter must do, whoever it speaks to: against a provider that says all there is to
//! say, and against one that fails in every way.

mod connect;
mod faults;
mod happy;
mod unary;

use std::time::Duration;

use alula_llm::{
    Anthropic, ChatRequest, Cohere, Deadlines, Gemini, Http, HttpLimits, Llm, LlmBuilder, OpenAi,
    OpenAiResponses, RetryPolicy, model::Protocol, testing::FakeProvider,
};

/// What no error may show.
const KEY: &str = "sk-canary-1234";

/// One way to speak to a provider.
#[derive(Debug, Clone, Copy)]
struct Adapter {
    name: &'static str,
    protocol: Protocol,
    add: fn(LlmBuilder, &str, Http) -> LlmBuilder,
}

/// One for each protocol, and Vertex AI, which speaks Gemini's at another address.
const PROTOCOLS: [Adapter; 6] = [
    Adapter {
        name: "OpenAi",
        protocol: Protocol::OpenAiChat,
        add: |llm, url, http| llm.provider(OpenAi::new(KEY).base_url(url).http(http)),
    },
    Adapter {
        name: "OpenAiResponses",
        protocol: Protocol::OpenAiResponses,
        add: |llm, url, http| llm.provider(OpenAiResponses::new(KEY).base_url(url).http(http)),
    },
    Adapter {
        name: "Anthropic",
        protocol: Protocol::AnthropicMessages,
        add: |llm, url, http| llm.provider(Anthropic::new(KEY).base_url(url).http(http)),
    },
    Adapter {
        name: "Gemini",
        protocol: Protocol::GeminiGenerate,
        add: |llm, url, http| llm.provider(Gemini::new(KEY).base_url(url).http(http)),
    },
    Adapter {
        name: "Vertex AI",
        protocol: Protocol::GeminiGenerate,
        add: |llm, url, http| {
            let url = format!("{url}/v1/projects/p/locations/l/publishers/google");
            let vertex = Gemini::compatible("vertex", url);
            llm.provider(vertex.header("authorization", format!("Bearer {KEY}")).http(http))
        },
    },
    Adapter {
        name: "Cohere",
        protocol: Protocol::CohereChat,
        add: |llm, url, http| llm.provider(Cohere::new(KEY).base_url(url).http(http)),
    },
];

/// Those who speak OpenAI's protocol in their own way.
const FAMILY: [Adapter; 13] = [
    of_family("azure", |llm, url, http| {
        llm.provider(OpenAi::azure(url, "d", "2024-10-21", KEY).http(http))
    }),
    of_family("azure_v1", |llm, url, http| llm.provider(OpenAi::azure_v1(url, KEY).http(http))),
    of_family("groq", |llm, url, http| compatible(llm, OpenAi::groq(KEY), url, http)),
    of_family("mistral", |llm, url, http| compatible(llm, OpenAi::mistral(KEY), url, http)),
    of_family("deepseek", |llm, url, http| compatible(llm, OpenAi::deepseek(KEY), url, http)),
    of_family("openrouter", |llm, url, http| compatible(llm, OpenAi::openrouter(KEY), url, http)),
    of_family("cerebras", |llm, url, http| compatible(llm, OpenAi::cerebras(KEY), url, http)),
    of_family("xai", |llm, url, http| compatible(llm, OpenAi::xai(KEY), url, http)),
    of_family("together", |llm, url, http| compatible(llm, OpenAi::together(KEY), url, http)),
    of_family("ollama", |llm, url, http| compatible(llm, OpenAi::ollama().key(KEY), url, http)),
    of_family("vllm", |llm, url, http| compatible(llm, OpenAi::vllm().key(KEY), url, http)),
    of_family("llama_cpp", |llm, url, http| {
        compatible(llm, OpenAi::llama_cpp().key(KEY), url, http)
    }),
    of_family("lm_studio", |llm, url, http| {
        compatible(llm, OpenAi::lm_studio().key(KEY), url, http)
    }),
];

/// One of the family.
const fn of_family(name: &'static str, add: fn(LlmBuilder, &str, Http) -> LlmBuilder) -> Adapter {
    Adapter { name, protocol: Protocol::OpenAiChat, add }
}

fn compatible(llm: LlmBuilder, openai: OpenAi, url: &str, http: Http) -> LlmBuilder {
    llm.provider(openai.base_url(url).http(http))
}

/// For calls that are to end for another reason, however busy the machine is: byte by byte, an
/// answer takes many turns.
fn patient() -> Deadlines {
    Deadlines::default()
        .connect(Duration::from_secs(20))
        .first_token(Duration::from_secs(40))
        .idle(Duration::from_secs(40))
        .total(Duration::from_secs(50))
}

/// After which a call hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many cases run at a time, so that none of them waits for its turn.
const AT_ONCE: usize = 24;

/// The largest event or answer that is taken.
const BYTES_MAX: usize = 64 << 10;

/// Connections that all cases share, since it takes time to set up TLS.
fn http() -> Http {
    http_with(HttpLimits::default().event_bytes_max(BYTES_MAX).response_bytes_max(BYTES_MAX))
}

fn http_with(limits: HttpLimits) -> Http {
    let http = Http::new(limits);
    // That is not a part of a case.
    let provider = OpenAi::new(KEY).http(http.clone());
    Llm::builder().provider(provider).build().unwrap();
    http
}

impl Adapter {
    /// The name of its protocol in the table of faults.
    fn format(self) -> &'static str {
        PROTOCOLS.iter().find(|it| it.protocol == self.protocol).unwrap().name
    }

    /// Everything between a caller and this fake, with at most one more attempt.
    fn llm(self, fake: &FakeProvider, http: &Http, deadlines: Deadlines) -> Llm {
        self.llm_at(&fake.url(), http, deadlines)
    }

    fn llm_at(self, url: &str, http: &Http, deadlines: Deadlines) -> Llm {
        let backoff = Duration::from_millis(1);
        let retry = RetryPolicy::default().attempts(2).backoff(backoff);
        let llm = Llm::builder().deadlines(deadlines).retry(retry);
        (self.add)(llm, url, http.clone()).build().unwrap()
    }
}

fn request() -> ChatRequest {
    ChatRequest::new("m").user("hi")
}
