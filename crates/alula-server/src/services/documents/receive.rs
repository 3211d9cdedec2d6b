//! Bytes on their way into the store.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use alula::{Bytes, FormPart, HttpError};
use alula_rag::{Kind, Sniffer, clean_name};
use ring::digest::{Context, SHA256};
use tokio::time::timeout;

use super::{Documents, Purpose, Refusal, names, objects::Writing};
use crate::{
    db::documents::{Arrived, NewDocument, NewEntry},
    services::metrics::count_document,
    time::Timestamp,
};

/// How long an upload waits for its turn.
const TURN: Duration = Duration::from_secs(5);
/// How long bytes are believed to arrive of which nothing is heard.
const LEASE: Duration = Duration::from_secs(60);
/// How long they wait for the rest of their request.
const WAIT: Duration = Duration::from_secs(3600);
/// How often it is said that they still do.
const SAY: Duration = Duration::from_secs(15);

/// A file that comes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) owner: &'a str,
    /// As its sender calls it.
    pub(crate) name: &'a str,
    pub(crate) media_type: Option<&'a str>,
    pub(crate) purpose: Purpose<'a>,
    /// When it is to be removed.
    pub(crate) expires_at: Option<Timestamp>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is a document of its own.
    New(String),
    /// The owner has sent the same bytes before.
    Known(String),
}

/// What the bytes of a file come from, piece by piece.
pub(crate) trait Pieces: Send {
    /// The next piece; nothing behind the last one.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, HttpError>> + Send;
}

impl Pieces for FormPart<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.chunk().await
    }
}

/// One piece that is there.
impl Pieces for Option<Bytes> {
    async fn next(&mut self) -> Result<Self, HttpError> {
        Ok(self.take())
    }
}

/// What a file is, once it is all there.
struct Whole {
    kind: Option<Kind>,
    sha256: String,
    bytes: u64,
}

/// A file whose bytes are there, and that is no document yet. One that is left like this is removed
/// after an hour.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held {
    owner: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    New {
        id: String,
        kind: &'static str,
        sha256: String,
        bytes: i64,
    },
    /// The owner has sent the same bytes before.
    Known(String),
}

impl Documents {
    /// Takes the bytes of a file: they are written, hashed, counted and looked at while they arrive.
    ///
    /// # Errors
    ///
    /// Why it is not taken. Nothing is left of it then.
    pub(crate) async fn hold(
        &self,
        incoming: &Incoming<'_>,
        pieces: &mut impl Pieces,
    ) -> Result<Held, Refusal> {
        let held = self.try_hold(incoming, pieces).await;
        count_document(match &held {
            Ok(Held { place: Place::New { .. }, .. }) => "taken",
            Ok(Held { place: Place::Known(_), .. }) => "known",
            Err(refusal) => refusal.code(),
        });
        held
    }

