use super::*;
use crate::db::{documents::ProcessedMax, testing::on_each};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn limits(now: i64, files_max: i64) -> PutLimits<'static> {
    PutLimits { now: at(now), files_max, processed: None }
}

fn store(owner: &str, id: &str) -> VectorStoreRow {
    VectorStoreRow {
        id: id.to_owned(),
        owner: owner.to_owned(),
        name: "Birds".to_owned(),
        description: None,
        metadata: "{}".to_owned(),
        created_at: at(5),
        active_at: at(5),
        expires_days: None,
    }
}

fn file(id: &str, job: &str) -> NewFileRow {
    let (file, job) = (id.to_owned(), job.to_owned());
    NewFileRow { file, attributes: "{}".to_owned(), chunking: None, job }
}

/// Documents of these names whose bytes are there, ten of each.
async fn documents(db: &Db, owner: &str, ids: impl IntoIterator<Item = String>) {
    let sql = "INSERT INTO documents (id, owner, state, name, purpose, is_shared, bytes, created_at) \
               VALUES ($1, $2, 1, 'a.md', 'assistants', 0, 10, 5)";
    let ids: Vec<String> = ids.into_iter().collect();
    let add = async || -> Result<(), DbError> {
        writing!(db, |tx| {
            for id in &ids {
                sqlx::query(sql).bind(id).bind(owner).execute(&mut *tx).await?;
            }
        });
        Ok(())
    };
    add().await.unwrap();
}

/// Notes how the job of a file has ended.
async fn end(db: &Db, file: &str, job: &str, state: i64, code: Option<&str>) {
    let sql = "UPDATE document_entries SET state = $3, error_code = $4, error = $4 \
               WHERE document = $1 AND job = $2";
    let end = async || -> Result<(), DbError> {
        writing!(db, |tx| {
            let query = sqlx::query(sql).bind(file).bind(job).bind(state).bind(code);
            query.execute(&mut *tx).await?;
        });
        Ok(())
    };
    end().await.unwrap();
}

const PART: ListPart<'static> =
    ListPart { after: None, before: None, limit: 9, is_ascending: true };

async fn files(db: &Db, part: ListPart<'_>) -> Result<String, DbError> {
    let rows = db.vector_store_files(("ada", "s"), None, None, part).await?;
    Ok(rows.iter().map(|row| row.file.as_str()).collect())
}

async fn counts(db: &Db) -> Result<FileCounts, DbError> {
    Ok(db.vector_store_counts(&["s", "t"]).await?.remove("s").unwrap_or_default())
}

#[test]
fn one_more_tells_whether_there_are_more() {
    let cut = |part: ListPart<'_>, rows: &str| {
        let mut rows = rows.chars().collect();
        let has_more = ListPart { limit: 2, ..part }.cut(&mut rows);
        (rows.into_iter().collect::<String>(), has_more)
    };
    assert_eq!(cut(PART, "abc"), ("ab".to_owned(), true));
    assert_eq!(cut(PART, "ab"), ("ab".to_owned(), false));
    assert_eq!(cut(ListPart { before: Some("d"), ..PART }, "abc"), ("bc".to_owned(), true));
    let both = ListPart { before: Some("d"), after: Some("0"), ..PART };
    assert_eq!(cut(both, "abc"), ("ab".to_owned(), true));
}

