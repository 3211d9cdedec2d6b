//! What models get of documents.

use alula_llm::testing::FakeProvider;
use serde_json::{Value, json};

use super::{call, names, text};
use crate::{
    found::{Document, WINGS},
    keys::{Store, id_of},
    process::{Alula, serve, serve_openai},
};

impl Alula {
    /// The contents of a resource, or the error of the protocol.
    async fn read(&self, uri: &str) -> Result<Value, Value> {
        let answer = self.ask_mcp("resources/read", &json!({ "uri": uri })).await;
        match answer["result"]["contents"].get(0) {
            Some(contents) => Ok(contents.clone()),
            None => Err(answer["error"].clone()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_searches_documents_and_reads_around_what_it_finds() {
    let store = Store::file();
    Document::new("wings", WINGS).put(&store, "").await;
    Document::new("tails", &["A tail steers."]).put(&store, "").await;
    let alula = store.over(serve()).listen();
    let question = json!({ "query": "alula feather" });
    let found = alula.ask_mcp("tools/call", &call("search_documents", &question)).await;
    assert!(text(&found).contains("wings.pdf, page 1 (document://wings/chunks/0)"), "{found}");
    let structured = &found["result"]["structuredContent"];
    assert_eq!(structured["mode"], "keyword");
    assert_eq!(structured["results"][0]["text"], WINGS[0]);
    let uri = structured["results"][0]["uri"].as_str().unwrap();
    assert_eq!(alula.read(uri).await.unwrap()["text"], WINGS[0]);
    let whole = alula.read("document://wings").await.unwrap();
    assert_eq!(whole["text"], WINGS.join("\n\n"));
    assert_eq!(whole["mimeType"], "text/markdown");
    for gone in ["document://claws", "document://wings/chunks/2", "document://wings/chunks/x"] {
        assert_eq!(alula.read(gone).await.unwrap_err()["code"], -32602, "{gone}");
    }
    let nothing = call("search_documents", &json!({ "query": "xylophone" }));
    let nothing = alula.ask_mcp("tools/call", &nothing).await;
    assert!(text(&nothing).contains("No document"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_listed_part_by_part_whatever_became_of_them() {
    let alula = serve().listen();
    let mut expected = Vec::new();
    for (name, bytes, status) in [
        ("a.txt", "A falcon dives.", "ready"),
        // Nobody can read it.
        ("b.pdf", "%PDF-1.7\nno more of it", "failed"),
        ("c.txt", "A tail steers.", "ready"),
    ] {
        let accepted = alula.upload(name, bytes).await.is(202);
        assert_eq!(alula.processed(&accepted).await["status"], status);
        let uri = format!("document://{}", accepted["document_id"].as_str().unwrap());
        expected.insert(0, (name.to_owned(), status.to_owned(), uri));
    }
    let mut listed = Vec::new();
    let mut arguments = json!({ "limit": 2 });
    for _ in 0..2 {
        let list = alula.ask_mcp("tools/call", &call("list_documents", &arguments)).await;
        let part = list["result"]["structuredContent"].clone();
        listed.extend(part["documents"].as_array().unwrap().iter().cloned());
        arguments["after"] = part["next"].clone();
    }
    assert_eq!(arguments["after"], Value::Null, "there are no more");
    let shown = listed.iter().map(|document| {
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        (text("filename"), text("status"), text("uri"))
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert_ne!(listed[1]["error"]["message"].as_str(), None, "{listed:?}");
    assert_eq!(listed[0].get("error"), None);
    let odd = call("list_documents", &json!({ "after": "the second one" }));
    let odd = alula.ask_mcp("tools/call", &odd).await;
    assert_eq!((&odd["result"]["isError"], text(&odd).contains("after")), (&json!(true), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_documents_says_from_which() {
    let fake = FakeProvider::start().await;
    fake.turn().says("A small feather [1].").usage(100, 10);
    let store = Store::file();
    Document::new("wings", WINGS).put(&store, "").await;
    let alula = store.over(serve_openai(&fake.url())).listen();
    let question = json!({ "question": "What is an alula?" });
    let answer = alula.ask_mcp("tools/call", &call("ask_documents", &question)).await;
    assert!(text(&answer).starts_with("A small feather [1]."), "{answer}");
    assert!(text(&answer).contains("\n[1] wings.pdf, page 1"), "{answer}");
    let citations = &answer["result"]["structuredContent"]["citations"];
    assert_eq!(citations[0]["document_id"], "wings");
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_documents_of_another() {
    let store = Store::file();
    let (owner, other, admin) = (store.key(&[]), store.key(&[]), store.key(&["--scopes", "admin"]));
    Document::new("wings", WINGS).put(&store, id_of(&owner)).await;
    let alula = store.over(serve()).listen();
    // One that was put past the server is found, and in no list.
    let text = json!({ "text": "It has nothing to do with wings." });
    alula.with_key(&owner, "POST", "/documents", Some(&text)).await.is(202);
    let search = call("search_documents", &json!({ "query": "alula" }));
    let list = call("list_documents", &json!({}));
    let read = json!({ "uri": "document://wings" });
    let count = async |key: &str| {
        let found = alula.mcp_with(key, "tools/call", &search).await.is(200);
        let listed = alula.mcp_with(key, "tools/call", &list).await.is(200);
        let count = |list: &Value| list.as_array().unwrap().len();
        let of = |answer: &Value, name: &str| count(&answer["result"]["structuredContent"][name]);
        (of(&found, "results"), of(&listed, "documents"))
    };
    assert_eq!(count(&owner).await, (1, 1));
    assert_eq!(count(&other).await, (0, 0));
    let reading = async |key: &str| alula.mcp_with(key, "resources/read", &read).await.json();
    assert!(reading(&owner).await["result"].is_object());
    for key in [&other, &admin] {
        assert_eq!(reading(key).await["error"]["code"], -32602);
    }
    let seen = alula.mcp_with(&admin, "tools/list", &json!({})).await.is(200);
    assert_eq!(names(&seen, "tools"), Vec::<&str>::new());
    let seen = alula.mcp_with(&admin, "resources/templates/list", &json!({})).await.is(200);
    assert_eq!(names(&seen, "resourceTemplates"), Vec::<&str>::new());
}
