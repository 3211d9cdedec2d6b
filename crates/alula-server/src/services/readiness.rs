//! Whether requests can be answered, and why not.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alula::Shutdown;
use alula_llm::BreakerState;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{sync::Mutex, time::timeout};

use super::{
    documents::{Documents, ObjectError},
    models::Models,
};
use crate::db::Db;

/// How long a part may take to answer.
const CHECK_TIME: Duration = Duration::from_secs(1);
/// How long an answer of the parts counts: however many probe, they are asked once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// How it stands with the server, or with a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// All is well.
    Healthy,
    /// Requests are answered, though not all of them, or not as well.
    Degraded,
    /// Requests go better elsewhere.
    Unhealthy,
}

/// How it stands with a part.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Check {
    /// How it stands.
    status: State,
    /// Why, if all is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Check {
    fn healthy() -> Self {
        Self { status: State::Healthy, reason: None }
    }

    fn degraded(reason: impl Into<String>) -> Self {
        Self { status: State::Degraded, reason: Some(reason.into()) }
    }

    fn unhealthy(reason: impl Into<String>) -> Self {
        Self { status: State::Unhealthy, reason: Some(reason.into()) }
    }
}

/// How it stands with everything.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// The worst of the checks.
    pub(crate) status: State,
    /// The parts.
    checks: BTreeMap<&'static str, Check>,
}

/// What looks after the parts. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    models: Models,
    documents: Documents,
    shutdown: Shutdown,
    /// What the parts said last, and when.
    known: Mutex<Option<(Instant, BTreeMap<&'static str, Check>)>>,
}

impl Health {
    pub(crate) fn new(db: Db, models: Models, documents: Documents, shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner { db, models, documents, shutdown, known: Mutex::default() }))
    }

    /// How it stands now.
    pub(crate) async fn readiness(&self) -> Readiness {
        let mut checks = self.parts().await;
        let server = match self.0.shutdown.is_stopping() {
            true => Check::unhealthy("it is shutting down"),
            false => Check::healthy(),
        };
        checks.insert("server", server);
        let worst = checks.values().map(|check| check.status).max();
        Readiness { status: worst.unwrap_or(State::Healthy), checks }
    }

    /// The parts, each asked at most once in a while. Who comes meanwhile waits for the answer.
    async fn parts(&self) -> BTreeMap<&'static str, Check> {
        let mut known = self.0.known.lock().await;
        if let Some((when, checks)) = &*known
            && when.elapsed() < FRESH
        {
            return checks.clone();
        }
        let (database, files) = tokio::join!(self.database(), self.files());
        let mut checks = BTreeMap::from([("database", database), ("files", files)]);
        checks.insert("models", self.models());
        if let Some(shared) = self.0.models.current().shared_state() {
            let check = match shared.is_away {
                true => Check::degraded("it is away: each process keeps limits for itself"),
                false => Check::healthy(),
            };
            checks.insert("redis", check);
        }
        *known = Some((Instant::now(), checks.clone()));
        checks
    }

    async fn database(&self) -> Check {
        // Whoever probes may be anybody: the cause is for the log.
        match timeout(CHECK_TIME, self.0.db.ping()).await {
            Ok(Ok(())) => Check::healthy(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database is not ready");
                Check::unhealthy("it does not answer")
            }
            Err(_) => {
                tracing::warn!(limit = ?CHECK_TIME, "the database is not ready in time");
                Check::unhealthy("it does not answer in time")
            }
        }
    }

    /// Without it documents cannot be sent; all else goes on.
    async fn files(&self) -> Check {
        match timeout(CHECK_TIME, self.0.documents.ping()).await {
            Ok(Ok(())) => Check::healthy(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store of files is not ready");
                Check::degraded(match error {
                    ObjectError::Foreign { .. } => "it is another one than that of the database",
                    ObjectError::Strange => "it has none of the files of the database",
                    _ => "it does not take files",
                })
            }
            Err(_) => Check::degraded("it does not answer in time"),
        }
    }

    /// That every model fails is no reason to send requests elsewhere, where it would be the same.
    fn models(&self) -> Check {
        let llm = self.0.models.current();
        let (mut asked, mut refused) = (0_u32, 0_u32);
        for (_, state) in llm.breakers() {
            asked += 1;
            refused += u32::from(state == BreakerState::Open);
        }
        match (asked, refused) {
            (_, 0) => Check::healthy(),
            (asked, refused) if asked == refused => {
                Check::degraded("no model that was asked answers")
            }
            (asked, refused) => Check::degraded(format!(
                "{refused} of {asked} models that were asked do not answer"
            )),
        }
    }
}
