//! What has become of jobs, against what was promised.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use alula_jobs::{Ended, Filter, Job, JobId, JobState, Queue, Timestamp};
use anyhow::{Context as _, Result};

use crate::{log, work};

const PAGE: u32 = 1_000;
/// How many of a kind of finding are told one by one.
const TOLD_MAX: usize = 5;

/// What was found. All but the first three are to be nothing.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: usize,
    /// Attempts after the first, which kills and failures have cost.
    pub(crate) repeated_attempts: usize,
    /// When the last job ended.
    pub(crate) last_end: Option<Timestamp>,
    lost: Vec<String>,
    duplicates: Vec<String>,
    repeated_steps: Vec<String>,
    wrong: Vec<String>,
    late: Vec<String>,
}

impl Tally {
    /// Compares all jobs of a store with the log of those that were acknowledged, and with what
    /// workers have noted.
    pub(crate) async fn take(
        queue: &Queue,
        acknowledged: &Path,
        noted: &Path,
        last_kill: Timestamp,
        deadline: Timestamp,
    ) -> Result<Self> {
        let jobs = all(queue).await?;
        let mut tally = Self::default();
        tally.compare(&jobs, &log::read(acknowledged)?)?;
        tally.follow(&jobs)?;
        tally.ticks(&jobs);
        tally.attempts(&log::read(noted)?)?;
        // The schedule goes on.
        let is_tick = |job: &&Job| job.step.name == work::TICK && job.created_at > last_kill;
        let jobs = || jobs.values().filter(|job| !is_tick(job));
        tally.last_end = jobs().filter_map(|job| job.finished_at).max();
        for job in jobs() {
            let id = job.id;
            match job.finished_at {
                None => tally.late.push(format!("{id} is {}", job.state.as_str())),
                Some(at) if at > deadline => {
                    let late = (at - deadline).as_secs_f64();
                    tally.late.push(format!("{id} ended {late:.1} s too late"));
                }
                Some(_) => {}
            }
        }
        Ok(tally)
    }

    /// Each that was acknowledged has succeeded, with its result.
    fn compare(&mut self, jobs: &HashMap<JobId, Job>, lines: &[Vec<String>]) -> Result<()> {
        self.acknowledged = lines.len();
        for line in lines {
            let [id, expected] = line.as_slice() else { anyhow::bail!("{line:?} is no job") };
            match jobs.get(&id.parse()?) {
                None => self.lost.push(format!("{id} is not there")),
                Some(job) if job.state != JobState::Succeeded => {
                    let error = job.error.as_deref().unwrap_or_default();
                    self.lost.push(format!("{id} is {}: {error}", job.state.as_str()));
                }
                Some(job) => {
                    let result = job.result.as_ref().map(|result| result.get());
                    if result != Some(expected) {
                        self.wrong.push(format!("{id} gave {result:?} for {expected}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// What follows an end was enqueued once, and nothing else was.
    fn follow(&mut self, jobs: &HashMap<JobId, Job>) -> Result<()> {
        let mut told: HashMap<JobId, u32> = HashMap::new();
        for job in jobs.values().filter(|job| job.step.name == work::TOLD) {
            let ended: Ended = serde_json::from_str(job.args.get())?;
            *told.entry(ended.job).or_default() += 1;
        }
        for job in jobs.values().filter(|job| job.follower.is_some()) {
            match told.remove(&job.id) {
                Some(1) => {}
                Some(times) => self.duplicates.push(format!("{} ended {times} times", job.id)),
                None => self.lost.push(format!("nothing has followed the end of {}", job.id)),
            }
        }
        self.wrong.extend(told.keys().map(|id| format!("something has followed {id} too early")));
        Ok(())
    }

    /// The schedule was due at most once in a second.
    fn ticks(&mut self, jobs: &HashMap<JobId, Job>) {
        let mut seconds = HashSet::new();
        for job in jobs.values().filter(|job| job.step.name == work::TICK) {
            let second = job.created_at.as_millis().div_euclid(1_000);
            if !seconds.insert(second) {
                self.duplicates.push(format!("the schedule was due twice in second {second}"));
            }
        }
    }

    /// No attempt was made twice, no success counted twice, and no step was done again after its
    /// success.
    fn attempts(&mut self, lines: &[Vec<String>]) -> Result<()> {
        let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
        let (mut last_firsts, mut successes) = (HashMap::new(), Vec::new());
        for line in lines {
            match line.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["begin", id, step, attempt, first] => {
                    let (attempt, first) = (attempt.parse::<u32>()?, first.parse::<u32>()?);
                    self.repeated_attempts += usize::from(attempt > 1);
                    if !begun.insert((*id, *step, attempt)) {
                        let what =
                            format!("attempt {attempt} of step {step} of {id} was made twice");
                        self.duplicates.push(what);
                    }
                    if *step == "0" {
                        let last = last_firsts.entry(id.to_owned()).or_insert(attempt);
                        *last = attempt.max(*last);
                    } else {
                        successes.push((id.to_owned(), first));
                    }
                }
                ["ended", id, step] => {
                    if !ended.insert((id.to_owned(), step.to_owned())) {
                        self.duplicates.push(format!("step {step} of {id} succeeded twice"));
                    }
                }
                ["lost", ..] => {}
                _ => anyhow::bail!("no worker has noted {line:?}"),
            }
        }
        for (id, by) in successes {
            if last_firsts.get(id).is_none_or(|last| *last != by) {
                self.repeated_steps
                    .push(format!("step 0 of {id}, after attempt {by} had succeeded"));
            }
        }
        Ok(())
    }

    /// Whether all is as was promised.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings().iter().all(|(_, found)| found.is_empty())
    }

    fn findings(&self) -> [(&'static str, &[String]); 5] {
        [
            ("acknowledged jobs lost", &self.lost),
            ("duplicate results", &self.duplicates),
            ("steps repeated after their success", &self.repeated_steps),
            ("wrong results", &self.wrong),
            ("jobs late", &self.late),
        ]
    }

    /// Prints the first findings of each kind.
    pub(crate) fn print(&self) {
        for (kind, found) in self.findings() {
            for one in found.iter().take(TOLD_MAX) {
                println!("{kind}: {one}");
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.findings().map(|(kind, found)| format!("{} {kind}", found.len()));
        f.write_str(&counts.join(", "))
    }
}

/// All jobs of a store, children and all.
pub(crate) async fn all(queue: &Queue) -> Result<HashMap<JobId, Job>> {
    let mut jobs = HashMap::new();
    let (mut after, mut parents) = (None, Vec::new());
    loop {
        let page = queue.list_whole(&Filter { after, limit: PAGE, ..Filter::default() }).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        parents.extend(page.iter().filter(|job| job.step.name == work::JOIN).map(|job| job.id));
        jobs.extend(page.into_iter().map(|job| (job.id, job)));
    }
    for parent in parents {
        let children = Filter { parent: Some(parent), limit: PAGE, ..Filter::default() };
        jobs.extend(queue.list_whole(&children).await?.into_iter().map(|job| (job.id, job)));
    }
    Ok(jobs)
}

/// Waits until every job has ended, or it is this time.
pub(crate) async fn quiet(queue: &Queue, deadline: Timestamp) -> Result<()> {
    loop {
        let counts = queue.count(&Filter::default()).await.context("the jobs cannot be counted")?;
        if counts.total() == counts.ended() || queue.time().now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
