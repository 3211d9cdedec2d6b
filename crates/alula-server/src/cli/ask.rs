//! `alula ask`.

use std::io::{self, IsTerminal as _, Write as _, stdout};

use alula::{ApiError as _, Shutdown, StartError};
use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    CliError,
    local::{Local, LocalArgs},
    say,
    table::{clean, is_bad, printable},
    tell,
};
use crate::{
    config::Config,
    error::CallError,
    services::{
        admission::Caller,
        chat::{Answer, ChatRequest, ChosenDocuments, Citation, FromDocuments, Piece, ask},
    },
};

/// The most characters that are shown of what is cited.
const QUOTE_CHARS_MAX: usize = 240;

pub(super) const HELP: &str = "\
It asks the documents in the database of DATABASE_URL, with the providers and settings of
`alula serve`: give both the same environment. The server need not run.

It ends with 0 if the documents have an answer, and with 3 if they have none.

Examples:
  alula ask 'What is an alula?'
  alula ask --key Vb2NqLr8sKqA 'What is an alula?'    asks documents of this key, which pays
  alula ask --json 'What is an alula?' | jq .citations";

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The question.
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    question: Vec<String>,
    /// The model, perhaps as provider/model; the default one if absent.
    #[arg(long)]
    model: Option<String>,
    /// How many parts of documents the model reads, at most.
    #[arg(long, value_name = "PARTS", value_parser = clap::value_parser!(u16).range(1..=50))]
    limit: Option<u16>,
    /// Print JSON, as `POST /chat` answers.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: LocalArgs,
}

pub(super) async fn run(arguments: AskArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    let AskArgs { question, model, limit, json, local } = arguments;
    let shutdown = Shutdown::on_signals().map_err(StartError::Io)?;
    let stopping = shutdown.stopping();
    let opened = tokio::select! {
        opened = Local::open(config, &local) => opened?,
        () = stopping => return Err(CliError::Interrupted),
    };
    let documents = ChosenDocuments::with_limit(limit.map(usize::from));
    let request = ChatRequest::of_documents(question.join(" "), model, documents);
    let answering = async {
        let caller = opened.caller(&local).await?;
        match json {
            true => whole(&opened, &caller, request).await,
            false => streamed(&opened, &caller, request).await,
        }
    };
    let stopping = shutdown.stopping();
    let answered = tokio::select! {
        answered = answering => answered,
        () = stopping => Err(CliError::Interrupted),
    };
    opened.close().await;
    match answered {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::NotInDocuments),
        Err(error) => Err(error),
    }
}

/// Prints the answer as JSON. Returns whether the documents have one.
async fn whole(opened: &Local, caller: &Caller, request: ChatRequest) -> Result<bool, CliError> {
    let answer = ask(caller, &opened.sources, request).await.map_err(failed)?;
    let json = serde_json::to_string(&answer).map_err(io::Error::from)?;
    say(&visible(&json));
    Ok(answer.is_in_documents())
}

/// Prints the answer as it comes, and then what it is from. Returns whether the documents have one.
async fn streamed(opened: &Local, caller: &Caller, request: ChatRequest) -> Result<bool, CliError> {
    let mut answer = Answer::asked(caller, &opened.sources, request).await.map_err(failed)?;
    let mut out = stdout();
    while let Some(piece) = answer.next().await {
        let printed = match piece.map_err(failed)? {
            Piece::Token(text) => write!(out, "{}", printable(&text)).and_then(|()| out.flush()),
            Piece::Reasoning(_)
            | Piece::Citation(_)
            | Piece::ToolCall(_)
            | Piece::ToolResult(_) => Ok(()),
            Piece::End(summary) => {
                let documents = summary.documents.as_ref();
                if let Some(why) = documents.and_then(|it| it.search_fallback.as_ref()) {
                    tell(&printable(&format!("alula: searched by words alone: {why}")));
                }
                say(&documents.map(sources_of).unwrap_or_default());
                return Ok(documents.is_some_and(|it| it.is_in_documents));
            }
        };
        match printed {
            Ok(()) => {}
            // Nobody reads it any more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// What an answer is from, for the person at the terminal.
fn sources_of(documents: &FromDocuments) -> String {
    let sources: String = documents.citations.iter().map(source).collect();
    // It ends the line of the answer.
    if sources.is_empty() { sources } else { format!("\n{sources}").trim_end().to_owned() }
}

fn source(citation: &Citation) -> String {
    let Citation { number, filename, page, headings, text, .. } = citation;
    let page = page.map(|page| format!(", page {page}")).unwrap_or_default();
    let under = match headings.is_empty() {
        true => String::new(),
        false => format!(": {}", headings.join(" > ")),
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quote: String = words.chars().take(QUOTE_CHARS_MAX).collect();
    if quote.len() < words.len() {
        quote.push('…');
    }
    let head = clean(&format!("[{number}] {filename}{page}{under}"));
    format!("\n{head}\n    {}", printable(&quote))
}

/// JSON escapes most control characters, but not those that some terminals know beside them.
fn visible(json: &str) -> String {
    let is_terminal = stdout().is_terminal();
    let escaped = |char: char| match char {
        _ if is_terminal && is_bad(char) => format!("\\u{:04x}", u32::from(char)),
        _ => char.to_string(),
    };
    json.chars().map(escaped).collect()
}

fn failed(error: CallError) -> CliError {
    CliError::Report(error.into_http())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_document_moves_the_cursor() {
        let evil = "\x1b[2J\u{9b}31m\u{202e}x\r\ny\tz";
        assert_eq!(printable(evil), "\u{fffd}[2J\u{fffd}31m\u{fffd}x\u{fffd}\ny\tz");
    }
}
