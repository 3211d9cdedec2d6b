//! What was recorded comes back: bytes, pieces, ends and times.

use std::{
    fs,
    time::{Duration, Instant},
};

use alula_llm::{
    ChatRequest, Llm, OpenAi,
    testing::{Cassette, CassetteError, Cassettes, End, Mode},
};
use serde_json::json;
use tokio::time::timeout;

use super::{Shelf, chunk, client, complaint, head, pieces, post, question, replay, streaming};
use crate::server::{Server, Step, send};

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_recorded_stream_is_replayed_in_its_pieces() {
    let (shelf, chunks) =
        (Shelf::new(), ["data: {\"a\":", "\"é\"}\n\n", "b64:", "data: [DONE]\n\n"]);
    let server = streaming(&chunks).await;
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let url = format!("{}/v1/chat/completions?alt=sse&key=secret", cassette.url());
    let recorded = post(&url, &question("Hi")).await;
    assert_eq!(recorded.headers()["x-request-id"], "req_1");
    assert_eq!(pieces(recorded).await, (chunks.map(Into::into).to_vec(), true));
    cassette.finish();
    assert_eq!(shelf.files(), ["x.jsonl"]);
    assert_eq!(server.requests()[0].line, "POST /v1/chat/completions?alt=sse&key=secret HTTP/1.1");

    let cassette = replay(&shelf.path()).await;
    let url = format!("{}/v1/chat/completions?key=other&alt=sse", cassette.url());
    let replayed = post(&url, &question("Hi")).await;
    assert_eq!(replayed.status(), 200);
    assert_eq!(replayed.headers()["content-type"], "text/event-stream");
    assert_eq!(replayed.headers()["x-request-id"], "req_1");
    assert!(!replayed.headers().contains_key("set-cookie"));
    assert_eq!(pieces(replayed).await, (chunks.map(Into::into).to_vec(), true));
    cassette.finish();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn every_byte_can_come_alone() {
    let (shelf, chunks) = (Shelf::new(), ["data: é\n\n", "data: [DONE]\n\n"]);
    let server = streaming(&chunks).await;
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    pieces(post(&cassette.url(), &question("Hi")).await).await;
    cassette.finish();

    let cassette = Cassette::replay(shelf.path()).split_every_byte().start().await.unwrap();
    let (pieces, whole) = pieces(post(&cassette.url(), &question("Hi")).await).await;
    assert!(whole && pieces.iter().all(|piece| piece.len() == 1));
    assert_eq!(pieces.concat(), chunks.concat().as_bytes());
}

#[tokio::test]
async fn a_provider_streams_through_a_cassette() {
    let event = |text: &str| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
    };
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let chunks = [&*event("Hel"), &*event("lo"), end, "data: [DONE]\n\n"];
    let (shelf, server) = (Shelf::new(), streaming(&chunks).await);
    for builder in [
        Cassette::record(shelf.path(), server.url()),
        Cassette::replay(shelf.path()),
        Cassette::replay(shelf.path()).split_every_byte(),
    ] {
        let cassette = builder.start().await.unwrap();
        let llm = Llm::builder().provider(cassette.openai("sk-canary")).build().unwrap();
        let stream = llm.stream(ChatRequest::new("m").user("Hi")).await.unwrap();
        assert_eq!(stream.accumulate().await.unwrap().text(), "Hello");
        cassette.finish();
    }
    assert_eq!(server.requests().len(), 1);
    let calls = Cassettes::load(shelf.path().parent().unwrap()).unwrap();
    let call = calls.iter().next().unwrap();
    assert_eq!((&*call.host, call.arrivals.len(), call.end), ("127.0.0.1", 4, End::Eof));
}

#[tokio::test]
async fn a_provider_is_asked_in_the_words_of_its_own_address() {
    let answer = json!({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]});
    let head = "200 OK\r\ncontent-type: application/json";
    let (shelf, server) = (Shelf::new(), Server::answer(head, answer.to_string()).await);
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let groq = OpenAi::groq("k").http(cassette.http());
    let llm = Llm::builder().provider(cassette.openai("k")).provider(groq).build().unwrap();
    for model in ["openai/m", "groq/m"] {
        let request = ChatRequest::new(model).user("Hi").max_tokens(5);
        assert_eq!(llm.chat(request).await.unwrap().text(), "Hello");
    }
    cassette.finish();
    let lines = server.requests().into_iter().map(|request| request.line);
    let lines: Vec<String> = lines.collect();
    assert_eq!(
        lines,
        ["POST /v1/chat/completions HTTP/1.1", "POST /openai/v1/chat/completions HTTP/1.1"]
    );
    // A server on this machine would be asked for `max_tokens`.
    assert_eq!(server.requests()[0].body["max_completion_tokens"], 5);
}

