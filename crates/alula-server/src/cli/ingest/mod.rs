//! `alula ingest`: documents from this machine, without a server.

mod files;
mod report;

use std::{path::PathBuf, time::Duration};

use alula::{ApiError as _, Bytes, HttpError, Shutdown, StartError};
use clap::Args;
use tokio::{io::AsyncReadExt as _, task::JoinHandle, time::sleep};

use self::{files::Files, report::Report};
use super::{
    CliError,
    local::{Local, LocalArgs},
};
use crate::{
    config::Config,
    db::documents::EntryState,
    services::{
        documents::{Documents, Incoming, Indexing, Pieces, Purpose, Refusal, Wish},
        jobs::{Hands, Jobs, WorkerSettings},
        retrieval::DEFAULT_COLLECTION,
    },
};

pub(super) const HELP: &str = "\
It puts documents into the database of DATABASE_URL and their files into STORAGE_URL, and makes them
fit to be found, with the providers and settings of `alula serve`: give both the same environment.
The server need not run, and may.

A file that was brought before is the same document: after Ctrl-C, or whatever else has ended it,
call it again, and it goes on where it was. Of folders it takes PDF, Word (.docx), HTML, Markdown,
CSV and plain text; a file that is named itself is tried whatever it is called. It ends with 1 if
any file could not be taken or read.

Examples:
  alula ingest manual.pdf notes/
  alula ingest 'docs/**/*.md' --key Vb2NqLr8sKqA    for this key, which pays for embeddings
  alula ingest --json archive/ > ingested.jsonl";

/// How much of a file is read at a time.
const PIECE_BYTES: usize = 256 << 10;
/// How often it is looked how far documents are.
const INTERVAL: Duration = Duration::from_millis(300);
/// How many documents are looked at each time, those that were brought first.
const LOOKED_AT_MAX: usize = 64;
/// How many documents may be processed while more are brought.
const AHEAD_MAX: usize = 1_000;
/// How long a job that has begun may take after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// Files, folders, and patterns such as 'docs/**/*.md'.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Follow symbolic links that are found in folders and by patterns.
    #[arg(long)]
    follow_links: bool,
    /// Print a line of JSON for each file, and one for all of them, in place of the bar.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: LocalArgs,
}

pub(super) async fn run(arguments: IngestArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    let IngestArgs { paths, follow_links, json, local } = arguments;
    let found = tokio::task::spawn_blocking(move || {
        let mut files = Files { follows_links: follow_links, ..Files::default() };
        paths.iter().for_each(|path| files.add(path));
        files
    });
    let found = found.await.map_err(std::io::Error::other)?;
    let shutdown = Shutdown::on_signals().map_err(StartError::Io)?;
    let opened = Local::open(config, &local).await?;
    let mut report = Report::new(json, found.files.len());
    let done = ingest(&opened, &local, found, &mut report, &shutdown).await;
    opened.close().await;
    report.end();
    done?;
    match report.failures() {
        0 => Ok(()),
        failures => Err(CliError::NotIngested(failures)),
    }
}

async fn ingest(
    opened: &Local,
    local: &LocalArgs,
    found: Files,
    report: &mut Report,
    shutdown: &Shutdown,
) -> Result<(), CliError> {
    let caller = opened.caller(local).await?;
    for (path, mistake) in found.mistakes {
        report.refused(&path, "unreadable_path", &mistake);
    }
    let jobs = Jobs::open(&opened.config).await?;
    let retrieval = opened.sources.retrieval.clone();
    let documents = Documents::open(&opened.config, opened.db.clone(), jobs.clone(), retrieval)?;
    let worker = work(opened, &documents, &jobs, shutdown)?;
    let upkeep = documents.clone().watch(opened.calls.models.clone());
    let mut ingesting = Ingesting { opened, documents, owner: caller.owner(), pending: Vec::new() };
    let stopping = shutdown.stopping();
    let done = tokio::select! {
        done = ingesting.all(found.files, report) => done,
        () = stopping => Err(CliError::Interrupted),
        // It has no end.
        () = upkeep => Ok(()),
    };
    shutdown.trigger();
    if let Some(worker) = worker {
        let _ = worker.await;
    }
    jobs.close().await;
    done
}

