#![doc = include_str!("../README.md")]

mod cache;
mod cost;
mod deadline;
mod error;
mod estimate;
mod llm;
pub mod model;
mod observe;
mod parts;
pub mod providers;
mod relay;
mod resilience;
mod secret;
pub mod sse;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod underway;

pub use cache::{CachePolicy, CacheStats};
pub use cost::{CallSize, Cost, CostKind, MicroUsd, ModelSize, Prices, Terms};
pub use deadline::Deadlines;
pub use error::{BODY_EXCERPT_BYTES_MAX, Error, ErrorKind, Phase, Result};
pub use estimate::estimate_tokens;
pub use llm::{
    CostCeiling, Llm, LlmBuilder, ProviderStatus, Route, RouteStatus, RouteTarget, TargetStatus,
};
pub use model::{
    Accumulator, ChatEvent, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Media, Message,
    Part, Role, StopReason, TokenCount, Tool, Usage,
};
pub use observe::{CallRecord, Outcome};
pub use providers::{
    Anthropic, Cohere, Demo, EmbedLimits, Gemini, Http, HttpLimits, OpenAi, OpenAiResponses,
    Provider, Proxies, StreamOptions, StreamWriter,
};
pub use relay::{RelayChunk, RelayRequest, RelayResponse, RelayStream};
#[cfg(feature = "redis")]
pub use resilience::Redis;
pub use resilience::{
    BreakerPolicy, BreakerState, Concurrency, ConcurrencyPermit, Quota, QuotaExceeded, QuotaLevel,
    QuotaTurn, RateLimit, RecentCalls, RetryPolicy, SharedState,
};
pub use secret::ApiKey;
pub use stream::ChatStream;

/// What the fuzz targets call.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::providers::fuzz::{failure, http1, pass, relayed};
}
