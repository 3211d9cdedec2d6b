//! Documents: how they come in, are processed, change and go.

pub(crate) mod files;
pub(crate) mod form;
mod ingest;
mod jobs;
mod killed;
mod limits;
mod refused;
mod removed;

use alula_llm::testing::FakeProvider;
use serde_json::{Value, json};

use self::{
    files::{docx, pdf},
    form::Form,
};
use crate::{
    client::{Answer, http},
    database::on_each,
    process::{Alula, Start, serve, serve_openai},
};

/// A document of each kind, with words that no other one has.
fn each_kind() -> [(&'static str, Vec<u8>, &'static str, &'static str); 6] {
    [
        ("a.pdf", pdf(&["The albatross glides.", "Far away."]), "albatross", "application/pdf"),
        (
            "b.docx",
            docx("The bustard runs."),
            "bustard",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("c.html", b"<h1>Cranes</h1><p>A crane calls.</p>".to_vec(), "crane", "text/html"),
        ("d.md", b"# Ducks\n\nA dunlin pecks.\n".to_vec(), "dunlin", "text/markdown"),
        ("e.csv", b"name,wings\negret,2\n".to_vec(), "egret", "text/csv"),
        ("f.txt", b"A falcon dives.".to_vec(), "falcon", "text/plain"),
    ]
}

impl Alula {
    /// A document once its job has ended: its status.
    pub(crate) async fn processed(&self, accepted: &Value) -> Value {
        let [document, job] = ["document_id", "job_id"].map(|id| accepted[id].as_str().unwrap());
        self.follow(&format!("/jobs/{job}"), None).await.rest().await;
        self.get(&format!("/documents/{document}/status")).await.is(200)
    }

    /// A document that is ready: its name.
    pub(crate) async fn ready(&self, accepted: &Value) -> String {
        let status = self.processed(accepted).await;
        assert_eq!(status["status"], "ready", "{status}");
        accepted["document_id"].as_str().unwrap().to_owned()
    }

    /// The names of the documents that are found.
    pub(crate) async fn finds(&self, query: &str) -> Vec<String> {
        let found = self.get(&format!("/search?query={query}")).await.is(200);
        let results = found["results"].as_array().unwrap().iter();
        results.map(|hit| hit["document_id"].as_str().unwrap().to_owned()).collect()
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(http().patch(self.url(path)).json(body)).await
    }
}

/// A server over a database, with its files in a folder.
pub(crate) fn over(database: &str, folder: &std::path::Path) -> Start {
    let storage = format!("file://{}", folder.join("files").display());
    serve().env("DATABASE_URL", database).env("STORAGE_URL", storage)
}

/// Does something to a database, behind the back of its server. Returns how many rows it was.
pub(crate) async fn behind_its_back(database: &str, sql: &'static str) -> u64 {
    if database.starts_with("postgres") {
        let pool = sqlx::PgPool::connect(database).await.unwrap();
        let done = sqlx::query(sql).execute(&pool).await.unwrap().rows_affected();
        pool.close().await;
        done
    } else {
        let pool = sqlx::SqlitePool::connect(database).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap().len();
        pool.close().await;
        u64::try_from(rows).unwrap()
    }
}

/// How many objects there are in the store of a server [over](over) this folder.
pub(crate) fn count_objects(folder: &std::path::Path) -> usize {
    ["documents", "texts"].iter().map(|kind| count_files(&folder.join("files").join(kind))).sum()
}

/// How many files there are below a folder.
pub(crate) fn count_files(folder: &std::path::Path) -> usize {
    count_named(folder, |_| true)
}

/// How many files there are below a folder, without those that were not written to their end: what
/// a server leaves so that is killed is swept after an hour.
pub(crate) fn count_whole_files(folder: &std::path::Path) -> usize {
    count_named(folder, |name| !name.contains('#'))
}

fn count_named(folder: &std::path::Path, counts: fn(&str) -> bool) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => count_named(&path, counts),
        false => usize::from(counts(&path.file_name().unwrap().to_string_lossy())),
    };
    entries.map(|entry| count(entry.unwrap().path())).sum()
}