/// Does the jobs of documents, here.
fn work(
    opened: &Local,
    documents: &Documents,
    jobs: &Jobs,
    shutdown: &Shutdown,
) -> Result<Option<JoinHandle<()>>, CliError> {
    let indexing = Indexing {
        documents: documents.clone(),
        calls: opened.calls.clone(),
        keys: opened.keys.clone(),
    };
    let settings = WorkerSettings { running_max: 1, drain: DRAIN };
    let hands = Hands { answering: None, indexing };
    let worker = jobs.work(hands, &settings, shutdown);
    worker.map_err(|error| CliError::Report(HttpError::internal(error)))
}

/// Documents on their way.
struct Ingesting<'a> {
    opened: &'a Local,
    documents: Documents,
    owner: &'a str,
    /// Those that are not ready yet, with their files.
    pending: Vec<(String, PathBuf)>,
}

impl Ingesting<'_> {
    async fn all(
        &mut self,
        files: impl IntoIterator<Item = PathBuf>,
        report: &mut Report,
    ) -> Result<(), CliError> {
        for path in files {
            let mut brought = self.bring(&path).await;
            while let Err(Refusal::TooManyProcessed(_)) = brought {
                self.wait_for_room(report).await?;
                brought = self.bring(&path).await;
            }
            match brought {
                Ok(id) => self.pending.push((id, path)),
                Err(refusal @ (Refusal::Db(_) | Refusal::Objects(_) | Refusal::Jobs(_))) => {
                    return Err(CliError::Report(refusal.into_http()));
                }
                Err(refusal) => report.refused(&path, refusal.code(), &refusal.to_string()),
            }
            self.look(report).await?;
            while self.pending.len() > AHEAD_MAX {
                sleep(INTERVAL).await;
                self.look(report).await?;
            }
        }
        while !self.pending.is_empty() {
            sleep(INTERVAL).await;
            self.look(report).await?;
        }
        Ok(())
    }

    /// Waits until some documents are ready that this has brought, or others of the key. Nothing is
    /// read again before.
    async fn wait_for_room(&mut self, report: &mut Report) -> Result<(), CliError> {
        loop {
            sleep(INTERVAL * 4).await;
            self.look(report).await?;
            match self.documents.check_processed(self.owner).await {
                Ok(()) => return Ok(()),
                Err(Refusal::TooManyProcessed(_)) => {}
                Err(refusal) => return Err(CliError::Report(refusal.into_http())),
            }
        }
    }

    /// Brings a file: its document.
    async fn bring(&self, path: &std::path::Path) -> Result<String, Refusal> {
        let unreadable = |error: std::io::Error| {
            Refusal::Request(HttpError::new(422, format!("it cannot be read: {error}")))
        };
        let mut file = FileOnDisk(tokio::fs::File::open(path).await.map_err(unreadable)?);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let incoming = Incoming {
            owner: self.owner,
            name: &name,
            media_type: None,
            purpose: Purpose::Search,
            expires_at: None,
        };
        let held = self.documents.hold(&incoming, &mut file).await?;
        let request_id = uuid::Uuid::now_v7().to_string();
        let wish = Wish::default();
        let accepted = self.documents.accept(self.owner, held, &request_id, &wish).await?;
        Ok(accepted.document_id)
    }

    /// Looks which documents are ready by now.
    async fn look(&mut self, report: &mut Report) -> Result<(), CliError> {
        if !report.is_due() {
            return Ok(());
        }
        let mut left = Vec::with_capacity(self.pending.len());
        for (number, (id, path)) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if number >= LOOKED_AT_MAX {
                left.push((id, path));
                continue;
            }
            let found = self.opened.db.document_in(self.owner, DEFAULT_COLLECTION, &id).await?;
            match found.map(|found| (found.entry.state, found.entry.error, found.entry.chunks)) {
                Some((EntryState::Processing, ..)) => left.push((id, path)),
                Some((EntryState::Ready, _, chunks)) => report.ready(&path, &id, chunks),
                Some((EntryState::Failed, error, _)) => {
                    let (code, words) = error.unwrap_or_default();
                    report.failed(&path, &id, &code, &words);
                }
                None => report.failed(&path, &id, "removed", "somebody has removed it"),
            }
        }
        self.pending = left;
        report.draw();
        Ok(())
    }
}

/// A file, piece by piece.
struct FileOnDisk(tokio::fs::File);

impl Pieces for FileOnDisk {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut self.0).take(PIECE_BYTES as u64).read_to_end(&mut piece).await;
        let read = read.map_err(|error| {
            HttpError::new(422, format!("it cannot be read: {error}")).because(error)
        })?;
        Ok((read > 0).then(|| piece.into()))
    }
}
