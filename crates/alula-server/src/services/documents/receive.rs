//! Bytes on their way into the store.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use alula::{Bytes, FormPart, HttpError};
use alula_rag::{Kind, Sniffer, clean_name};
use ring::digest::{Context, SHA256};

use super::{Documents, Purpose, Refusal, names, objects::Writing, room::Room};
use crate::{
    db::documents::{Arrived, NewDocument, NewEntry, Settled},
    services::metrics::count_document,
    time::Timestamp,
};

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

    /// Whether all of them are there, so that nobody is kept waiting by them.
    fn are_there(&self) -> bool {
        false
    }
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

    fn are_there(&self) -> bool {
        true
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
    /// The owner has sent the same bytes before, perhaps as something else.
    Known {
        id: String,
        name: String,
        kind: &'static str,
    },
}

impl Held {
    /// What the sender of known bytes calls them, and takes them for.
    pub(super) fn sent_as(&self) -> Option<(String, &'static str)> {
        match &self.place {
            Place::Known { name, kind, .. } => Some((name.clone(), kind)),
            Place::New { .. } => None,
        }
    }
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
            Ok(Held { place: Place::Known { .. }, .. }) => "known",
            Err(refusal) => refusal.code(),
        });
        held
    }

    async fn try_hold(
        &self,
        incoming: &Incoming<'_>,
        pieces: &mut impl Pieces,
    ) -> Result<Held, Refusal> {
        let are_there = pieces.are_there();
        let _turn = match are_there {
            true => None,
            false => Some(self.0.turns.take(incoming.owner).await?),
        };
        let sniffer = match (Sniffer::new(incoming.name, incoming.media_type), incoming.purpose) {
            (Ok(sniffer), _) => Some(sniffer),
            (Err(error), Purpose::Search) => return Err(error.into()),
            (Err(_), Purpose::File(_)) => None,
        };
        let (id, name) = (names::new_document(), clean_name(incoming.name));
        let new = NewDocument {
            id: &id,
            owner: incoming.owner,
            name: &name,
            purpose: incoming.purpose.as_str(),
            is_shared: incoming.purpose == Purpose::Search,
            expires_at: incoming.expires_at,
        };
        let room = self.room(&new).await?;
        if matches!(room, Room::Bytes(_)) {
            self.0.db.document_begins(&new, after(LEASE)).await?;
        }
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
        room: Room,
        pieces: &mut impl Pieces,
    ) -> Result<Place, Refusal> {
        let objects = self.objects().await?;
        let mut taking = match room {
            Room::Nothing(refusal) => Taking::Looking(refusal),
            Room::Bytes(room) => {
                let writing = objects.begin(&names::of_bytes(new.id)).await?;
                Taking::Writing { writing, room }
            }
        };
        let whole = match self.take(new, &mut taking, sniffer, pieces).await {
            Ok(whole) => whole,
            Err(refusal) => {
                taking.abort().await;
                return Err(refusal);
            }
        };
        let kind = whole.kind.map(kind_name).unwrap_or_default();
        let db = &self.0.db;
        let known = match new.is_shared {
            true => db.document_of_bytes(new.owner, &whole.sha256).await,
            false => Ok(None),
        };
        match known {
            Ok(None) => {}
            Ok(Some(id)) => {
                self.restore(new.id, &id, taking).await?;
                return Ok(Place::Known { id, name: new.name.to_owned(), kind });
            }
            Err(error) => {
                taking.abort().await;
                return Err(error.into());
            }
        }
        let writing = match taking {
            Taking::Writing { writing, .. } => writing,
            Taking::Looking(refusal) => return Err(refusal),
        };
        // From now on it waits for the rest of its request, and counts.
        let counts = async {
            match db.document_goes_on(new.id, after(WAIT), whole.bytes).await? {
                true => self.check_quota(new.owner).await,
                false => Err(Refusal::Removed),
            }
        };
        if let Err(refusal) = counts.await {
            writing.abort().await;
            return Err(refusal);
        }
        writing.finish().await?;
        Ok(Place::New {
            id: new.id.to_owned(),
            kind,
            sha256: whole.sha256,
            bytes: i64::try_from(whole.bytes).unwrap_or(i64::MAX),
        })
    }

    /// Gives the bytes up that came as those of `id`, as a document has them; or to that document, if
    /// somebody has lost them, as far as they are kept.
    async fn restore(&self, id: &str, known: &str, taking: Taking) -> Result<(), Refusal> {
        let (objects, object) = (self.objects().await?, names::of_bytes(known));
        let is_there = objects.has(&object).await?;
        match taking {
            Taking::Writing { writing, .. } if !is_there => {
                writing.finish().await?;
                let own = names::of_bytes(id);
                objects.copy(&own, &object).await?;
                objects.remove(&own).await?;
            }
            Taking::Looking(refusal) if !is_there => return Err(refusal),
            taking => taking.abort().await,
        }
        Ok(())
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
            Place::Known { id, .. } => return Ok(Received::Known(id)),
            Place::New { id, kind, sha256, bytes } => (id, kind, sha256, bytes),
        };
        let arrived = Arrived { id: &id, kind, sha256: &sha256, bytes };
        let settled = self.0.db.document_arrived(&arrived, entry).await?;
        if settled == Settled::Done {
            return Ok(Received::New(id));
        }
        self.objects().await?.remove(&names::of_bytes(&id)).await?;
        self.give_up(&id).await;
        if settled == Settled::NoRoom {
            // Others have come since it began to arrive.
            return Err(self.too_many_processed());
        }
        // Somebody else has sent the same at the same time.
        let known = self.0.db.document_of_bytes(&owner, &sha256).await?;
        known.map(Received::Known).ok_or(Refusal::Removed)
    }

    /// Gives a file up that shall be no document after all.
    pub(crate) async fn let_go(&self, held: Held) {
        let Place::New { id, .. } = held.place else { return };
        let removed = async { self.objects().await?.remove(&names::of_bytes(&id)).await };
        match removed.await {
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

    async fn take(
        &self,
        new: &NewDocument<'_>,
        taking: &mut Taking,
        mut sniffer: Option<Sniffer>,
        pieces: &mut impl Pieces,
    ) -> Result<Whole, Refusal> {
        let (limit, is_to_be_read) = (self.0.settings.bytes_max(), new.is_shared);
        let (mut hash, mut bytes, mut said) = (Context::new(&SHA256), 0_u64, Instant::now());
        let begun = Instant::now();
        while let Some(piece) = pieces.next().await? {
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > limit {
                return Err(Refusal::TooLarge(limit));
            }
            self.check_pace(bytes, begun)?;
            hash.update(&piece);
            if let Some(Err(error)) = sniffer.as_mut().map(|sniffer| sniffer.push(&piece)) {
                if is_to_be_read {
                    return Err(error.into());
                }
                sniffer = None;
            }
            if taking.has_no_room(bytes) {
                let refusal = self.too_many_bytes();
                if !is_to_be_read {
                    return Err(refusal);
                }
                std::mem::replace(taking, Taking::Looking(refusal)).abort().await;
            }
            let Taking::Writing { writing, .. } = taking else { continue };
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
}

/// What is done with the bytes of a file that arrive.
enum Taking {
    /// They are written, so many at most.
    Writing { writing: Writing, room: u64 },
    /// They are only looked at, as they may be known; if they are not, this is why they are refused.
    Looking(Refusal),
}

impl Taking {
    fn has_no_room(&self, bytes: u64) -> bool {
        matches!(self, Self::Writing { room, .. } if bytes > *room)
    }

    async fn abort(self) {
        if let Self::Writing { writing, .. } = self {
            writing.abort().await;
        }
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
