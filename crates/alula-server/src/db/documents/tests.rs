//! What is kept of documents, in each database.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{
    Arrived, Change, Entered, EntryState, NewDocument, NewEntry, ProcessedMax, Restarted, SentAs,
    Settled,
    processed::{HOLD_OWNER, OWNERS},
};
use crate::{
    db::{Db, DbError, Pools, reading, testing::on_each, writing},
    time::Timestamp,
};

const LATER: Timestamp = Timestamp::from_millis(i64::MAX / 2);

fn new<'a>(owner: &'a str, id: &'a str) -> NewDocument<'a> {
    let (name, purpose, expires_at) = ("a.txt", "", None);
    NewDocument { id, owner, name, purpose, is_shared: true, expires_at }
}

fn arrived<'a>(id: &'a str, sha256: &'a str) -> Arrived<'a> {
    Arrived { id, kind: "txt", sha256, bytes: 7 }
}

fn entry<'a>(job: &'a str, callback: Option<(&'a str, &'a str)>) -> NewEntry<'a> {
    let (attributes, chunking, limit) = ("{}", None, None);
    NewEntry { collection: "default", job, attributes, chunking, callback, limit }
}

/// A document that is processed by this job.
async fn put(db: &Db, owner: &str, id: &str, job: &str) -> Result<(), DbError> {
    db.document_begins(&new(owner, id), LATER).await?;
    let settled = db.document_arrived(&arrived(id, id), Some(&entry(job, None))).await?;
    assert_eq!(settled, Settled::Done);
    Ok(())
}

async fn state(db: &Db, owner: &str, id: &str) -> Result<Option<EntryState>, DbError> {
    Ok(db.document_in(owner, "default", id).await?.map(|found| found.entry.state))
}