#[tokio::test]
async fn a_connection_that_broke_breaks_again() {
    let shelf = Shelf::new();
    let server = Server::start(vec![head(), chunk("data: 1\n\n")], true).await;
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let expected = (vec!["data: 1\n\n".into()], false);
    assert_eq!(pieces(post(&cassette.url(), &question("Hi")).await).await, expected);
    cassette.finish();
    assert!(shelf.text().ends_with("\"end\":\"reset\"}}\n"), "{}", shelf.text());

    let cassette = replay(&shelf.path()).await;
    assert_eq!(pieces(post(&cassette.url(), &question("Hi")).await).await, expected);
    cassette.finish();
}

#[tokio::test]
async fn a_silence_stays_silent() {
    let shelf = Shelf::new();
    let server = Server::start(vec![head(), chunk("data: 1\n\n"), Step::UntilClosed], true).await;
    let cassette = Cassette::record(shelf.path(), server.url())
        .patience(Duration::from_millis(300))
        .start()
        .await
        .unwrap();
    let (pieces, whole) = pieces(post(&cassette.url(), &question("Hi")).await).await;
    assert_eq!((pieces.concat(), whole), (b"data: 1\n\n".to_vec(), false));
    cassette.finish();
    assert!(shelf.text().ends_with("\"end\":\"timeout\"}}\n"), "{}", shelf.text());

    let cassette = replay(&shelf.path()).await;
    let mut response = post(&cassette.url(), &question("Hi")).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    assert!(timeout(Duration::from_millis(100), response.chunk()).await.is_err());
    cassette.finish();
}

#[tokio::test]
async fn an_error_and_its_time_to_retry_are_recorded() {
    let body = r#"{"error":{"message":"slow down"}}"#;
    let head = "429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 7";
    let (shelf, server) = (Shelf::new(), Server::answer(head, body).await);
    for builder in [Cassette::record(shelf.path(), server.url()), Cassette::replay(shelf.path())] {
        let cassette = builder.start().await.unwrap();
        let response = post(&cassette.url(), &question("Hi")).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.text().await.unwrap(), body);
        cassette.finish();
    }
}

