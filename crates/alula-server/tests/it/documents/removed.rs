//! Documents that cannot be removed at once.

use serde_json::{Value, json};

use super::{behind_its_back, count_objects, over};
use crate::{keyed::until, process::Alula};

/// A server over a document about this, its database, and where the document is.
async fn about(word: &str, folder: &std::path::Path) -> (Alula, String, String) {
    let database = format!("sqlite://{}", folder.join("alula.db").display());
    let alula = over(&database, folder).listen();
    let accepted = alula.upload("a.txt", format!("A {word} sings.")).await.is(202);
    let id = alula.ready(&accepted).await;
    assert_eq!(alula.finds(word).await, [&*id]);
    (alula, database, format!("/documents/{id}"))
}

/// The document is not noted as one that is removed.
#[tokio::test]
async fn what_is_not_removed_is_still_found() {
    let folder = tempfile::tempdir().unwrap();
    let (alula, database, url) = about("serin", folder.path()).await;
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON documents WHEN NEW.state = 2 \
                  BEGIN SELECT RAISE(ABORT, 'not now'); END";
    behind_its_back(&database, refuse).await;
    assert!(alula.delete(&url).await.status >= 500);
    assert_eq!(alula.get(&url).await.is(200)["status"], "ready");
    assert_eq!(alula.finds("serin").await.len(), 1);
    behind_its_back(&database, "DROP TRIGGER refuse").await;
    assert_eq!(alula.delete(&url).await.status, 204);
    assert_eq!(alula.finds("serin").await, [""; 0]);
}

/// Its chunks are not.
#[tokio::test]
async fn what_is_still_found_is_not_said_to_be_gone_and_goes_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (alula, database, url) = about("siskin", folder.path()).await;
    let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON rag_entries \
                  BEGIN SELECT RAISE(ABORT, 'not now'); END";
    for word in ["siskin", "twite"] {
        let id = match word {
            "siskin" => url.clone(),
            _ => {
                let accepted = alula.upload("b.txt", "A twite sings.").await.is(202);
                format!("/documents/{}", alula.ready(&accepted).await)
            }
        };
        behind_its_back(&database, refuse).await;
        for _ in 0..2 {
            assert!(alula.delete(&id).await.status >= 500);
            assert_eq!(alula.get(&id).await.status, 404);
            assert_eq!(alula.get("/documents").await.is(200)["documents"], json!([]));
        }
        assert_eq!(alula.finds(word).await.len(), 1);
        behind_its_back(&database, "DROP TRIGGER refuse").await;
        match word {
            // Whoever asks once more is told when it is gone.
            "siskin" => assert_eq!(alula.delete(&id).await.status, 204),
            // Or nobody asks.
            _ => drop(behind_its_back(&database, "UPDATE documents SET due_at = 1").await),
        }
        until("nobody finds it", async || alula.finds(word).await == [""; 0]).await;
        assert_eq!(alula.delete(&id).await.status, 404);
    }
    until("nothing is left of it", async || count_objects(folder.path()) == 0).await;
}

/// It is taken out of a vector store, but for its row.
#[tokio::test]
async fn what_is_found_no_more_in_a_store_is_not_completed_there() {
    let folder = tempfile::tempdir().unwrap();
    let (alula, database, url) = about("redpoll", folder.path()).await;
    let id = url.trim_start_matches("/documents/").to_owned();
    let store = alula.post("/v1/vector_stores", &json!({"file_ids": [id]})).await.is(200);
    let here = format!("/v1/vector_stores/{}", store["id"].as_str().unwrap());
    let file = format!("{here}/files/{id}");
    let status = async || -> Value { alula.get(&file).await.is(200)["status"].take() };
    until("it is found there", async || status().await == "completed").await;
    let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON document_entries \
                  BEGIN SELECT RAISE(ABORT, 'not now'); END";
    behind_its_back(&database, refuse).await;
    assert!(alula.delete(&file).await.status >= 500);
    let found = alula.post(&format!("{here}/search"), &json!({"query": "redpoll"})).await.is(200);
    assert_eq!((&found["data"], status().await), (&json!([]), json!("failed")));
    behind_its_back(&database, "DROP TRIGGER refuse").await;
    assert_eq!(alula.delete(&file).await.status, 200);
    assert_eq!(alula.get(&file).await.status, 404);
    // The document itself stays.
    assert_eq!(alula.finds("redpoll").await, [id]);
}
