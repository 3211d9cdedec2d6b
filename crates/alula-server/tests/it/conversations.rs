//! Conversations with stored history.

use serde_json::{Value, json};

use crate::{
    process::{Alula, serve, serve_openai},
    upstream::{STREAM_END, STREAM_HEAD, Upstream, answer, token},
};

const COMPLETION: &str = r#"{"id": "1", "object": "chat.completion", "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}"#;

async fn created(alula: &Alula, body: Value) -> String {
    let answer = alula.post("/conversations", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// What the provider got for a request, which it answers with this.
async fn asked(
    upstream: &Upstream,
    alula: &Alula,
    path: &str,
    body: Value,
    reply: &str,
) -> (Value, Value) {
    let answering = async {
        let call = upstream.call().await;
        let sent = call.body.clone();
        call.answer(reply).await;
        sent
    };
    let (sent, answer) = tokio::join!(answering, alula.post(path, &body));
    assert_eq!(answer.status, 200, "{}", answer.text);
    (sent["messages"].clone(), answer.json())
}

#[tokio::test]
async fn the_model_reads_what_was_said_before() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let id = created(
        &alula,
        json!({"title": "Birds", "model": "openai/m", "system_prompt": "Be brief."}),
    )
    .await;
    let path = format!("/conversations/{id}/messages");
    let reply = answer("200 OK", COMPLETION);
    let (sent, said) = asked(&upstream, &alula, &path, json!({"message": "one"}), &reply).await;
    let instructions = json!({"role": "system", "content": "Be brief."});
    let one = json!({"role": "user", "content": "one"});
    assert_eq!(sent, json!([instructions, one]));
    assert_eq!((&said["response"], &said["is_kept"]), (&json!("hi"), &json!(true)));
    assert_eq!((&said["conversation_id"], &said["history_left_out"]), (&json!(id), &json!(0)));
    // The same through /chat.
    let body = json!({"message": "two", "conversation_id": id});
    let (sent, _) = asked(&upstream, &alula, "/chat", body, &reply).await;
    let hi = json!({"role": "assistant", "content": "hi"});
    assert_eq!(sent, json!([instructions, one, hi, {"role": "user", "content": "two"}]));
    let shown = alula.get(&format!("/conversations/{id}?limit=3")).await.json();
    assert_eq!((&shown["title"], &shown["message_count"]), (&json!("Birds"), &json!(4)));
    let contents: Vec<_> =
        shown["messages"].as_array().unwrap().iter().map(|it| &it["content"]).collect();
    assert_eq!(contents, ["hi", "two", "hi"]);
    assert_eq!(shown["messages"][0]["model"], "m-1");
}

#[tokio::test]
async fn a_call_that_fails_leaves_no_half_of_a_turn() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).env("ALULA_ATTEMPTS", "1").listen();
    let id = created(&alula, json!({})).await;
    let failing = async { upstream.call().await.answer(&answer("400 Bad Request", "{}")).await };
    let body = json!({"message": "one", "model": "openai/m", "conversation_id": id});
    let ((), answered) = tokio::join!(failing, alula.post("/chat", &body));
    assert_eq!(answered.status, 400);
    let shown = alula.get(&format!("/conversations/{id}")).await.json();
    assert_eq!((&shown["message_count"], &shown["messages"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn of_a_stream_that_breaks_off_what_came_is_kept() {
    let upstream = Upstream::start();
    let alula = serve_openai(&upstream.url()).listen();
    let id = created(&alula, json!({"model": "openai/m"})).await;
    let path = format!("/conversations/{id}/messages");
    let streams = [format!("{}{STREAM_END}", token("whole")), token("half")];
    for stream in streams {
        let reply = format!("{STREAM_HEAD}{stream}");
        let answering = async { upstream.call().await.answer(&reply).await };
        let body = json!({"message": "one", "stream": true});
        let ((), answer) = tokio::join!(answering, alula.post(&path, &body));
        assert_eq!(answer.status, 200);
        let is_whole = stream.contains("[DONE]");
        assert_eq!(answer.text.contains("\"is_kept\":true"), is_whole, "{}", answer.text);
    }
    let messages = alula.get(&format!("/conversations/{id}")).await.json()["messages"].clone();
    assert_eq!((&messages[1]["content"], &messages[1]["partial"]), (&json!("whole"), &Value::Null));
    assert_eq!((&messages[3]["content"], &messages[3]["partial"]), (&json!("half"), &json!(true)));
}

#[tokio::test]
async fn they_are_listed_page_by_page_and_outlive_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a.db", folder.path().display());
    let alula = serve().env("DATABASE_URL", &url).listen();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(created(&alula, json!({})).await);
    }
    assert_eq!(alula.end().code, Some(0));
    let alula = serve().env("DATABASE_URL", &url).listen();
    let page = async |query: &str| {
        let page = alula.get(&format!("/conversations{query}")).await.json();
        let ids = page["conversations"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    let (first, next) = page("?limit=2").await;
    assert_eq!(first, [made[2].clone(), made[1].clone()]);
    let (second, next) = page(&format!("?limit=2&after={}", next.unwrap())).await;
    assert_eq!((second, next), (vec![made[0].clone()], None));
    let path = format!("/conversations/{}", made[1]);
    assert_eq!(alula.delete(&path).await.status, 204);
    assert_eq!(alula.delete(&path).await.status, 404);
    assert_eq!(alula.get(&path).await.status, 404);
    assert_eq!(page("").await.0.len(), 2);
}

#[tokio::test]
async fn what_a_conversation_cannot_keep_is_refused() {
    let alula = serve().listen();
    let id = created(&alula, json!({})).await;
    let path = format!("/conversations/{id}/messages");
    for (path, body, status) in [
        ("/chat", json!({"message": "a", "conversation_id": "conv_none"}), 404),
        ("/chat", json!({"conversation_id": id, "options": {"messages": []}}), 422),
        ("/chat", json!({"message": "a", "conversation_id": id, "options": {"tools": []}}), 422),
        (path.as_str(), json!({"message": ""}), 422),
        ("/conversations", json!({"title": "", "other": 1}), 422),
    ] {
        let answer = alula.post(path, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
}