/// A call without a body, whose answer takes an hour.
const SLOW: &str = r#"{"cassette":1,"recorded":"2026-11-26","recorder":"by hand"}
{"req":{"method":"GET","path":"/v1/models","headers":{},"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
{"res":{"status":200,"headers":[["content-type","text/plain"]],"chunks":[[0,"soon"],[3600000,"late"]],"end":"eof"}}
"#;

#[tokio::test]
async fn a_replay_takes_the_time_it_is_told_to() {
    let shelf = Shelf::new();
    fs::create_dir_all(shelf.path().parent().unwrap()).unwrap();
    fs::write(shelf.path(), SLOW).unwrap();
    for (speed, at_least) in [(0.0, 0), (f64::NAN, 0), (36_000.0, 100)] {
        let cassette = Cassette::replay(shelf.path()).speed(speed).start().await.unwrap();
        let start = Instant::now();
        let response = client().get(format!("{}/v1/models", cassette.url())).send();
        let (pieces, _) = timeout(PATIENCE, pieces(response.await.unwrap())).await.unwrap();
        assert_eq!(pieces, ["soon", "late"]);
        assert!(start.elapsed() >= Duration::from_millis(at_least), "at {speed}");
        cassette.finish();
    }
    let cassette = Cassette::replay(shelf.path()).speed(1.0).start().await.unwrap();
    let response = client().get(format!("{}/v1/models", cassette.url())).send();
    let mut response = response.await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "soon");
    assert!(timeout(Duration::from_millis(50), response.chunk()).await.is_err());
    cassette.finish();
}

#[tokio::test]
async fn calls_that_are_missing_are_added() {
    let (shelf, server) = (Shelf::new(), streaming(&["data: 1\n\n"]).await);
    for asked in [vec!["a"], vec!["a", "b"], vec!["a", "b", "b"]] {
        let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
        for text in asked {
            pieces(post(&cassette.url(), &question(text)).await).await;
        }
        cassette.finish();
    }
    assert_eq!(server.requests().len(), 3);
    let cassette = replay(&shelf.path()).await;
    for text in ["b", "a", "b"] {
        pieces(post(&cassette.url(), &question(text)).await).await;
    }
    cassette.finish();
}

#[tokio::test]
async fn a_renewed_cassette_has_the_new_calls_only() {
    let (shelf, server) = (Shelf::new(), streaming(&["data: 1\n\n"]).await);
    for text in ["old", "new"] {
        let cassette = Cassette::replay(shelf.path()).upstream(server.url());
        let cassette = cassette.mode(Mode::RecordAll).start().await.unwrap();
        pieces(post(&cassette.url(), &question(text)).await).await;
        cassette.finish();
    }
    assert!(shelf.text().contains("new") && !shelf.text().contains("old"));
    assert_eq!(server.requests().len(), 2);

    // What could not be recorded does not take the place of what was.
    let cassette = Cassette::replay(shelf.path()).upstream("http://127.0.0.1:1");
    let cassette = cassette.mode(Mode::RecordAll).start().await.unwrap();
    let response = post(&cassette.url(), &question("x")).await;
    assert_eq!(response.status(), 400);
    let told = response.text().await.unwrap();
    assert!(told.contains("POST / was not recorded: no connection"), "{told}");
    let complaint = complaint(cassette.try_finish());
    assert!(complaint.contains("POST / was not recorded: no connection"), "{complaint}");
    assert!(shelf.text().contains("new"));
}

#[tokio::test]
async fn a_recording_is_verified_by_its_shape() {
    let (shelf, server) = (Shelf::new(), streaming(&["data: {\"id\":1,\"a\":\"x\"}\n\n"]).await);
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    pieces(post(&cassette.url(), &question("Hi")).await).await;
    cassette.finish();
    let text = shelf.text();
    for (answer, expected) in [
        ("data: {\"id\":2,\"a\":\"\",\"new\":true}\n\n", None),
        (
            "data: {\"id\":\"2\"}\n\n",
            Some(
                "POST / has changed: event/a is missing, and was a text\n  \
                 POST / has changed: event/id is a text, and was a number",
            ),
        ),
    ] {
        let server = streaming(&[answer]).await;
        let cassette = Cassette::replay(shelf.path()).upstream(server.url()).mode(Mode::Verify);
        let cassette = cassette.start().await.unwrap();
        let (pieces, _) = pieces(post(&cassette.url(), &question("Hi")).await).await;
        assert_eq!(pieces.concat(), answer.as_bytes());
        match expected {
            None => cassette.finish(),
            Some(expected) => {
                let complaint = complaint(cassette.try_finish());
                assert!(complaint.ends_with(expected), "{complaint}");
            }
        }
        assert_eq!(shelf.text(), text);
    }
    // What was never recorded is not asked for.
    let cassette = Cassette::replay(shelf.path()).upstream(server.url()).mode(Mode::Verify);
    let cassette = cassette.start().await.unwrap();
    assert_eq!(post(&cassette.url(), &question("Ho")).await.status(), 400);
    assert!(complaint(cassette.try_finish()).contains("/body/messages/0/content"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_too_early_leaves_nothing() {
    let shelf = Shelf::new();
    let server = Server::start(vec![head(), chunk("data: 1\n\n"), Step::UntilClosed], true).await;
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let mut response = post(&cassette.url(), &question("Hi")).await;
    response.chunk().await.unwrap();
    drop(response);
    timeout(PATIENCE, cassette.settled()).await.unwrap();
    let complaint = complaint(cassette.try_finish());
    assert!(complaint.ends_with("its client left before the end"), "{complaint}");
    assert!(shelf.files().is_empty());
}

#[tokio::test]
async fn a_client_may_leave_after_the_last_event() {
    let shelf = Shelf::new();
    let steps = vec![head(), chunk("data: 1\n\n"), chunk("data: [DONE]\n\n"), send("0\r\n\r\n")];
    let server = Server::start(steps, false).await;
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let mut response = post(&cassette.url(), &question("Hi")).await;
    response.chunk().await.unwrap();
    drop(response);
    cassette.settled().await;
    cassette.finish();
    assert!(shelf.text().contains("[DONE]"));
}

#[tokio::test]
async fn only_what_fits_is_written_and_read() {
    let (shelf, server) = (Shelf::new(), streaming(&[&"x".repeat(2000)]).await);
    let record = || Cassette::record(shelf.path(), server.url());
    for (bytes_max, expected) in [
        (1000, "and 1000 are allowed: ask for less, or set `bytes_max`"),
        (2100, "and 2100 are allowed: ask for less, or set `bytes_max`"),
    ] {
        let cassette = record().bytes_max(bytes_max).start().await.unwrap();
        let (pieces, _) = pieces(post(&cassette.url(), &question("Hi")).await).await;
        assert_eq!(pieces.concat().len(), 2000);
        let complaint = complaint(cassette.try_finish());
        assert!(complaint.contains(expected), "{complaint}");
        assert!(shelf.files().is_empty());
    }
    let cassette = record().start().await.unwrap();
    pieces(post(&cassette.url(), &question("Hi")).await).await;
    cassette.finish();
    let error = Cassette::replay(shelf.path()).bytes_max(2100).start().await.unwrap_err();
    assert!(error.to_string().contains("and 2100 are allowed"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_said_at_the_start() {
    let shelf = Shelf::new();
    let error = Cassette::replay(shelf.path()).start().await.unwrap_err();
    assert!(matches!(error, CassetteError::Load(_)), "{error}");
    let error = Cassette::record("x.yaml", "http://127.0.0.1:1").start().await.unwrap_err();
    assert!(matches!(error, CassetteError::Yaml(_)), "{error}");
    let error = Cassette::record(shelf.path(), "openai").start().await.unwrap_err();
    assert!(matches!(error, CassetteError::Upstream(_)), "{error}");
    let error = Cassette::replay(shelf.path()).ignore("id").start().await.unwrap_err();
    assert_eq!(error.to_string(), "\"id\" is no JSON pointer, which begins with a slash");
}
