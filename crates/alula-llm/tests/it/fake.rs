//! The fakes themselves: what they say, what they keep, and how they fail a test.

use std::{panic::AssertUnwindSafe, time::Duration};

use alula_llm::{
    ChatEvent, ChatRequest, EmbedRequest, ErrorKind, Llm, Provider,
    providers::ollama,
    testing::{FakeModel, FakeProvider, Fault, assert_sent},
};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

const PATIENCE: Duration = Duration::from_secs(5);

fn request() -> ChatRequest {
    ChatRequest::new("m").user("hi")
}

/// What a test that does this is told.
fn complaint(test: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(AssertUnwindSafe(test)).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

/// Asks as a client of another make does, and returns the status and the body.
async fn ask(fake: &FakeProvider, line: &str, body: &Value) -> (u16, Value) {
    let address = fake.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer sk-canary\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn a_request_without_a_turn_is_told_so_and_fails_the_test() {
    let fake = FakeProvider::start().await;
    fake.turn().says("a");
    fake.anthropic().chat(&request()).await.unwrap();
    let error = fake.anthropic().chat(&request()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    let expected = "POST /v1/messages: no turn is left of 1; the body is {";
    assert!(error.message().starts_with(expected), "{error}");
    let complaint = complaint(|| fake.finish());
    assert!(complaint.contains(expected), "{complaint}");
}

#[tokio::test]
async fn a_turn_that_expects_something_else_shows_the_nearest_difference() {
    let fake = FakeProvider::start().await;
    fake.turn().expects(json!({"model": "other", "top_p": 1, "n": 2})).says("far");
    fake.turn().expects(json!({"messages": [{"content": "ho"}]})).says("near");
    fake.turn().embeds([[1.0]]);
    let error = fake.openai().chat(&request()).await.unwrap_err();
    assert_eq!(
        error.message(),
        "POST /v1/chat/completions is not what turn 2 of 3 expects:\
         \n  /messages/0/content: expected \"ho\", got \"hi\""
    );
    let complaint = complaint(|| drop(fake));
    assert!(complaint.contains(error.message()), "{complaint}");
    assert!(complaint.contains("turn 1 of 3 was not asked for: it says \"far\""), "{complaint}");
    assert!(complaint.contains("turn 3 of 3 was not asked for: it embeds 1 texts"), "{complaint}");
}

#[tokio::test]
async fn a_turn_is_kept_for_what_it_expects() {
    let fake = FakeProvider::start().await;
    fake.turn().expects(json!({"model": "b"})).says("of b");
    fake.turn().says("of any");
    let openai = fake.openai();
    assert_eq!(openai.chat(&request()).await.unwrap().text(), "of any");
    let answer = openai.chat(&ChatRequest::new("b").user("hi")).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.model.as_str()), ("of b", "b"));
}

#[tokio::test]
async fn a_test_that_fails_already_is_not_failed_twice() {
    let fake = FakeProvider::start().await;
    fake.turn().says("never asked for");
    let complaint = complaint(move || {
        let _fake = fake;
        panic!("{}", "the first reason");
    });
    assert_eq!(complaint, "the first reason");
}

#[tokio::test]
async fn turns_and_the_default_answer_can_be_used_often() {
    let fake = FakeProvider::start().await;
    fake.turn().says("first").times(2);
    fake.always().says("then");
    let mut texts = Vec::new();
    for _ in 0..4 {
        texts.push(fake.cohere().chat(&request()).await.unwrap().text());
    }
    assert_eq!(texts, ["first", "first", "then", "then"]);
    assert_eq!((fake.request_count(), fake.requests().count()), (4, 4));
}

#[tokio::test]
async fn what_was_sent_is_kept_and_keys_are_not_shown() {
    let fake = FakeProvider::start().await;
    fake.turn().says("a").header("x-request-id", "req_1");
    let (status, _) =
        ask(&fake, "POST /v1/chat/completions?key=sk-canary", &json!({"model": "m"})).await;
    assert_eq!(status, 200);
    let sent = &fake[0];
    assert_eq!((sent.method(), sent.path()), ("POST", "/v1/chat/completions"));
    assert_eq!(
        (sent.query(), sent.header("Authorization")),
        (Some("key=sk-canary"), Some("Bearer sk-canary"))
    );
    assert!(!format!("{sent:?} {sent}").contains("canary"), "{sent:?}");
    let complaint = complaint(|| assert_sent!(fake[0], {"model": "n", "messages": []}));
    assert!(
        complaint.starts_with(
            "POST /v1/chat/completions was sent something else:\
             \n  /model: expected \"n\", got \"m\"\n  /messages: expected [], got nothing\n"
        ),
        "{complaint}"
    );
    let complaint = self::complaint(|| drop(fake[1].clone()));
    assert_eq!(complaint, "there is no request 1: 1 came");
}

#[tokio::test]
async fn vectors_come_from_every_provider_that_has_some() {
    let fake = FakeProvider::start().await;
    let llm = Llm::builder().provider(fake.openai()).provider(fake.responses());
    let llm = llm.provider(fake.gemini()).provider(fake.cohere()).build().unwrap();
    for model in ["openai/m", "responses/m", "gemini/m", "cohere/m"] {
        for inputs in [vec!["a"], vec!["a", "b"]] {
            let vectors = [[0.5, -1.0], [0.0, 2.0]];
            fake.turn().embeds(vectors.into_iter().take(inputs.len())).usage(7, 0);
            let count = inputs.len();
            let answer = llm.embed(EmbedRequest::new(model).texts(inputs)).await.unwrap();
            let expected: Vec<&[f32]> =
                vectors.iter().map(|vector| &vector[..]).take(count).collect();
            assert_eq!(answer.vectors.iter().collect::<Vec<_>>(), expected, "{model}");
        }
    }
    // One that came alone, and vectors in the form that others ask for.
    fake.turn().embeds([[0.5, -1.0]]);
    let (_, gemini) = ask(&fake, "POST /v1beta/models/m:embedContent", &json!({})).await;
    assert_eq!(gemini, json!({"embedding": {"values": [0.5, -1.0]}}));
    fake.turn().embeds([[0.5, -1.0]]);
    let packed = json!({"model": "m", "input": "a", "encoding_format": "base64"});
    let (_, openai) = ask(&fake, "POST /v1/embeddings", &packed).await;
    assert_eq!(openai["data"][0]["embedding"], "AAAAPwAAgL8=");

    // Vectors of two lengths are a mistake of the test.
    fake.turn().embeds([vec![1.0], vec![1.0, 2.0]]);
    let request = EmbedRequest::new("openai/m").texts(["a", "b"]);
    assert_eq!(llm.embed(request).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    assert!(complaint(|| fake.finish()).contains("POST /v1/embeddings: "));
}

#[tokio::test]
async fn tokens_are_counted_by_every_provider_that_counts() {
    let fake = FakeProvider::start().await;
    let llm = Llm::builder().provider(fake.responses()).provider(fake.anthropic());
    let llm = llm.provider(fake.gemini()).build().unwrap();
    for model in ["responses/m", "anthropic/m", "gemini/m"] {
        fake.turn().counts(9);
        let count = llm.count_tokens(ChatRequest::new(model).user("hi")).await.unwrap();
        assert_eq!((count.tokens, count.exact), (9, true), "{model}");
    }
}

#[tokio::test]
async fn models_are_listed_without_a_turn() {
    let fake = FakeProvider::start().await;
    fake.models(["a", "b"]);
    let found = ollama::find(Some(&fake.url()), PATIENCE).await.unwrap().unwrap();
    assert_eq!(found.models, ["a", "b"]);
    let (_, openai) = ask(&fake, "GET /v1/models", &Value::Null).await;
    assert_eq!(openai["data"][1]["id"], "b");
    let (_, gemini) = ask(&fake, "GET /v1beta/models", &Value::Null).await;
    assert_eq!(gemini["models"][0]["name"], "models/a");

    let (status, error) = ask(&fake, "GET /v1/unknown", &Value::Null).await;
    assert_eq!(status, 404);
    assert_eq!(error["error"]["message"], "GET /v1/unknown: no provider has this address");
    assert!(complaint(|| fake.finish()).contains("no provider has this address"));
}

#[tokio::test]
async fn a_connection_is_kept_and_a_client_that_leaves_is_noticed() {
    let fake = FakeProvider::start().await;
    let llm = Llm::builder().provider(fake.openai()).build().unwrap();
    fake.turn().says(["a", "b"]).times(4);
    for _ in 0..2 {
        assert_eq!(llm.chat(request()).await.unwrap().text(), "ab");
        assert_eq!(llm.stream(request()).await.unwrap().accumulate().await.unwrap().text(), "ab");
    }
    // Nor did anyone leave who got an answer without a body.
    fake.turn().then(Fault::Empty);
    assert_eq!(llm.chat(request()).await.unwrap_err().kind(), &ErrorKind::Decode);
    assert_eq!((fake.request_count(), fake.connection_count()), (5, 1));
    assert_eq!(fake.disconnected().now_or_never(), None);

    // Before the answer, and in the middle of it.
    for _ in 0..5 {
        fake.asked().await;
    }
    fake.turn().then(Fault::Stall);
    tokio::select! {
        answer = llm.chat(request()) => panic!("there is no answer: {answer:?}"),
        () = fake.asked() => {}
    }
    timeout(PATIENCE, fake.disconnected()).await.unwrap();
    fake.turn().says(["a", "b"]).then(Fault::StallAfter(1));
    drop(llm.stream(request()).await.unwrap());
    timeout(PATIENCE, fake.disconnected()).await.unwrap();
}

#[tokio::test]
async fn pieces_come_with_their_pauses() {
    let fake = FakeProvider::start().await;
    let pause = Duration::from_millis(20);
    fake.turn().says(["a", "b", "c"]).chunks_every(pause);
    let started = Instant::now();
    let mut events = fake.openai().stream(&request()).await.unwrap();
    let mut times = Vec::new();
    while let Some(event) = events.next().await {
        if matches!(event.unwrap(), ChatEvent::Text { .. }) {
            times.push(started.elapsed());
        }
    }
    // A busy machine makes them later, but none too early.
    assert_eq!(times.len(), 3);
    assert!(times[1] >= pause && times[2] >= 2 * pause, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_network_plays_the_same_turns() {
    let model = FakeModel::new();
    let llm = Llm::builder().provider(model.clone()).build().unwrap();
    model.turn().says(["a", "b"]).calls_tool("t", json!({"x": 1})).usage(3, 4);
    let answer = llm.chat(request()).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.usage.unwrap().total()), ("ab", 7));
    assert_sent!(model[0], {"model": "m", "stream": null});

    model.turn().embeds([[0.5]]);
    let vectors = llm.embed(EmbedRequest::new("m").text("a")).await.unwrap().vectors;
    assert_eq!(vectors.as_slice(), [0.5]);
    model.turn().counts(9);
    assert_eq!(llm.count_tokens(request()).await.unwrap().tokens, 9);

    model.turn().says(["a", "b"]).chunks_every(Duration::from_secs(1));
    let started = Instant::now();
    let events = llm.stream(request()).await.unwrap();
    assert_eq!(events.accumulate().await.unwrap().text(), "ab");
    assert_eq!(started.elapsed(), Duration::from_secs(1));

    for (fault, whole, streamed) in [
        (Fault::Stall, "Timeout { phase: Total }", "Timeout { phase: FirstToken }"),
        (Fault::StallAfter(1), "Timeout { phase: Total }", "Timeout { phase: Idle }"),
        (Fault::Reset, "Unavailable", "Unavailable"),
        (Fault::CloseAfter(1), "Unavailable", "Stream { events_seen: 2 }"),
        (Fault::ErrorAfter(1, ErrorKind::Auth), "Auth", "Auth"),
        (Fault::Status(400), "InvalidRequest", "InvalidRequest"),
        (
            Fault::RetryAfter(429, Duration::from_secs(9)),
            "RateLimited { retry_after: Some(9s) }",
            "RateLimited { retry_after: Some(9s) }",
        ),
    ] {
        let kind = |error: alula_llm::Error| format!("{:?}", error.kind());
        // Whose breaker has seen nothing.
        let llm = Llm::builder().provider(model.clone()).build().unwrap();
        model.always().says(["a", "b"]).then(fault.clone());
        assert_eq!(kind(llm.chat(request()).await.unwrap_err()), whole, "{fault:?}");
        let error = match llm.stream(request()).await {
            Ok(events) => events.accumulate().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(kind(error), streamed, "{fault:?}");
    }
}

#[tokio::test]
async fn a_model_without_a_network_fails_a_test_all_the_same() {
    let model = FakeModel::new();
    model.turn().says("a").times(2);
    model.chat(&request()).await.unwrap();
    let clone = model.clone();
    drop(model);
    let complaint = complaint(|| drop(clone));
    assert!(complaint.ends_with("turn 1 of 1 was not asked for: it says \"a\""), "{complaint}");
}
