//! `alula jobs`: looking after jobs, straight in their database.

mod bar;
mod pace;
mod screen;
mod shown;
mod watch;

use alula_jobs::{Filter, Job, JobId, JobState, Queue, StoreError};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use self::shown::{JobInfo, lines_of, rows_of};
pub(super) use self::{
    bar::Bar,
    pace::Pace,
    screen::{Screen, columns},
    shown::span,
};
use super::{CliError, say, table, tell};
use crate::{
    config::Config,
    db::DatabaseUrl,
    services::jobs::{JobsError, open_queue},
    time::Timestamp,
};

pub(super) const EXAMPLES: &str = "\
They are in the database that DATABASE_URL names; no server need run. A job that is stopped while a
worker does it ends when that worker renews its lease, within a third of ALULA_JOBS_LEASE_SECONDS.

The exit code is 0 if all was done, 1 if a job was not there or not in a state for it, which is said,
and 2 if the command was wrong. Of `watch` it is 1 if the job did not succeed.

Examples:
  alula jobs list --status failed            what is given up, the last first
  alula jobs show job_019ac1f0a6c27d0e8f3b5a7c9d1e2f30
  alula jobs retry --failed --queue requests do it all again
  alula jobs watch                           how the queues are doing, until Ctrl-C
  alula jobs watch job_019ac1f0a6c27d0e8f3b5a7c9d1e2f30";

/// How many jobs are read at a time.
const PAGE: u32 = 100;
/// How many are listed, unless another number is asked for.
const LIST: u32 = 20;

#[derive(Debug, Args)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// List jobs, the last first. The parts of a batch are not listed, unless asked for.
    List(List),
    /// Show all that is known of a job. What it was asked and answered is shown if wanted.
    Show(Show),
    /// Do jobs again that have failed or were cancelled.
    Retry(Retry),
    /// Stop jobs that have not ended, with all their parts.
    Cancel {
        /// Which jobs.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<JobId>,
    },
    /// Watch a job or a batch to its end, or all queues.
    Watch {
        /// Which job; all queues without one.
        id: Option<JobId>,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Only jobs that are there, with commas between.
    #[arg(long, value_delimiter = ',', value_parser = state())]
    status: Vec<JobState>,
    /// Only of this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only of this owner: the id of a key, or empty for what was asked without one.
    #[arg(long, value_name = "KEY")]
    owner: Option<String>,
    /// Only the parts of this batch.
    #[arg(long, value_name = "ID")]
    parent: Option<JobId>,
    /// How many, at most.
    #[arg(long, default_value_t = LIST, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only those behind this one.
    #[arg(long, value_name = "ID")]
    after: Option<JobId>,
    /// Print JSON, a list of objects.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    /// Which job.
    id: JobId,
    /// What it was asked for as well, which may hold what people wrote.
    #[arg(long)]
    args: bool,
    /// Its result as well, which may hold what was answered.
    #[arg(long)]
    result: bool,
    /// Print JSON, one object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Retry {
    /// Which jobs.
    #[arg(required_unless_present = "failed", conflicts_with = "failed", value_name = "ID")]
    ids: Vec<JobId>,
    /// All that have failed, the first ones first, and parts of batches among them.
    #[arg(long)]
    failed: bool,
    /// Only of this queue.
    #[arg(long, requires = "failed", conflicts_with = "ids")]
    queue: Option<String>,
}

/// The name of a state.
fn state() -> impl TypedValueParser<Value = JobState> {
    let names = PossibleValuesParser::new(JobState::ALL.map(JobState::as_str));
    names.try_map(|name| {
        JobState::ALL.into_iter().find(|state| state.as_str() == name).ok_or("no state")
    })
}

/// Runs a command.
pub(super) async fn run(arguments: JobsArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    if matches!(config.database, DatabaseUrl::Memory) {
        return Err(CliError::JobsInMemory);
    }
    let queue = open_queue(&config.database).await?;
    let done = match arguments.command {
        JobsCommand::List(arguments) => list(&queue, &arguments).await,
        JobsCommand::Show(arguments) => show(&queue, &arguments).await,
        JobsCommand::Retry(arguments) if arguments.failed => {
            retry_failed(&queue, arguments.queue.as_deref()).await
        }
        JobsCommand::Retry(arguments) => retry(&queue, &arguments.ids).await,
        JobsCommand::Cancel { ids } => cancel(&queue, &ids).await,
        JobsCommand::Watch { id: Some(id) } => watch::job(&queue, id).await,
        JobsCommand::Watch { id: None } => watch::queues(&queue).await,
    };
    queue.close().await;
    done
}

