//! `Idempotency-Key`: a request that is made again is answered again, and executed once.
//!
//! A layer around the calls puts a [`Ticket`] on a request with the header. The dependency `once`
//! claims the request in the database, when it is known who asks. What the endpoint answers the
//! layer keeps; what was kept it gives in place of the endpoint.

mod kept;
mod layer;
mod ticket;

use std::{sync::Arc, time::Duration};

use alula::Shutdown;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

pub(crate) use self::{layer::Idempotent, ticket::Ticket};
use crate::{
    db::{Claim, Db, DbError, KeptAnswer, Known},
    time::Timestamp,
};

/// How often what is too old is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// How often an answer is tried to be kept, and how long it is waited in between.
const KEEP_ATTEMPTS: u32 = 3;
const KEEP_PAUSE: Duration = Duration::from_millis(200);

/// For how long answers are kept, and how much of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdempotencySettings {
    /// For how long an answer is given again.
    pub(crate) kept: Duration,
    /// For how long a request counts as being executed of which nothing is heard.
    pub(crate) lease: Duration,
    /// The largest body of an answer that is kept.
    pub(crate) bytes_max: usize,
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self {
            kept: Duration::from_secs(24 * 3600),
            lease: Duration::from_secs(30),
            bytes_max: 1 << 20,
        }
    }
}

/// The requests with a key. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Idempotency(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    settings: IdempotencySettings,
    shutdown: Shutdown,
}

impl Idempotency {
    pub(crate) fn new(db: Db, settings: IdempotencySettings, shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner { db, settings, shutdown }))
    }

    /// Takes a request on, unless it was made before. `id` and `request` are hashes.
    pub(crate) async fn claim(
        &self,
        id: Vec<u8>,
        request: Vec<u8>,
    ) -> Result<(Claim, Known), DbError> {
        let (holder, since) = (Uuid::now_v7().to_string(), Timestamp::now());
        let mut claim = Claim { id, request, holder, since, names_job: false };
        let IdempotencySettings { lease, kept, .. } = self.0.settings;
        let known = self.0.db.claim(&claim, millis(lease), millis(kept)).await?;
        if let Known::Nothing { since } = known {
            claim.since = since;
        }
        Ok((claim, known))
    }

    /// Takes a request on whose answer leads nowhere any more. Whether nobody else has done so.
    pub(crate) async fn take_over(
        &self,
        claim: &Claim,
        answer: &KeptAnswer,
    ) -> Result<bool, DbError> {
        let IdempotencySettings { lease, kept, .. } = self.0.settings;
        self.0.db.take_over(claim, answer, millis(lease), millis(kept)).await
    }

    /// Forgets what was kept long enough, for ever.
    pub(crate) async fn sweep(self) {
        loop {
            match self.0.db.forget_answers().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "old answers are not forgotten"),
            }
            sleep(SWEEP_INTERVAL).await;
        }
    }

    /// Runs `work`, and lets the claim of its ticket count as long as that takes.
    async fn while_claimed<T>(&self, ticket: &Ticket, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            () = self.renew(ticket) => std::future::pending().await,
        }
    }

    /// Renews the claim, once there is one, for ever.
    async fn renew(&self, ticket: &Ticket) {
        let lease = self.0.settings.lease;
        let mut next = Instant::now();
        loop {
            next += lease / 3;
            sleep_until(next).await;
            let Some(claim) = ticket.claim() else { continue };
            match self.0.db.renew_claim(&claim, millis(lease)).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!("somebody else executes a request that goes on here"),
                Err(error) => tracing::warn!(%error, "an idempotency key is not renewed"),
            }
        }
    }

    /// Keeps an answer, so that it is given again; without that the request would be executed
    /// again, once its claim has run out.
    async fn keep(&self, claim: &Claim, answer: &KeptAnswer) {
        for attempt in 1..=KEEP_ATTEMPTS {
            match self.0.db.keep_answer(claim, answer).await {
                Ok(true) => return,
                Ok(false) => {
                    return tracing::warn!("somebody else has executed a request, too");
                }
                Err(error) if attempt == KEEP_ATTEMPTS => {
                    tracing::error!(
                        %error,
                        "an answer to a request with an idempotency key is not kept"
                    );
                }
                Err(_) => sleep(KEEP_PAUSE).await,
            }
        }
    }

    /// Lets whoever asks next execute the request.
    async fn give_back(&self, claim: &Claim) {
        if let Err(error) = self.0.db.give_back(claim).await {
            tracing::warn!(%error, "an idempotency key is not given back before its lease ends");
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