#[tokio::test]
async fn a_document_belongs_to_its_owner() {
    on_each(async |db| {
        put(db, "ada", "d1", "j1").await?;
        assert!(db.document("bob", "d1").await?.is_none());
        assert!(db.document_in("bob", "default", "d1").await?.is_none());
        assert!(db.documents_in("bob", "default", None, None, 9).await?.is_empty());
        assert!(!db.change_document("bob", "default", "d1", &Change::default()).await?);
        assert!(db.remove_document("bob", "d1", Timestamp::now()).await?.is_none());
        assert!(!db.take_document_out("bob", "default", "d1").await?);
        assert_eq!(db.enter_document("bob", "d1", &entry("j2", None), None).await?, Entered::Gone);
        assert_eq!(db.documents_of("bob").await?, (0, 0));
        assert_eq!(db.documents_of("ada").await?, (1, 7));
        let found = db.document_in("ada", "default", "d1").await?.unwrap();
        assert_eq!((&*found.document.sha256, &*found.entry.job), ("d1", "j1"));
        assert_eq!(found.entry.state, EntryState::Processing);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn of_the_same_bytes_at_once_one_stays() {
    on_each(async |db| {
        let ids: Vec<String> = (0..8).map(|number| format!("d{number}")).collect();
        for id in &ids {
            db.document_begins(&new("ada", id), LATER).await?;
        }
        let entries: Vec<_> = ids.iter().map(|id| entry(id, None)).collect();
        let all: Vec<_> = ids.iter().map(|id| arrived(id, "same")).collect();
        let taken = try_join_all(
            all.iter()
                .zip(&entries)
                .map(|(arrived, entry)| db.document_arrived(arrived, Some(entry))),
        );
        let taken = taken.await?;
        assert_eq!(taken.iter().filter(|taken| **taken == Settled::Done).count(), 1, "{taken:?}");
        let stays = db.document_of_bytes("ada", "same").await?.unwrap();
        let position = ids.iter().position(|id| *id == stays).unwrap();
        assert_eq!(taken[position], Settled::Done);
        assert_eq!(db.documents_in("ada", "default", None, None, 9).await?.len(), 1);
        // Another owner has one of its own.
        db.document_begins(&new("bob", "other"), LATER).await?;
        let settled = db.document_arrived(&arrived("other", "same"), None).await?;
        assert_eq!(settled, Settled::Done);
        assert_eq!(db.document_of_bytes("bob", "same").await?.as_deref(), Some("other"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_later_joins_the_job_or_finds_its_end() {
    on_each(async |db| {
        put(db, "ada", "d1", "j1").await?;
        let join = async |job: &str, callback: &str| {
            let callback = Some((callback, "https://a.example"));
            db.enter_document("ada", "d1", &entry(job, callback), None).await
        };
        assert_eq!(join("j2", "c2").await?, Entered::Runs("j1".to_owned()));
        assert_eq!(db.document_callbacks("j1").await?.len(), 1);
        assert!(db.document_callbacks("j2").await?.is_empty());
        assert!(db.document_is_ready("default", "d1", "j1", (3, 2)).await?);
        assert_eq!(join("j3", "c3").await?, Entered::Ready("j1".to_owned()));
        db.forget_document_callbacks(&["j1-c2".to_owned()]).await?;
        assert!(db.document_callbacks("j1").await?.is_empty());
        // What has failed begins anew.
        put(db, "ada", "d2", "j4").await?;
        db.document_has_failed("default", "d2", "j4", ("code", "words")).await?;
        let failed = db.document_in("ada", "default", "d2").await?.unwrap();
        let error = failed.entry.error.unwrap();
        assert_eq!((&*error.0, &*error.1), ("code", "words"));
        let wish = NewEntry { attributes: r#"{"a":1}"#, ..entry("j5", Some(("c5", "u"))) };
        let sent_as = Some(SentAs { name: "b.md", kind: "md" });
        assert_eq!(db.enter_document("ada", "d2", &wish, sent_as).await?, Entered::Begun);
        assert_eq!(db.document_callbacks("j5").await?, [("j5-c5".to_owned(), "u".to_owned())]);
        let found = db.document_in("ada", "default", "d2").await?.unwrap();
        assert_eq!((&*found.document.name, &*found.document.kind), ("b.md", "md"));
        assert_eq!((found.document.generation, &*found.entry.attributes), (2, r#"{"a":1}"#));
        // Who waits for the end of the job before waits for that of the next one.
        db.document_has_failed("default", "d2", "j5", ("code", "words")).await?;
        let restarted = db.restart_document(("default", "d2"), ("j5", "j6"), false, None).await?;
        assert_eq!(restarted, Restarted::Done);
        assert_eq!(db.document_callbacks("j6").await?, [("j6-c5".to_owned(), "u".to_owned())]);
        assert_eq!(state(db, "ada", "d2").await?, Some(EntryState::Processing));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn only_the_last_job_of_a_document_counts() {
    on_each(async |db| {
        put(db, "ada", "d1", "j1").await?;
        let step = async |job: &str| db.document_step("ada", "default", "d1", job).await;
        assert!(step("j1").await?.is_some());
        let restart = async |was: &str, job: &str, is_anew| {
            let restarted = db.restart_document(("default", "d1"), (was, job), is_anew, None).await;
            restarted.map(|restarted| restarted == Restarted::Done)
        };
        // A job is at it.
        assert!(!restart("j1", "j2", true).await?);
        assert!(db.document_is_ready("default", "d1", "j1", (1, 0)).await?);
        // It has not failed.
        assert!(!restart("j1", "j2", false).await?);
        assert!(restart("j1", "j2", true).await?);
        assert!(!restart("j1", "j3", true).await?);
        assert!(step("j1").await?.is_none());
        assert_eq!(step("j2").await?.unwrap().document.generation, 2);
        db.document_has_chunks("default", "d1", "j2", 9).await?;
        assert!(!db.document_is_ready("default", "d1", "j1", (1, 0)).await?);
        db.document_has_failed("default", "d1", "j1", ("x", "x")).await?;
        assert_eq!(state(db, "ada", "d1").await?, Some(EntryState::Processing));
        // The first reason stays.
        db.document_fails("default", "d1", "j2", ("first", "f")).await?;
        db.document_has_failed("default", "d1", "j2", ("second", "s")).await?;
        let (state, error) = db.document_outcome("default", "d1").await?.unwrap();
        // It is found as it was before.
        assert_eq!((state, error.unwrap().0.as_str()), (EntryState::Ready, "first"));
        assert_eq!(db.document_in("ada", "default", "d1").await?.unwrap().entry.chunks, 1);
        // The job goes on once more.
        assert!(step("j2").await?.unwrap().entry.error.is_none());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pages_go_on_behind_one_that_is_gone() {
    on_each(async |db| {
        for id in ["d1", "d2", "d3", "d4"] {
            put(db, "ada", id, id).await?;
        }
        db.document_is_ready("default", "d3", "d3", (1, 0)).await?;
        let page = async |state, before| -> Result<Vec<String>, DbError> {
            let found = db.documents_in("ada", "default", state, before, 2).await?;
            Ok(found.into_iter().map(|found| found.document.id).collect())
        };
        assert_eq!(page(None, None).await?, ["d4", "d3"]);
        assert_eq!(db.remove_document("ada", "d3", Timestamp::now()).await?, Some(1));
        assert_eq!(page(None, Some("d3")).await?, ["d2", "d1"]);
        assert_eq!(page(Some(EntryState::Ready), None).await?, Vec::<String>::new());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_removed_is_known_until_nothing_is_left_of_it() {
    on_each(async |db| {
        let now = Timestamp::now();
        put(db, "ada", "d1", "j1").await?;
        db.document_begins(&new("ada", "d2"), now).await?;
        db.document_begins(&new("ada", "d3"), LATER).await?;
        assert!(db.document_places("ada", "d1").await?.is_empty());
        db.remove_document("ada", "d1", Timestamp::now()).await?;
        // Nobody begins it anew.
        let again = db.restart_document(("default", "d1"), ("j1", "j2"), true, None).await?;
        assert_eq!(again, Restarted::TooLate);
        assert!(db.document("ada", "d1").await?.is_none());
        assert!(db.document_step("ada", "default", "d1", "j1").await?.is_none());
        assert_eq!(db.document_of_bytes("ada", "d1").await?, None);
        let due = db.due_documents(9).await?;
        let ids: Vec<_> = due.iter().map(|due| due.id.as_str()).collect();
        assert_eq!(ids.len(), 2, "{due:?}");
        assert!(db.document_places("bob", "d1").await?.is_empty());
        assert_eq!(
            db.document_places("ada", "d1").await?,
            [("default".to_owned(), "j1".to_owned())]
        );
        for id in ids {
            assert_eq!(db.claim_document(id, LATER).await?, Some(1));
            // Nobody else takes it now.
            assert_eq!(db.claim_document(id, LATER).await?, None);
            db.forget_document(id).await?;
        }
        assert_eq!(db.claim_document("d3", LATER).await?, None);
        assert!(db.due_documents(9).await?.is_empty());
        // It still arrives.
        assert!(db.document_goes_on("d3", LATER, 1).await?);
        assert!(!db.document_goes_on("d2", LATER, 1).await?);
        assert_eq!(db.document_arrived(&arrived("d2", "x"), None).await?, Settled::Gone);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn each_silent_document_is_asked_after_once_in_a_while() {
    on_each(async |db| {
        put(db, "ada", "d1", "j1").await?;
        put(db, "ada", "d2", "j2").await?;
        db.document_is_ready("default", "d2", "j2", (1, 0)).await?;
        let soon = Timestamp::from_millis(Timestamp::now().as_millis() + 1);
        let silent = db.silent_documents(soon, 9).await?;
        let of_d1 = ("ada".to_owned(), "default".to_owned(), "d1".to_owned(), "j1".to_owned());
        assert_eq!(silent, [of_d1]);
        let before = Timestamp::from_millis(soon.as_millis() - 1_000);
        assert!(db.silent_documents(before, 9).await?.is_empty());
        // So is each that has vectors of another model.
        const HOUR: i64 = 3_600_000;
        let may = async || db.may_embed_document("ada", "default", "d2", HOUR).await;
        assert!(may().await?);
        assert!(!may().await?);
        // Each try in vain makes the next one wait longer, up to a day.
        for hours in [2, 4, 8, 16, 24, 24] {
            let now = Timestamp::now().as_millis();
            let begin = "UPDATE document_entries SET embed_after = 0";
            let wait = "SELECT embed_after FROM document_entries WHERE document = 'd2'";
            writing!(db, |tx| {
                sqlx::query(begin).execute(&mut *tx).await?;
            });
            assert!(may().await?);
            let (after,): (i64,) =
                reading!(db, |pool| sqlx::query_as(wait).fetch_one(pool).await?);
            let more = after - now - hours * HOUR;
            assert!((0..HOUR).contains(&more), "{hours}: {more}");
        }
        db.document_is_embedded("ada", "default", "d2", 1).await?;
        assert!(may().await?);
        assert!(!db.may_embed_document("ada", "default", "d1", HOUR).await?);
        assert_eq!(db.documents_processed("ada").await?, 1);
        assert_eq!(db.documents_processed("bob").await?, 0);
        db.remove_document("ada", "d1", Timestamp::now()).await?;
        assert_eq!(db.documents_processed("ada").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_found_by_a_job_that_was_replaced_is_found() {
    on_each(async |db| {
        put(db, "ada", "d1", "j1").await?;
        assert!(db.give_document(("default", "d1"), ("j1", "j2")).await?);
        // It has published at the same moment.
        assert!(!db.document_is_ready("default", "d1", "j1", (1, 0)).await?);
        db.document_has_failed("default", "d1", "j2", ("code", "words")).await?;
        let entry = db.document_in("ada", "default", "d1").await?.unwrap().entry;
        assert_eq!((entry.state, entry.is_live), (EntryState::Ready, true));
        // One that is being taken out is not.
        put(db, "ada", "d2", "j3").await?;
        db.stop_document("ada", "default", "d2", "j3").await?;
        assert!(!db.document_is_ready("default", "d2", "j3", (1, 0)).await?);
        let entry = db.document_in("ada", "default", "d2").await?.unwrap().entry;
        assert_eq!((entry.state, entry.is_live), (EntryState::Failed, false));
        // Nor is one taken out that was put there again meanwhile.
        let limit = None;
        let at = ("default", "d2");
        assert_eq!(db.restart_document(at, ("", "j4"), false, limit).await?, Restarted::Done);
        assert!(!db.take_document_out("ada", "default", "d2").await?);
        db.stop_document("ada", "default", "d2", "j4").await?;
        assert!(db.take_document_out("ada", "default", "d2").await?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_database_has_one_store_of_objects() {
    on_each(async |db| {
        assert_eq!(db.storage().await?, None);
        let all = ["a", "b", "c"].map(|id| db.adopt_storage(id, None));
        let adopted = try_join_all(all).await?;
        assert!(adopted.iter().all(|id| *id == adopted[0]), "{adopted:?}");
        assert_eq!(db.storage().await?, Some(adopted[0].clone()));
        assert!(!db.has_documents().await?);
        for id in ["d1", "d2", "d3"] {
            put(db, "ada", id, id).await?;
        }
        assert!(db.has_documents().await?);
        assert_eq!(db.last_documents(2).await?, ["d3", "d2"]);
        Ok(())
    })
    .await;
}

/// However many come at once, by whatever way.
#[tokio::test]
async fn no_more_documents_of_an_owner_are_processed_than_may_be() {
    on_each(async |db| {
        let limit = Some(ProcessedMax { owner: "ada", max: 3 });
        let ids: Vec<String> = (0..8).map(|number| format!("d{number}")).collect();
        for id in &ids {
            db.document_begins(&new("ada", id), LATER).await?;
        }
        let entries: Vec<_> = ids.iter().map(|id| NewEntry { limit, ..entry(id, None) }).collect();
        let all: Vec<_> = ids.iter().map(|id| arrived(id, id)).collect();
        let put = all.iter().zip(&entries).map(|(it, entry)| db.document_arrived(it, Some(entry)));
        let settled = try_join_all(put).await?;
        assert_eq!(settled.iter().filter(|it| **it == Settled::Done).count(), 3, "{settled:?}");
        assert_eq!(db.documents_processed("ada").await?, 3);
        // What is refused is as it was, and comes in when there is room.
        let refused = settled.iter().position(|it| *it == Settled::NoRoom).unwrap();
        let taken = settled.iter().position(|it| *it == Settled::Done).unwrap();
        let (refused, taken) = (ids[refused].as_str(), ids[taken].as_str());
        db.document_has_failed("default", taken, taken, ("code", "words")).await?;
        let anew = NewEntry { limit, ..entry("j1", None) };
        let settled = db.document_arrived(&arrived(refused, refused), Some(&anew)).await?;
        assert_eq!(settled, Settled::Done);
        // One that has failed counts when it begins anew, and is what it was if it may not.
        let entered = db.enter_document("ada", taken, &anew, None).await?;
        assert_eq!(entered, Entered::NoRoom);
        let again = db.restart_document(("default", taken), (taken, "j2"), false, limit).await?;
        assert_eq!(again, Restarted::NoRoom);
        let found = db.document_in("ada", "default", taken).await?.unwrap().entry;
        assert_eq!((found.state, &*found.job), (EntryState::Failed, taken));
        // Others are held to nothing by that.
        put_of_bob(db).await?;
        db.remove_document("ada", refused, Timestamp::now()).await?;
        assert_eq!(db.documents_processed("ada").await?, 2);
        let entered = db.enter_document("ada", taken, &anew, None).await?;
        assert_eq!(entered, Entered::Begun);
        Ok(())
    })
    .await;
}

async fn put_of_bob(db: &Db) -> Result<(), DbError> {
    let limit = Some(ProcessedMax { owner: "bob", max: 1 });
    db.document_begins(&new("bob", "b"), LATER).await?;
    let entry = NewEntry { limit, ..entry("b", None) };
    assert_eq!(db.document_arrived(&arrived("b", "b"), Some(&entry)).await?, Settled::Done);
    Ok(())
}

/// A process that knew nothing of that has made it ready.
#[tokio::test]
async fn one_that_is_ready_stays_so_whoever_has_made_it_so() {
    on_each(async |db| {
        put(db, "ada", "d1", "j1").await?;
        let ready = "UPDATE document_entries SET state = 1";
        writing!(db, |tx| {
            sqlx::query(ready).execute(&mut *tx).await?;
        });
        db.restart_document(("default", "d1"), ("j1", "j2"), true, None).await?;
        db.document_has_failed("default", "d1", "j2", ("code", "words")).await?;
        assert_eq!(state(db, "ada", "d1").await?, Some(EntryState::Ready));
        Ok(())
    })
    .await;
}

/// Another process is at the same owner.
#[tokio::test]
async fn whoever_waits_for_the_others_of_an_owner_keeps_no_connection() {
    const ENTRIES: usize = 30;
    on_each(async |db| {
        let Pools::Postgres(pool) = db.pools() else { return Ok(()) };
        put(db, "ada", "d1", "j1").await?;
        let mut held = pool.begin().await?;
        let hold = sqlx::query(HOLD_OWNER).bind(OWNERS).bind("ada");
        hold.execute(&mut *held).await?;
        let limit = Some(ProcessedMax { owner: "ada", max: 9 });
        let entry = NewEntry { limit, ..entry("j2", None) };
        let enter = || db.enter_document("ada", "d1", &entry, None);
        let waiting = try_join_all((0..ENTRIES).map(|_| enter()));
        let others = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            for id in ["b1", "b2", "b3"] {
                put(db, "bob", id, id).await?;
            }
            Ok::<_, DbError>(held.rollback().await?)
        };
        let (waiting, others) = tokio::join!(waiting, others);
        others?;
        assert_eq!(waiting?.len(), ENTRIES);
        Ok(())
    })
    .await;
}