#[tokio::test]
async fn a_document_of_each_kind_is_found() {
    on_each(async |database| {
        let folder = tempfile::tempdir().unwrap();
        let alula = over(database, folder.path()).listen();
        for (name, bytes, word, media_type) in each_kind() {
            let answer = alula.upload(name, &bytes).await;
            let accepted = answer.is(202);
            let url = format!("/documents/{}", accepted["document_id"].as_str().unwrap());
            assert_eq!(
                (&accepted["status"], answer.header("location")),
                (&json!("processing"), &*url)
            );
            let status = alula.processed(&accepted).await;
            assert_eq!(
                (&status["status"], &status["step"], &status["terminal"], &status["progress"]),
                (&json!("ready"), &json!("done"), &json!(true), &json!({"done": 4, "total": 4})),
                "{status}"
            );
            assert_eq!(alula.finds(word).await, [accepted["document_id"].as_str().unwrap()]);
            let shown = alula.get(&url).await.is(200);
            assert_eq!(
                (&shown["filename"], &shown["content_type"]),
                (&json!(name), &json!(media_type))
            );
            assert_eq!(
                (&shown["bytes"], &shown["chunks"]),
                (&json!(bytes.len()), &json!(1)),
                "{shown}"
            );
            assert_eq!(shown["pages"], if name == "a.pdf" { json!(2) } else { Value::Null });
            let content = http().get(alula.url(&format!("{url}/content"))).send().await.unwrap();
            let disposition = content.headers()["content-disposition"].to_str().unwrap().to_owned();
            assert!(disposition.starts_with("attachment"), "{disposition}");
            assert_eq!(content.headers()["x-content-type-options"], "nosniff");
            assert_eq!(content.bytes().await.unwrap(), bytes);
        }
    })
    .await;
}

/// As in the README.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_brought_watched_searched_and_asked() {
    let fake = FakeProvider::start().await;
    fake.turn().says("It is a small feather [1].");
    let alula = serve_openai(&fake.url()).listen();
    let pages = ["The alula is a small feather.", "Tails steer."];
    let id = alula.ready(&alula.upload("wings.pdf", pdf(&pages)).await.is(202)).await;
    let found = alula.get("/search?query=alula").await.is(200);
    let first = &found["results"][0];
    assert_eq!((&first["document_id"], &first["page"]), (&json!(id), &json!(1)), "{found}");
    let question = json!({"message": "What is an alula?", "use_documents": true});
    let answer = alula.post("/chat", &question).await.is(200);
    assert_eq!(answer["response"], "It is a small feather [1].");
    let cited = &answer["citations"][0];
    assert_eq!(
        (&cited["document_id"], &cited["filename"], &cited["page"]),
        (&json!(id), &json!("wings.pdf"), &json!(1)),
        "{answer}"
    );
    fake.finish();
}

#[tokio::test]
async fn a_text_is_a_document() {
    let alula = serve().listen();
    let text = json!({"title": "Feathers", "text": "The alula is a feather.", "year": 2026});
    let accepted = alula.post("/documents", &text).await.is(202);
    let id = alula.ready(&accepted).await;
    let shown = alula.get(&format!("/documents/{id}")).await.is(200);
    assert_eq!(
        (&shown["filename"], &shown["attributes"]),
        (&json!("Feathers"), &json!({"year": 2026.0}))
    );
    assert_eq!(alula.finds("alula").await, [&*id]);
    let other = json!({"content": "# A\n\nGulls.", "name": "b.md", "metadata": {"draft": true}});
    let accepted = alula.post("/documents", &other).await.is(202);
    let other = alula.ready(&accepted).await;
    let shown = alula.get(&format!("/documents/{other}")).await.is(200);
    assert_eq!(shown["content_type"], "text/markdown");
    for (wrong, place) in [
        (json!({}), "text"),
        (json!({"text": "a", "content": "b"}), "content"),
        (json!({"text": "a", "tags": ["b"]}), "metadata"),
        (json!({"text": "a", "callback_url": "https://example.com"}), "callback_url"),
    ] {
        let body = alula.post("/documents", &wrong).await.is(422);
        assert_eq!(body["detail"][0]["loc"], json!(["body", place]), "{body}");
    }
    assert_eq!(alula.post("/documents", &json!({"text": ""})).await.status, 422);
}

