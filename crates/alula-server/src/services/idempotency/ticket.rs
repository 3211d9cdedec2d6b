//! What the layer and the dependency know of one request together.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use alula::http::{HeaderName, HeaderValue, Request};
use alula_jobs::{JobId, Timestamp};

use crate::db::{Claim, KeptAnswer};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is to be executed once.
#[derive(Debug, Clone)]
pub(crate) struct Ticket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Vec<HeaderValue>,
    step: Mutex<Step>,
    has_begun: AtomicBool,
}

/// How far the request has come.
#[derive(Debug)]
pub(super) enum Step {
    /// It is not known yet who asks.
    Open,
    /// It is executed here.
    Claimed(Claim),
    /// It was answered before.
    Answered(KeptAnswer),
}

impl Ticket {
    /// The ticket of a request with the header.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let headers = request.headers();
        // Most requests have none.
        headers.get(IDEMPOTENCY_KEY)?;
        let keys = headers.get_all(IDEMPOTENCY_KEY).iter().cloned().collect();
        let (step, has_begun) = (Mutex::new(Step::Open), AtomicBool::new(false));
        Some(Self(Arc::new(Inner { keys, step, has_begun })))
    }

    /// The ticket of what goes on after the head of its answer.
    pub(super) fn claimed(claim: Claim) -> Self {
        let (step, has_begun) = (Mutex::new(Step::Claimed(claim)), AtomicBool::new(true));
        Self(Arc::new(Inner { keys: Vec::new(), step, has_begun }))
    }

    /// What the header says, if it is said once.
    pub(crate) fn key(&self) -> Option<&HeaderValue> {
        match &*self.0.keys {
            [key] => Some(key),
            _ => None,
        }
    }

    /// The request is executed here.
    pub(crate) fn is_claimed(&self, claim: Claim) {
        *self.step() = Step::Claimed(claim);
    }

    /// The request was answered before.
    pub(crate) fn is_answered(&self, answer: KeptAnswer) {
        *self.step() = Step::Answered(answer);
    }

    /// A provider is asked from now on, and what comes of it is an answer.
    pub(crate) fn begins(&self) {
        self.0.has_begun.store(true, Relaxed);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.has_begun.load(Relaxed)
    }

    /// The name of a job that the request is kept as: always the same.
    pub(crate) fn job_id(&self) -> Option<JobId> {
        let Step::Claimed(claim) = &mut *self.step() else { return None };
        claim.names_job = true;
        let at = Timestamp::from_millis(claim.since.as_millis());
        Some(JobId::derived(at, &[&claim.id[..], &claim.request].concat()))
    }

    pub(super) fn claim(&self) -> Option<Claim> {
        match &*self.step() {
            Step::Claimed(claim) => Some(claim.clone()),
            Step::Open | Step::Answered(_) => None,
        }
    }

    /// How far the request has come, for whoever ends it.
    pub(super) fn take(&self) -> Step {
        std::mem::replace(&mut *self.step(), Step::Open)
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.0.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
