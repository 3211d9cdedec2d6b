//! Files that are put into a vector store once more.

use alula_llm::testing::{FakeProvider, Fault};
use serde_json::json;

use super::{Client, alula_worker, id, idle, refused};
use crate::{
    keyed::until,
    keys::Store,
    process::{serve, serve_openai},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_has_what_it_had_until_it_is_found_anew() {
    let fake = FakeProvider::start().await;
    fake.turn().embeds([[1.0, 0.0]]);
    let store = Store::file();
    let start = serve_openai(&fake.url()).env("ALULA_EMBEDDING_MODEL", "openai/e");
    let alula = store.over(start).env("ALULA_JOBS_ATTEMPTS", "1").listen();
    let client = Client::new(&alula);
    let text: String = (0..40).map(|n| format!("The kea number {n} climbs a tree. ")).collect();
    let file = client.keep("kea.txt", &text).await;
    let vector_store = id(&client.post("/vector_stores", json!({})).await);
    let here = format!("/vector_stores/{vector_store}");
    let put = async |year: u32, tokens: u32| {
        let chunking = json!({"type": "static", "static":
            {"max_chunk_size_tokens": tokens, "chunk_overlap_tokens": 0}});
        let wanted = json!({"file_id": file, "attributes": {"year": year},
            "chunking_strategy": chunking});
        let put = client.post(&format!("{here}/files"), wanted).await;
        assert_eq!(put["attributes"], json!({"year": f64::from(year)}));
        assert_eq!(client.counts(&here).await["completed"], 1);
        let shown = client.get(&format!("{here}/files/{file}")).await;
        let tokens = &shown["chunking_strategy"]["static"]["max_chunk_size_tokens"];
        (shown["attributes"]["year"].as_f64().unwrap(), tokens.as_u64().unwrap())
    };
    let of_year = async |year: u32| {
        let filters = json!({"type": "eq", "key": "year", "value": year});
        // Without a vector of the query, which is nobody's matter here.
        fake.turn().then(Fault::Status(400));
        let query = json!({"query": "kea", "filters": filters});
        let found = client.post(&format!("{here}/search"), query).await;
        found["data"].as_array().unwrap().len()
    };
    assert_eq!(put(1, 800).await, (1.0, 800));
    // Its new chunks get no vectors.
    fake.turn().then(Fault::Status(400));
    assert_eq!(put(2, 100).await, (1.0, 800));
    assert_eq!((of_year(1).await, of_year(2).await), (1, 0));
    // The vectors of the old ones are known.
    assert_eq!(put(3, 800).await, (3.0, 800));
    assert_eq!((of_year(1).await, of_year(3).await), (0, 1));
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_stays_so_when_its_batch_is_cancelled() {
    let store = Store::file();
    let alula = idle(store.over(serve())).listen();
    let client = Client::new(&alula);
    let files = client.keep_many(2).await;
    let vector_store = id(&client.post("/vector_stores", json!({"file_ids": files[..1]})).await);
    let here = format!("/vector_stores/{vector_store}");
    let worker = store.over(alula_worker()).spawn();
    assert_eq!(client.counts(&here).await["completed"], 1);
    drop(worker);
    let batch = json!({"file_ids": files});
    let batch = id(&client.post(&format!("{here}/file_batches"), batch).await);
    let path = format!("{here}/file_batches/{batch}/cancel");
    let counts = client.ask("POST", &path, None).await.is(200)["file_counts"].take();
    assert_eq!((&counts["completed"], &counts["cancelled"]), (&json!(1), &json!(1)), "{counts}");
    assert_eq!(client.found(&vector_store, "bird").await, [&*files[0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_processed_is_refused_for_good() {
    let store = Store::file();
    let key = store.key(&[]);
    let start = idle(store.over(serve())).env("ALULA_DOCUMENTS_PROCESSED_PER_KEY_MAX", "2");
    let alula = start.listen();
    let client = Client { alula: &alula, key: Some(&key) };
    let files = client.keep_many(3).await;
    let one = id(&client.post("/vector_stores", json!({})).await);
    let other = id(&client.post("/vector_stores", json!({})).await);
    let put = async |store: &str, files: &[String]| {
        let path = format!("/vector_stores/{store}/file_batches");
        client.ask("POST", &path, Some(&json!({"file_ids": files}))).await
    };
    refused(&put(&one, &files).await, 400, "3 files are more than the 2 documents");
    put(&one, &files[..2]).await.is(200);
    // Those are processed already.
    put(&one, &files[..2]).await.is(200);
    let later = put(&other, &files[..1]).await;
    assert_eq!((later.status, later.header("retry-after").is_empty()), (429, false));
    client.ask("DELETE", &format!("/files/{}", files[1]), None).await.is(200);
    until("there is room", async || put(&other, &files[..1]).await.status == 200).await;
}