    async fn try_hold(
        &self,
        incoming: &Incoming<'_>,
        pieces: &mut impl Pieces,
    ) -> Result<Held, Refusal> {
        let turn = timeout(TURN, self.0.uploads.acquire()).await;
        let _turn = turn.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Busy)?;
        let sniffer = match (Sniffer::new(incoming.name, incoming.media_type), incoming.purpose) {
            (Ok(sniffer), _) => Some(sniffer),
            (Err(error), Purpose::Search) => return Err(error.into()),
            (Err(_), Purpose::File(_)) => None,
        };
        let room = self.room(incoming.owner).await?;
        let id = names::new_document();
        let new = NewDocument {
            id: &id,
            owner: incoming.owner,
            name: &clean_name(incoming.name),
            purpose: incoming.purpose.as_str(),
            is_shared: incoming.purpose == Purpose::Search,
            expires_at: incoming.expires_at,
        };
        self.0.db.document_begins(&new, after(LEASE)).await?;
        let place = self.arrive(&new, sniffer, room, pieces).await;
        if !matches!(place, Ok(Place::New { .. })) {
            self.give_up(&id).await;
        }
        Ok(Held { owner: incoming.owner.to_owned(), place: place? })
    }

    async fn arrive(
        &self,
        new: &NewDocument<'_>,
        sniffer: Option<Sniffer>,
        room: u64,
        pieces: &mut impl Pieces,
    ) -> Result<Place, Refusal> {
        let mut writing = self.0.objects.begin(&names::of_bytes(new.id)).await?;
        let whole = match self.write(new, &mut writing, sniffer, room, pieces).await {
            Ok(whole) => whole,
            Err(refusal) => {
                writing.abort().await;
                return Err(refusal);
            }
        };
        let db = &self.0.db;
        if new.is_shared
            && let Some(known) = db.document_of_bytes(new.owner, &whole.sha256).await?
        {
            let object = names::of_bytes(&known);
            if self.0.objects.has(&object).await? {
                writing.abort().await;
            } else {
                // Somebody has lost them.
                writing.finish().await?;
                let own = names::of_bytes(new.id);
                self.0.objects.copy(&own, &object).await?;
                self.0.objects.remove(&own).await?;
            }
            return Ok(Place::Known(known));
        }
        // From now on it waits for the rest of its request, and counts.
        if !db.document_goes_on(new.id, after(WAIT), whole.bytes).await? {
            writing.abort().await;
            return Err(Refusal::Removed);
        }
        if let Err(refusal) = self.check_quota(new.owner).await {
            writing.abort().await;
            return Err(refusal);
        }
        writing.finish().await?;
        Ok(Place::New {
            id: new.id.to_owned(),
            kind: whole.kind.map(kind_name).unwrap_or_default(),
            sha256: whole.sha256,
            bytes: i64::try_from(whole.bytes).unwrap_or(i64::MAX),
        })
    }

    /// Makes a document of a file. With an entry it is put into that collection at the same moment;
    /// the job of the entry is not enqueued.
    ///
    /// # Errors
    ///
    /// As [`hold`](Self::hold).
    pub(crate) async fn settle(
        &self,
        held: Held,
        entry: Option<&NewEntry<'_>>,
    ) -> Result<Received, Refusal> {
        let Held { owner, place } = held;
        let (id, kind, sha256, bytes) = match place {
            Place::Known(id) => return Ok(Received::Known(id)),
            Place::New { id, kind, sha256, bytes } => (id, kind, sha256, bytes),
        };
        let arrived = Arrived { id: &id, kind, sha256: &sha256, bytes };
        if self.0.db.document_arrived(&arrived, entry).await? {
            return Ok(Received::New(id));
        }
        // Somebody else has sent the same at the same time.
        self.0.objects.remove(&names::of_bytes(&id)).await?;
        self.give_up(&id).await;
        let known = self.0.db.document_of_bytes(&owner, &sha256).await?;
        known.map(Received::Known).ok_or(Refusal::Removed)
    }

    /// Gives a file up that shall be no document after all.
    pub(crate) async fn let_go(&self, held: Held) {
        let Place::New { id, .. } = held.place else { return };
        match self.0.objects.remove(&names::of_bytes(&id)).await {
            Ok(()) => self.give_up(&id).await,
            Err(error) => tracing::warn!(%error, document = id, "a file is removed later"),
        }
    }

    /// Forgets a file of which nothing is left. If that fails, upkeep does it.
    async fn give_up(&self, id: &str) {
        if let Err(error) = self.0.db.document_is_given_up(id).await {
            tracing::warn!(%error, document = id, "a file that is gone is still noted");
        }
    }

    async fn write(
        &self,
        new: &NewDocument<'_>,
        writing: &mut Writing,
        mut sniffer: Option<Sniffer>,
        room: u64,
        pieces: &mut impl Pieces,
    ) -> Result<Whole, Refusal> {
        let (limit, is_to_be_read) = (self.0.settings.bytes_max(), new.is_shared);
        let (mut hash, mut bytes, mut said) = (Context::new(&SHA256), 0_u64, Instant::now());
        while let Some(piece) = pieces.next().await? {
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > limit {
                return Err(Refusal::TooLarge(limit));
            }
            if bytes > room {
                let max = self.0.settings.bytes_per_key_max;
                return Err(Refusal::Quota(format!("{max} bytes of documents")));
            }
            hash.update(&piece);
            if let Some(Err(error)) = sniffer.as_mut().map(|sniffer| sniffer.push(&piece)) {
                if is_to_be_read {
                    return Err(error.into());
                }
                sniffer = None;
            }
            writing.write(piece).await?;
            if said.elapsed() > SAY {
                said = Instant::now();
                if !self.0.db.document_goes_on(new.id, after(LEASE), bytes).await? {
                    return Err(Refusal::Removed);
                }
            }
        }
        let kind = match sniffer.map(Sniffer::finish) {
            Some(Err(error)) if is_to_be_read => return Err(error.into()),
            kind => kind.and_then(Result::ok),
        };
        Ok(Whole { kind, sha256: hex(hash.finish().as_ref()), bytes })
    }

    /// Whether an owner has no more than it may have, with what has arrived by now. Of several that
    /// arrive at the same time each counts for all.
    async fn check_quota(&self, owner: &str) -> Result<(), Refusal> {
        let max = self.0.settings.bytes_per_key_max;
        let (_, bytes) = self.0.db.documents_of(owner).await?;
        match u64::try_from(bytes).unwrap_or(0) > max {
            true => Err(Refusal::Quota(format!("{max} bytes of documents"))),
            false => Ok(()),
        }
    }

    /// How many bytes an owner may add.
    async fn room(&self, owner: &str) -> Result<u64, Refusal> {
        let settings = &self.0.settings;
        let (documents, bytes) = self.0.db.documents_of(owner).await?;
        if u64::try_from(documents).unwrap_or(0) >= settings.per_key_max {
            return Err(Refusal::Quota(format!("{} documents", settings.per_key_max)));
        }
        Ok(settings.bytes_per_key_max.saturating_sub(u64::try_from(bytes).unwrap_or(0)))
    }
}

/// As a kind is kept.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    kind.extension()
}

/// The kind that is kept.
pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind_name(*kind) == name)
}

/// The moment after so much time.
pub(super) fn after(time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(Timestamp::now().as_millis().saturating_add(millis))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_kept_by_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(kind_of(kind_name(kind)), Some(kind));
        }
        assert_eq!(kind_of(""), None);
    }
}
