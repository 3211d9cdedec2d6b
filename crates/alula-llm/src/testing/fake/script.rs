//! The turns of a fake, and what has been asked of it.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use super::{
    Sent,
    api::Api,
    turn::{Place, Written},
};
use crate::testing::diff::{self, Difference};

/// How many requests are kept. All are counted.
pub(super) const REQUESTS_MAX: usize = 1024;
/// How many complaints are kept.
const COMPLAINTS_MAX: usize = 8;
/// How many differences a complaint names.
const DIFFERENCES_MAX: usize = 12;

#[derive(Debug)]
pub(super) struct Script {
    pages: Mutex<Pages>,
    /// Requests in their order. A list that could grow would move what tests hold.
    sent: Box<[OnceLock<Arc<Sent>>]>,
    requests: AtomicUsize,
    /// One permit for each request that has come, until someone has waited for it.
    asked: Semaphore,
    /// One permit for each client that left before the end of its answer.
    left: Semaphore,
}

#[derive(Debug, Default)]
struct Pages {
    turns: Vec<Written>,
    always: Option<Written>,
    complaints: Vec<String>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            pages: Mutex::default(),
            sent: (0..REQUESTS_MAX).map(|_| OnceLock::new()).collect(),
            requests: AtomicUsize::new(0),
            asked: Semaphore::new(0),
            left: Semaphore::new(0),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new turn at the end.
    pub(super) fn turn(&self) -> Place {
        let turns = &mut self.pages().turns;
        turns.push(Written::new());
        Place::Nth(turns.len() - 1)
    }

    /// The answer to requests that no turn is for.
    pub(super) fn always(&self) -> Place {
        self.pages().always = Some(Written::new());
        Place::Always
    }

    pub(super) fn write(&self, place: Place, write: impl FnOnce(&mut Written)) {
        let pages = &mut *self.pages();
        let written = match place {
            Place::Nth(index) => pages.turns.get_mut(index),
            Place::Always => pages.always.as_mut(),
        };
        written.map(write);
    }

    /// Keeps a request, unless there are too many, and returns its number.
    pub(super) fn keep(&self, sent: &Arc<Sent>) -> usize {
        let number = self.requests.fetch_add(1, Ordering::AcqRel);
        if let Some(slot) = self.sent.get(number) {
            // The number is given once, so that nobody has filled the slot.
            let _ = slot.set(Arc::clone(sent));
        }
        self.asked.add_permits(1);
        number
    }

    /// A request, by its number.
    #[track_caller]
    #[expect(clippy::panic, reason = "this fails a test")]
    pub(super) fn nth(&self, number: usize) -> &Sent {
        match self.sent.get(number).and_then(OnceLock::get) {
            Some(sent) => sent,
            None => panic!("there is no request {number}: {} came", self.requests()),
        }
    }

    pub(super) fn all_sent(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().map_while(|slot| slot.get().map(|sent| &**sent))
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    pub(super) async fn asked(&self) {
        wait(&self.asked).await;
    }

    pub(super) async fn disconnected(&self) {
        wait(&self.left).await;
    }

    pub(super) fn client_left(&self) {
        self.left.add_permits(1);
    }

    /// The turn that answers this request, which is used up by it.
    ///
    /// If there is none, the complaint about it is returned and kept.
    pub(super) fn take(&self, api: Api, sent: &Sent) -> Result<Written, String> {
        let pages = &mut *self.pages();
        let fits = |turn: &Written| turn.left > 0 && misfit(turn, api, sent).is_none();
        if let Some(turn) = pages.turns.iter_mut().find(|turn| fits(turn)) {
            turn.left -= 1;
            return Ok(turn.clone());
        }
        if let Some(always) = &pages.always
            && misfit(always, api, sent).is_none()
        {
            return Ok(always.clone());
        }
        let complaint = complaint(pages, api, sent);
        pages.complain(complaint.clone());
        Err(complaint)
    }

    /// Keeps a complaint about something else than a turn.
    pub(super) fn complain(&self, complaint: String) {
        self.pages().complain(complaint);
    }

    /// Panics unless each request had its turn, and each turn its request.
    #[track_caller]
    #[expect(clippy::panic, reason = "this fails a test")]
    pub(super) fn check(&self) {
        if let Err(complaints) = self.verdict() {
            panic!("the script of the fake was not kept\n{complaints}");
        }
    }

    fn verdict(&self) -> Result<(), String> {
        let pages = self.pages();
        let turns = pages.turns.len();
        let unused = pages.turns.iter().enumerate().filter(|(_, turn)| turn.left > 0);
        let unused = unused.map(|(index, turn)| {
            format!("turn {} of {turns} was not asked for: it {turn}", index + 1)
        });
        let found: Vec<String> = pages.complaints.iter().cloned().chain(unused).collect();
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }
}

impl Pages {
    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(complaint);
        }
    }
}

async fn wait(signal: &Semaphore) {
    // A semaphore that nobody closes gives a permit in the end.
    if let Ok(permit) = signal.acquire().await {
        permit.forget();
    }
}

/// Why a request may not have a turn.
enum Misfit {
    /// It asks for something else than the turn answers.
    Kind(&'static str),
    Body(Vec<Difference>),
}

fn misfit(turn: &Written, api: Api, sent: &Sent) -> Option<Misfit> {
    let fails = !turn.faults.is_empty() && turn.pieces.is_empty();
    let (answers, kind) = match api {
        Api::Chat(_) => (turn.is_chat(), "an answer"),
        Api::Embeddings(_) => (turn.embeddings.is_some(), "embeddings"),
        Api::CountTokens(_) => (turn.tokens.is_some(), "a count of tokens"),
    };
    if !answers && !fails {
        return Some(Misfit::Kind(kind));
    }
    let differences = diff::missing(turn.expects.as_ref()?, sent.body(), DIFFERENCES_MAX);
    (!differences.is_empty()).then_some(Misfit::Body(differences))
}

/// What to say about a request that no turn is for.
fn complaint(pages: &Pages, api: Api, sent: &Sent) -> String {
    let turns = pages.turns.iter().enumerate().filter(|(_, turn)| turn.left > 0);
    let misfits = turns.filter_map(|(index, turn)| Some((index, misfit(turn, api, sent)?)));
    let nearest = misfits.min_by_key(|(_, misfit)| match misfit {
        Misfit::Body(differences) => differences.len(),
        Misfit::Kind(_) => usize::MAX,
    });
    let turns = pages.turns.len();
    match nearest {
        None => format!("{sent}: no turn is left of {turns}; the body is {}", sent.body()),
        Some((index, Misfit::Kind(kind))) => {
            format!("{sent} asks for {kind}, which turn {} of {turns} does not give", index + 1)
        }
        Some((index, Misfit::Body(differences))) => format!(
            "{sent} is not what turn {} of {turns} expects:{}",
            index + 1,
            diff::listed(&differences)
        ),
    }
}
