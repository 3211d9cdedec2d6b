//! `alula replay`.

use std::{net::IpAddr, path::PathBuf};

use alula::{Limits, Shutdown};
use alula_llm::model::Protocol;
use clap::Args;

use super::{CliError, bind, say, values};
use crate::{config::Config, logging, replay::Replay};

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A directory of cassettes, read with everything below it: Alula's (*.jsonl), VCR.py's (*.yaml).
    dir: PathBuf,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8001)]
    port: u16,
    /// Milliseconds to wait before each event of a stream.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
}

pub(super) async fn run(arguments: ReplayArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    logging::start(&config.log, config.log_format, None);
    let replay = Replay::load(&arguments.dir, arguments.delay_ms)?;
    let shutdown = Shutdown::on_signals()?;
    let server = bind(arguments.host, arguments.port, Limits::default()).await?;
    let address = server.local_addr();
    say(&format!("Replaying {} recorded calls on http://{address}", replay.len()));
    let program = std::env::args().next().unwrap_or_else(|| "alula".to_owned());
    if replay.speaks(Protocol::OpenAiChat) {
        say(&format!("  OPENAI_BASE_URL=http://{address}/v1 OPENAI_API_KEY=recorded {program}"));
    }
    if replay.speaks(Protocol::AnthropicMessages) {
        say(&format!("  ANTHROPIC_BASE_URL=http://{address} ANTHROPIC_API_KEY=recorded {program}"));
    }
    if replay.speaks(Protocol::GeminiGenerate) {
        say(&format!("  GEMINI_BASE_URL=http://{address} GEMINI_API_KEY=replay {program}"));
    }
    replay.into_app().serve_on(server, shutdown).await?;
    Ok(())
}
