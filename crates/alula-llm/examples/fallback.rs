//! Streams an answer from OpenAI, or from Anthropic when OpenAI fails:
//! `cargo run --example fallback -- "What is an alula?"`
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a small program")]

use std::{env, io::Write as _};

use alula_llm::{Anthropic, ChatEvent, ChatRequest, Llm, OpenAi, Route};
use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let llm = Llm::builder()
        .provider(OpenAi::new(env::var("OPENAI_API_KEY")?))
        .provider(Anthropic::new(env::var("ANTHROPIC_API_KEY")?))
        .route("fast", Route::to("openai/gpt-4o-mini").fallback("anthropic/claude-haiku-4-5"))
        .build()?;
    let question = env::args().nth(1).unwrap_or_else(|| "What is an alula?".to_owned());
    let mut events = llm.stream(ChatRequest::new("fast").user(question)).await?;
    while let Some(event) = events.next().await {
        if let ChatEvent::Text { text, .. } = event? {
            print!("{text}");
            std::io::stdout().flush()?;
        }
    }
    println!();
    Ok(())
}
