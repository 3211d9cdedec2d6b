//! What must not be in a file.

use alula_llm::testing::Cassette;
use reqwest::header::HeaderMap;
use serde_json::json;

use super::{Shelf, client, complaint, pieces, post, question, replay, streaming};

/// A key of none of the known forms, put together so that no scanner takes it for a leak.
fn canary() -> String {
    ["canary", "that", "sings"].join("-")
}

async fn record(shelf: &Shelf, chunks: &[&str]) -> Cassette {
    let server = streaming(chunks).await;
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "user-agent"]
    {
        headers.insert(name, format!("Bearer {}", canary()).parse().unwrap());
    }
    let url = format!("{}/v1/x?key={}&token={}", cassette.url(), canary(), canary());
    let request = client().post(url).headers(headers).json(&question("Hi"));
    pieces(request.send().await.unwrap()).await;
    // The provider did get it.
    let sent = &server.requests()[0];
    assert_eq!(sent.header("x-api-key").unwrap(), format!("Bearer {}", canary()));
    cassette
}

#[tokio::test]
async fn a_key_is_not_written() {
    let shelf = Shelf::new();
    record(&shelf, &["data: {}\n\n"]).await.finish();
    let text = shelf.text();
    assert!(!text.contains(&canary()) && !text.contains("session=1"), "{text}");
    assert_eq!(shelf.files(), ["x.jsonl"]);
}

#[tokio::test]
async fn a_key_that_comes_back_is_refused() {
    let (start, end) = ("data: {\"said\":\"canary-that", "-sings\"}\n\n");
    let shelf = Shelf::new();
    let complaint = complaint(record(&shelf, &[start, end]).await.try_finish());
    assert!(
        complaint.contains("line 3: line 1 of the body at /said: a key that a client sent"),
        "{complaint}"
    );
    assert!(complaint.contains("take a value out with `redact`"), "{complaint}");
    assert!(!complaint.contains(&canary()), "{complaint}");
    assert!(shelf.files().is_empty());
}

#[tokio::test]
async fn what_looks_like_a_key_is_refused_unless_it_is_redacted_or_allowed() {
    let secret = format!("sk-{}", "0a1b".repeat(8));
    let body = json!({"messages": [{"role": "user", "content": format!("is {secret} a key?")}]});
    let answer = format!("data: {{\"no\":\"{secret}\"}}\n\n");
    let (shelf, server) = (Shelf::new(), streaming(&[&answer]).await);
    let record = || Cassette::record(shelf.path(), server.url());

    let cassette = record().start().await.unwrap();
    pieces(post(&cassette.url(), &body).await).await;
    let complaint = complaint(cassette.try_finish());
    let place = "line 2: /req/body/messages/0/content: a key of OpenAI or alike";
    assert!(complaint.contains(place), "{complaint}");
    assert!(!complaint.contains(&secret), "{complaint}");
    assert!(shelf.files().is_empty());

    // What is at the pointer is a sentence; the value in the answer is the key alone.
    let redacting = |builder: alula_llm::testing::CassetteBuilder| builder.redact("/no");
    let cassette = redacting(record()).start().await.unwrap();
    pieces(post(&cassette.url(), &body).await).await;
    cassette.finish();
    let text = shelf.text();
    assert!(!text.contains(&secret) && text.contains("is *** a key?"), "{text}");
    std::fs::remove_file(shelf.path()).unwrap();

    let cassette = record().allow(&secret).start().await.unwrap();
    pieces(post(&cassette.url(), &body).await).await;
    cassette.finish();
    assert!(shelf.text().lines().next().unwrap().contains(&secret));
    let cassette = replay(&shelf.path()).await;
    pieces(post(&cassette.url(), &body).await).await;
    cassette.finish();
}

#[tokio::test]
async fn a_call_is_found_without_what_was_redacted() {
    let body =
        |user: &str| json!({"user": user, "messages": [{"content": format!("I am {user}")}]});
    let (shelf, server) = (Shelf::new(), streaming(&["data: {\"hi\":\"mal", "lory\"}\n\n"]).await);
    for (builder, user, answer) in [
        (Cassette::record(shelf.path(), server.url()), "mallory", "data: {\"hi\":\"mallory\"}\n\n"),
        (Cassette::replay(shelf.path()), "eve", "data: {\"hi\":\"***\"}\n\n"),
    ] {
        let cassette = builder.redact("/user").start().await.unwrap();
        let (pieces, _) = pieces(post(&cassette.url(), &body(user)).await).await;
        assert_eq!(String::from_utf8(pieces.concat()).unwrap(), answer);
        cassette.finish();
    }
    assert!(!shelf.text().contains("mallory"), "{}", shelf.text());
    assert_eq!(server.requests().len(), 1);
}

/// Also if what was redacted is known only from the answer, or from another call.
#[tokio::test]
async fn a_call_is_found_whatever_was_redacted_in_it() {
    let (shelf, server) = (Shelf::new(), streaming(&["data: {\"id\":\"r-1\"}\n\n"]).await);
    let bodies = [
        json!({"text": "I know of r-1"}),
        json!({"text": "mallory and r-1", "n": 1}),
        json!({"user": "mallory"}),
    ];
    for builder in [Cassette::record(shelf.path(), server.url()), Cassette::replay(shelf.path())] {
        let cassette = builder.redact("/id").redact("/user").start().await.unwrap();
        for body in &bodies {
            pieces(post(&cassette.url(), body).await).await;
        }
        cassette.finish();
    }
    let text = shelf.text();
    assert!(!text.contains("mallory") && !text.contains("r-1"), "{text}");
    assert_eq!(server.requests().len(), bodies.len());

    let cassette = Cassette::replay(shelf.path()).redact("/id").start().await.unwrap();
    pieces(post(&cassette.url(), &json!({"text": "something else"})).await).await;
    let complaint = complaint(cassette.try_finish());
    assert!(complaint.contains("I know of ***"), "{complaint}");
}

#[tokio::test]
async fn a_redacted_value_is_not_written_in_another_spelling_nor_in_pieces() {
    let body = json!({"user": "k=\"é\"", "messages": []});
    let spelled = r#"data: {"t":"k\u003d\"\u00e9\""}"#;
    let (start, end) = (r#"data: {"t":"k="}"#, r#"data: {"t":"\"é\""}"#);
    let record = async |events: &[&str], allowed: &str| {
        let (shelf, server) = (Shelf::new(), streaming(&[&(events.join("\n\n") + "\n\n")]).await);
        let cassette = Cassette::record(shelf.path(), server.url()).redact("/user").allow(allowed);
        let cassette = cassette.start().await.unwrap();
        pieces(post(&cassette.url(), &body).await).await;
        (shelf, cassette)
    };
    let (shelf, cassette) = record(&[spelled], "").await;
    cassette.finish();
    assert!(shelf.text().contains(r#"{\"t\":\"***\"}"#), "{}", shelf.text());

    let (shelf, cassette) = record(&[start, end], "").await;
    let complaint = complaint(cassette.try_finish());
    assert!(complaint.contains("in the answer at /t"), "{complaint}");
    assert!(shelf.files().is_empty());

    let (_shelf, cassette) = record(&[start, end], "k=\"é\"").await;
    cassette.finish();
}