#[tokio::test]
async fn a_store_belongs_to_its_owner_and_is_listed_both_ways() {
    on_each(async |db| {
        for id in ["s1", "s2", "s3", "s4"] {
            assert!(db.add_vector_store(&store("ada", id), 4).await?);
        }
        assert!(!db.add_vector_store(&store("ada", "s5"), 4).await?);
        assert!(db.vector_store("bob", "s1").await?.is_none());
        assert!(!db.hide_vector_store("bob", "s1", at(9)).await?);
        let ids = async |part: ListPart<'static>| -> Result<Vec<String>, DbError> {
            let rows = db.vector_stores("ada", part).await?;
            Ok(rows.into_iter().map(|row| row.id).collect())
        };
        let newest = ListPart { is_ascending: false, limit: 2, ..PART };
        assert_eq!(ids(newest).await?, ["s4", "s3"]);
        assert_eq!(ids(ListPart { after: Some("s3"), ..newest }).await?, ["s2", "s1"]);
        assert_eq!(ids(ListPart { before: Some("s1"), ..newest }).await?, ["s3", "s2"]);
        assert_eq!(ids(ListPart { before: Some("s3"), ..PART }).await?, ["s1", "s2"]);
        // A page goes on behind one that was removed.
        assert!(db.hide_vector_store("ada", "s3", at(9)).await?);
        assert_eq!(ids(ListPart { after: Some("s3"), ..newest }).await?, ["s2", "s1"]);
        assert!(db.vector_store("ada", "s3").await?.is_none());
        let hidden = db.hidden_vector_stores(9).await?;
        assert_eq!(hidden, [("ada".to_owned(), "s3".to_owned(), at(9))]);
        db.forget_vector_store("s3").await?;
        db.forget_vector_store("s4").await?;
        assert_eq!(ids(newest).await?, ["s4", "s2"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_store_that_nobody_uses_expires() {
    on_each(async |db| {
        let days = |expires_days| VectorStoreRow { expires_days, ..store("ada", "s") };
        db.add_vector_store(&days(Some(2)), 9).await?;
        let expired = async |now| -> Result<usize, DbError> {
            Ok(db.expired_vector_stores(at(now), 9).await?.len())
        };
        let due = 5 + 2 * DAY;
        assert_eq!((expired(due - 1).await?, expired(due).await?), (0, 1));
        db.use_vector_store("s", at(6)).await?;
        assert_eq!(expired(due).await?, 0);
        let never = VectorStoreChange { expires_days: Some(None), ..Default::default() };
        let changed = db.change_vector_store("ada", "s", &never, at(7)).await?.unwrap();
        assert_eq!((changed.expires_at(), &*changed.name), (None, "Birds"));
        assert_eq!(expired(i64::MAX).await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn files_are_put_into_a_store_and_listed() {
    on_each(async |db| {
        db.add_vector_store(&store("ada", "s"), 9).await?;
        documents(db, "ada", ["a", "b", "c", "d", "e"].map(str::to_owned)).await;
        documents(db, "bob", ["z".to_owned()]).await;
        let put = async |files: &[NewFileRow], now| {
            db.put_vector_store_files(("ada", "s"), files, None, limits(now, 4)).await
        };
        assert_eq!(put(&[file("b", "1"), file("a", "2")], 10).await?, Put::Done);
        assert_eq!(put(&[file("d", "3"), file("c", "4")], 20).await?, Put::Done);
        assert_eq!(put(&[file("e", "5")], 30).await?, Put::NoRoom);
        let foreign = put(&[file("b", "6"), file("z", "7")], 30).await?;
        assert_eq!(foreign, Put::NoFile("z".to_owned()));
        let his = [file("z", "8")];
        let gone = db.put_vector_store_files(("bob", "s"), &his, None, limits(9, 9)).await?;
        assert_eq!(gone, Put::NoStore);
        assert_eq!(files(db, PART).await?, "abcd");
        assert_eq!(files(db, ListPart { limit: 2, is_ascending: false, ..PART }).await?, "dc");
        assert_eq!(files(db, ListPart { after: Some("b"), ..PART }).await?, "cd");
        assert_eq!(files(db, ListPart { before: Some("d"), limit: 2, ..PART }).await?, "bc");
        // All that was put there goes with the store.
        assert!(db.hide_vector_store("ada", "s", at(40)).await?);
        assert_eq!(files(db, PART).await?, "");
        assert_eq!(put(&[file("a", "9")], 50).await?, Put::NoStore);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_put_there_again_begins_anew() {
    on_each(async |db| {
        db.add_vector_store(&store("ada", "s"), 9).await?;
        documents(db, "ada", ["a".to_owned()]).await;
        let put = async |file: NewFileRow| {
            db.put_vector_store_files(("ada", "s"), &[file], None, limits(10, 9)).await
        };
        put(file("a", "old")).await?;
        end(db, "a", "old", 2, Some("damaged")).await;
        let row = db.vector_store_file("s", "a").await?.unwrap();
        assert_eq!((row.state, row.error.unwrap().0), (FileState::Failed, "damaged".to_owned()));
        put(NewFileRow { attributes: r#"{"n":1}"#.to_owned(), ..file("a", "new") }).await?;
        let row = db.vector_store_file("s", "a").await?.unwrap();
        assert_eq!((row.state, row.error, &*row.job), (FileState::InProgress, None, "new"));
        assert_eq!(row.attributes, r#"{"n":1}"#);
        end(db, "a", "new", 1, None).await;
        let one = FileCounts { completed: 1, usage_bytes: 10, ..Default::default() };
        assert_eq!(counts(db).await?, one);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_found_keeps_what_it_has_until_it_is_found_anew() {
    on_each(async |db| {
        db.add_vector_store(&store("ada", "s"), 9).await?;
        documents(db, "ada", ["a".to_owned()]).await;
        let put = async |job: &str, attributes: &str| {
            let chunking = Some(format!("[{attributes}]"));
            let file = NewFileRow { attributes: attributes.to_owned(), chunking, ..file("a", job) };
            let limits = limits(10, 9);
            db.put_vector_store_files(("ada", "s"), &[file], Some(job), limits).await
        };
        let shown = async || -> Result<(FileState, String, String), DbError> {
            let row = db.vector_store_file("s", "a").await?.unwrap();
            Ok((row.state, row.attributes, row.chunking.unwrap()))
        };
        let is = |state, text: &str| (state, text.to_owned(), format!("[{text}]"));
        put("j1", "1").await?;
        assert!(db.document_is_ready("s", "a", "j1", (1, 0)).await?);
        assert_eq!(shown().await?, is(FileState::Completed, "1"));
        // On its way it is shown as it shall be.
        put("j2", "2").await?;
        assert_eq!(shown().await?, is(FileState::InProgress, "2"));
        let step = db.document_step("ada", "s", "a", "j2").await?.unwrap().entry;
        assert_eq!((step.wanted(), &*step.attributes), (("2", Some("[2]")), "1"));
        db.document_has_failed("s", "a", "j2", ("code", "words")).await?;
        assert_eq!(shown().await?, is(FileState::Completed, "1"));
        // Nor does one that is cancelled change it, or leave something behind.
        put("j3", "3").await?;
        let (document, job) = ("a".to_owned(), "j3".to_owned());
        let cancelled = Cancelled { document, job, is_found: true };
        assert_eq!(db.cancel_vector_store_batch("s", "j3", at(13)).await?, [cancelled]);
        assert_eq!(shown().await?, is(FileState::Completed, "1"));
        let found = db.document_in("ada", "s", "a").await?.unwrap().entry;
        assert_eq!((found.wanted().0, found.is_live), ("1", true));
        put("j4", "4").await?;
        assert!(db.document_is_ready("s", "a", "j4", (1, 0)).await?);
        assert_eq!(shown().await?, is(FileState::Completed, "4"));
        // What is changed meanwhile counts in the end.
        put("j5", "5").await?;
        let change = crate::db::documents::Change { attributes: Some("6"), is_archived: None };
        assert!(db.change_document("ada", "s", "a", &change).await?);
        db.document_has_failed("s", "a", "j5", ("code", "words")).await?;
        assert_eq!(shown().await?.1, "6");
        assert!(db.document_is_ready("s", "a", "j5", (1, 0)).await?);
        assert_eq!(shown().await?, (FileState::Completed, "6".to_owned(), "[5]".to_owned()));
        Ok(())
    })
    .await;
}

/// Into different stores, which do not wait for each other.
#[tokio::test]
async fn what_comes_at_once_is_held_to_the_limit_of_its_owner() {
    on_each(async |db| {
        let names: Vec<String> = (0..6).map(|number| format!("s{number}")).collect();
        for name in &names {
            db.add_vector_store(&store("ada", name), 9).await?;
        }
        documents(db, "ada", (0..3).map(|number| format!("f{number}"))).await;
        let files: Vec<_> = (0..3).map(|number| file(&format!("f{number}"), "j")).collect();
        let processed = Some(ProcessedMax { owner: "ada", max: 7 });
        let limits = PutLimits { processed, ..limits(10, 9) };
        let put =
            async |name: &str| db.put_vector_store_files(("ada", name), &files, None, limits).await;
        let all = futures_util::future::try_join_all(names.iter().map(|name| put(name))).await?;
        assert_eq!(all.iter().filter(|it| **it == Put::Done).count(), 2, "{all:?}");
        assert_eq!(db.documents_processed("ada").await?, 6);
        // What is processed already is no more than it was.
        let taken = all.iter().position(|it| *it == Put::Done).unwrap();
        assert_eq!(put(&names[taken]).await?, Put::Done);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_batch_knows_its_files_and_is_cancelled_as_one() {
    on_each(async |db| {
        db.add_vector_store(&store("ada", "s"), 9).await?;
        // More than one statement adds.
        let names = (0..1200).map(|n| format!("f{n:04}"));
        documents(db, "ada", names.clone().chain(["x".to_owned()])).await;
        let many: Vec<_> = names.map(|name| file(&name, "j")).collect();
        let here = ("ada", "s");
        db.put_vector_store_files(here, &many, Some("b"), limits(10, 2000)).await?;
        db.put_vector_store_files(here, &[file("x", "k")], None, limits(10, 2000)).await?;
        end(db, "f0000", "j", 1, None).await;
        end(db, "f0001", "j", 1, None).await;
        end(db, "f0002", "j", 2, Some("damaged")).await;
        let batch = db.vector_store_batch("s", "b").await?.unwrap();
        let expected = FileCounts {
            in_progress: 1197,
            completed: 2,
            failed: 1,
            usage_bytes: 20,
            ..Default::default()
        };
        assert_eq!((batch.counts, batch.is_cancelled), (expected, false));
        let completed = Some(FileState::Completed);
        let listed = db.vector_store_files(here, Some("b"), completed, PART).await?;
        assert_eq!(listed.len(), 2);
        assert_eq!(db.cancel_vector_store_batch("s", "b", at(13)).await?.len(), 1197);
        let batch = db.vector_store_batch("s", "b").await?.unwrap();
        let expected = FileCounts { in_progress: 0, cancelled: 1197, ..expected };
        assert_eq!((batch.counts, batch.is_cancelled), (expected, true));
        assert_eq!(counts(db).await?.in_progress, 1);
        assert!(db.vector_store_batch("t", "b").await?.is_none());
        Ok(())
    })
    .await;
}