async fn list(queue: &Queue, wanted: &List) -> Result<(), CliError> {
    let (mut infos, mut after, mut has_more) = (Vec::new(), wanted.after, true);
    while has_more && infos.len() < wanted.limit as usize {
        let left = wanted.limit.saturating_sub(u32::try_from(infos.len()).unwrap_or(u32::MAX));
        let filter = Filter {
            owner: wanted.owner.as_deref(),
            queue: wanted.queue.as_deref(),
            states: &wanted.status,
            parent: wanted.parent,
            after,
            limit: left.min(PAGE),
            ..Filter::default()
        };
        let page = queue.list(&filter).await?;
        has_more = page.len() == filter.limit as usize;
        after = page.last().map(|job| job.id);
        infos.extend(page.iter().map(JobInfo::brief));
    }
    if wanted.json {
        return print_json(&infos);
    }
    match infos.last() {
        None => tell("There are no such jobs."),
        Some(last) => {
            say(&table::of_texts(&rows_of(&infos, Timestamp::now())));
            if has_more {
                tell(&format!("There may be more: --after {}", last.id));
            }
        }
    }
    Ok(())
}

async fn show(queue: &Queue, wanted: &Show) -> Result<(), CliError> {
    let job = found(queue, wanted.id).await?;
    let info = JobInfo::whole(queue, &job, wanted.args, wanted.result).await?;
    match wanted.json {
        true => print_json(&info),
        false => {
            say(&lines_of(&info, &job));
            Ok(())
        }
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
    say(&text);
    Ok(())
}

async fn found(queue: &Queue, id: JobId) -> Result<Job, CliError> {
    queue.get(id).await?.ok_or_else(|| no_job(id))
}

fn no_job(id: JobId) -> CliError {
    CliError::Job(none(id))
}

fn none(id: JobId) -> String {
    format!("there is no job {id}")
}

/// What was not done. The first is the error of the command; others are told at once.
#[derive(Default)]
struct Refused(Option<String>);

impl Refused {
    fn note(&mut self, reason: String) {
        match &self.0 {
            None => self.0 = Some(reason),
            Some(_) => tell(&reason),
        }
    }

    fn end(self) -> Result<(), CliError> {
        self.0.map_or(Ok(()), |reason| Err(CliError::Job(reason)))
    }
}

/// Does those again that can be, and says of each other one why not.
async fn retry(queue: &Queue, ids: &[JobId]) -> Result<(), CliError> {
    let mut refused = Refused::default();
    for id in ids {
        match again(queue, *id).await? {
            Ok(()) => say(&format!("Queued {id} again.")),
            Err(reason) => refused.note(reason),
        }
    }
    refused.end()
}

/// Queues a job again; or else, why not.
async fn again(queue: &Queue, id: JobId) -> Result<Result<(), String>, StoreError> {
    let before = match queue.retry(id).await {
        Err(StoreError::Taken) => return Ok(Err(taken(id))),
        before => before?,
    };
    Ok(match before {
        None => Err(none(id)),
        Some(JobState::Failed | JobState::Cancelled) => Ok(()),
        // A batch begins again for those of its parts that failed, if there are any.
        Some(JobState::Succeeded) if is_under_way(queue, id).await? => Ok(()),
        Some(state) => Err(format!("{id} is {}, and not failed or cancelled", state.as_str())),
    })
}

async fn is_under_way(queue: &Queue, id: JobId) -> Result<bool, StoreError> {
    Ok(queue.summary(id).await?.is_some_and(|job| !job.state.is_final()))
}

fn taken(id: JobId) -> String {
    format!("{id}: another job of the same unique key is on its way")
}

/// Does all again that has failed, page by page. What fails again meanwhile is not tried a third
/// time.
async fn retry_failed(queue: &Queue, name: Option<&str>) -> Result<(), CliError> {
    let mut filter = Filter {
        queue: name,
        states: &[JobState::Failed],
        with_children: true,
        oldest_first: true,
        limit: PAGE,
        ..Filter::default()
    };
    let (mut queued, mut refused) = (0_u64, Refused::default());
    loop {
        let page = queue.list(&filter).await?;
        for job in &page {
            match queue.retry(job.id).await {
                Ok(Some(JobState::Failed)) => queued += 1,
                // Somebody was faster, or it was queued with the batch that it is a part of.
                Ok(_) => {}
                Err(StoreError::Taken) => refused.note(taken(job.id)),
                Err(error) => return Err(error.into()),
            }
        }
        filter.after = page.last().map(|job| job.id);
        if page.len() < PAGE as usize {
            break;
        }
        tell(&format!("{queued} so far"));
    }
    say(&format!("Queued {queued} failed jobs again."));
    refused.end()
}

/// Stops those that can be, and says of each other one why not.
async fn cancel(queue: &Queue, ids: &[JobId]) -> Result<(), CliError> {
    let mut refused = Refused::default();
    for &id in ids {
        match queue.cancel(id).await? {
            Some(JobState::Cancelled) => say(&format!("{id} was cancelled before.")),
            Some(state) if !state.is_final() => say(&format!("Cancelled {id}.")),
            Some(state) => refused.note(format!("{id} has {}", state.as_str())),
            None => refused.note(none(id)),
        }
    }
    refused.end()
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Jobs(JobsError::Store(error))
    }
}
