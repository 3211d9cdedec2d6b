//! How well documents are found, by words, by vectors and by both, and how long that takes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement prints its figures")]

mod corpus;
mod pages;
mod quality;
mod speed;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
};

use alula_benches::{figures, machine, server::Server};
use alula_llm::{Llm, OpenAi};
use alula_rag::{Embedder, LlmEmbedder, child};
use anyhow::Result;
use clap::Parser;
use serde::Serialize;

use self::{
    corpus::Corpus,
    pages::Pages,
    quality::Figures,
    speed::{Plan, Searched},
};

/// What reads a document, in a process of its own.
const EXTRACT: &str = "extract-document";
/// What the vectors are from.
const MODEL: &str = "all-MiniLM-L6-v2";

/// Asks questions of people whose answers are known, and looks at which place these are found.
#[derive(Debug, Parser)]
struct Options {
    /// Where the figures go, as JSON.
    #[arg(long)]
    output: PathBuf,
    /// The unpacked packages.
    #[arg(long)]
    packages: PathBuf,
    /// A Python with a model that makes vectors; without it only words are searched.
    #[arg(long)]
    python: Option<PathBuf>,
    /// How many parts of other documents are searched as well.
    #[arg(long, default_value_t = 2_000)]
    others: usize,
    /// In how many chunks is searched where time is measured, the fewest first; 0 for no such
    /// measurement.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// How many searches of a kind are timed.
    #[arg(long, default_value_t = 200)]
    searches: usize,
    /// Up to how many chunks peers are asked as well.
    #[arg(long, default_value_t = 100_000)]
    peers_max: usize,
    /// The programs of a Postgres that has pgvector.
    #[arg(long)]
    pgvector: Option<PathBuf>,
    /// Measures no quality, only time.
    #[arg(long)]
    speed_only: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    quality: Option<Quality>,
    pages: Option<Pages>,
    speed: Vec<Searched>,
}

/// At which places answers were found.
#[derive(Debug, Serialize)]
struct Quality {
    questions: usize,
    documents: usize,
    chunks: usize,
    model: Option<&'static str>,
    figures: Vec<Figures>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, request] = &arguments[..]
        && command == EXTRACT
    {
        return child::run(request);
    }
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("retrieval: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: &Options) -> Result<()> {
    // A client of HTTP needs one, though it speaks no TLS here.
    _ = rustls::crypto::ring::default_provider().install_default();
    let quality = if options.speed_only { None } else { Some(quality(options).await?) };
    let (pages, speed) = speed(options).await?;
    let report = Report { quality, pages, speed };
    figures::save(&report, &options.output)
}

async fn quality(options: &Options) -> Result<Quality> {
    let corpus = Corpus::read(&options.packages, options.others).await?;
    let server = options.python.as_deref().map(embeddings).transpose()?;
    let embedder = server.as_ref().map(embedder).transpose()?;
    let (documents, chunks) = (corpus.documents.len(), corpus.chunks());
    let questions = corpus.questions.len();
    println!("{questions} questions to {documents} documents of {chunks} chunks");
    let figures = quality::measure(&corpus, embedder).await?;
    print!("{}", quality::table(&figures));
    let model = server.is_some().then_some(MODEL);
    Ok(Quality { questions, documents, chunks, model, figures })
}

async fn speed(options: &Options) -> Result<(Option<Pages>, Vec<Searched>)> {
    let sizes: Vec<usize> = options.sizes.iter().copied().filter(|size| *size > 0).collect();
    if sizes.is_empty() {
        return Ok((None, Vec::new()));
    }
    if !machine::pin_self(0) {
        println!("not kept on one core: there is no taskset");
    }
    let folder = options.output.with_extension("data");
    let pages = pages::measure(&options.packages, &folder).await?;
    println!("\n{pages}\n");
    print!("{}", speed::head());
    let plan = Plan {
        sizes: &sizes,
        searches: options.searches,
        peers_max: options.peers_max,
        python: options.python.as_deref(),
        pgvector: options.pgvector.as_deref(),
        folder,
    };
    Ok((Some(pages), speed::measure(&plan).await?))
}

/// Starts a server of embeddings.
fn embeddings(python: &Path) -> Result<Server> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/retrieval/embeddings.py");
    // `-B`: nothing is written beside the script.
    Server::start(Command::new(python).arg("-B").arg(script), 1)
}

/// The model of that server, as any other of the protocol.
fn embedder(server: &Server) -> Result<Arc<dyn Embedder>> {
    let url = format!("http://{}/v1", server.address());
    let llm = Llm::builder().provider(OpenAi::compatible("local", url)).build()?;
    Ok(Arc::new(LlmEmbedder::new(llm, format!("local/{MODEL}"))))
}