#[tokio::test]
async fn lists_go_on_where_a_document_was() {
    let alula = serve().listen();
    let mut ids = Vec::new();
    for number in 0..5 {
        let text = json!({"text": format!("The number {number}.")});
        let accepted = alula.post("/documents", &text).await.is(202);
        ids.insert(0, alula.ready(&accepted).await);
    }
    let page = async |query: &str| {
        let list = alula.get(&format!("/documents?limit=2{query}")).await.is(200);
        let ids = list["documents"].as_array().unwrap().iter();
        let ids: Vec<String> =
            ids.map(|it| it["document_id"].as_str().unwrap().to_owned()).collect();
        (ids, list["next"].as_str().map(str::to_owned))
    };
    let (first, next) = page("").await;
    assert_eq!((&first[..], next.as_deref()), (&ids[..2], Some(&*ids[1])));
    assert_eq!(alula.delete(&format!("/documents/{}", ids[1])).await.status, 204);
    let (second, next) = page(&format!("&after={}", ids[1])).await;
    assert_eq!((&second[..], next.as_deref()), (&ids[2..4], Some(&*ids[3])));
    let (last, next) = page(&format!("&after={}", ids[3])).await;
    assert_eq!((&last[..], next), (&ids[4..], None));
    assert_eq!(page("&status=failed").await.0, Vec::<String>::new());
    assert_eq!(page("&status=ready").await.0, [&*ids[0], &*ids[2]]);
}

#[tokio::test]
async fn what_is_known_of_a_document_changes() {
    let alula = serve().listen();
    let text = json!({"text": "A heron waits.", "metadata": {"a": 1}});
    let id = alula.ready(&alula.post("/documents", &text).await.is(202)).await;
    let url = format!("/documents/{id}");
    let changed =
        alula.patch(&url, &json!({"attributes": {"b": "x"}, "archived": true})).await.is(200);
    assert_eq!((&changed["attributes"], &changed["archived"]), (&json!({"b": "x"}), &json!(true)));
    assert_eq!(alula.finds("heron").await, Vec::<String>::new());
    let all = alula.get("/search?query=heron&include_archived=true").await.is(200);
    assert_eq!(all["results"][0]["attributes"], json!({"b": "x"}));
    alula.patch(&url, &json!({"archived": false})).await.is(200);
    assert_eq!(alula.finds("heron").await, [&*id]);
    assert_eq!(alula.patch(&url, &json!({"attributes": {"b": null}})).await.status, 422);
    assert_eq!(alula.patch("/documents/doc_0", &json!({})).await.status, 404);
    // It is read anew, and is what it was.
    let again = alula.post(&format!("{url}/reindex"), &json!({})).await.is(202);
    assert_eq!((&again["status"], &again["terminal"]), (&json!("processing"), &json!(false)));
    assert_eq!(alula.ready(&again).await, id);
    assert_eq!(alula.finds("heron").await, [&*id]);
    let why = alula.post(&format!("{url}/retry"), &json!({})).await.detail(409);
    assert_eq!(why, "The document has not failed");
}

#[tokio::test]
async fn several_files_are_taken_each_by_itself() {
    let alula = serve().env("ALULA_UPLOAD_FILES_MAX", "4").listen();
    let form = Form::default()
        .file("files", "a.txt", "An ibis wades.")
        .file("files", "b.pdf", "no PDF at all")
        .file("files", "c.txt", "")
        .file("files", "../d.md", "A jay hides.")
        .text("metadata", r#"{"from": "both"}"#);
    let answer = alula.form("/documents/upload-multiple", form).await.is(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(2)), "{answer}");
    let files = answer["files"].as_array().unwrap();
    let told: Vec<_> = files
        .iter()
        .map(|file| (file["http_status"].as_u64().unwrap(), file["error"]["code"].as_str()))
        .collect();
    let expected = [(202, None), (415, Some("type_mismatch")), (422, Some("empty")), (202, None)];
    assert_eq!(told, expected, "{answer}");
    let id = alula.ready(&files[3]).await;
    let shown = alula.get(&format!("/documents/{id}")).await.is(200);
    assert_eq!(
        (&shown["filename"], &shown["attributes"]),
        (&json!("d.md"), &json!({"from": "both"}))
    );
    assert_eq!(alula.finds("jay").await, [&*id]);
    let many = (0..5).fold(Form::default(), |form, it| form.file("files", "x.txt", it.to_string()));
    assert_eq!(alula.form("/documents/upload-multiple", many).await.status, 400);
}
