//! What was not recorded, and what was not asked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use alula_llm::{ChatRequest, ErrorKind, Llm, testing::Cassette};
use serde_json::Value;

use super::{Shelf, complaint, pieces, post, question, replay, streaming};

/// A cassette of these questions.
async fn recorded(questions: &[&str]) -> Shelf {
    let (shelf, server) = (Shelf::new(), streaming(&["data: 1\n\n"]).await);
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    for text in questions {
        let url = format!("{}/v1/chat/completions", cassette.url());
        pieces(post(&url, &question(text)).await).await;
    }
    cassette.finish();
    shelf
}

async fn ask(cassette: &Cassette, text: &str) -> (u16, String) {
    let url = format!("{}/v1/chat/completions", cassette.url());
    let response = post(&url, &question(text)).await;
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_call_that_was_not_recorded_is_told_to_its_client_and_fails_the_test() {
    let shelf = recorded(&["Hi"]).await;
    let cassette = replay(&shelf.path()).await;
    assert_eq!(ask(&cassette, "Hi").await.0, 200);
    let miss = format!(
        "no recording of POST /v1/chat/completions matches; the nearest is {}\n  \
         /body/messages/0/content: expected \"Hi\", got \"Ho\"",
        shelf.path().display()
    );
    let (status, body) = ask(&cassette, "Ho").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["error"]["message"].as_str().unwrap()), (400, &*miss));

    let expected = format!(
        "the cassette {} was not kept\n  {}",
        shelf.path().display(),
        miss.replace('\n', "\n  ")
    );
    assert_eq!(complaint(cassette.try_finish()), expected);
}

#[tokio::test]
async fn a_provider_says_what_was_not_recorded() {
    let shelf = recorded(&["Hi"]).await;
    let cassette = replay(&shelf.path()).await;
    let llm = Llm::builder()
        .provider(cassette.openai("k"))
        .provider(cassette.responses("k"))
        .provider(cassette.anthropic("k"))
        .provider(cassette.gemini("k"))
        .provider(cassette.cohere("k"))
        .build()
        .unwrap();
    for name in ["openai", "responses", "anthropic", "gemini", "cohere"] {
        let request = ChatRequest::new(format!("{name}/m")).user("Ho");
        let error = llm.chat(request).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest, "{name}: {error}");
        assert!(error.to_string().contains("no recording of POST /"), "{name}: {error}");
    }
    // One for each call, since none was tried again, and the recording that was not asked.
    assert_eq!(complaint(cassette.try_finish()).matches("no recording of").count(), 5);
}

#[tokio::test]
async fn each_recording_answers_once() {
    let shelf = recorded(&["a", "b", "a", "c"]).await;
    let cassette = replay(&shelf.path()).await;
    for (text, status) in [("a", 200), ("a", 200), ("a", 400)] {
        assert_eq!(ask(&cassette, text).await.0, status);
    }
    let path = shelf.path();
    let path = path.display();
    assert_eq!(
        complaint(cassette.try_finish()),
        format!(
            "the cassette {path} was not kept\n  \
             POST /v1/chat/completions was asked more often than it is recorded in {path}\n  \
             POST /v1/chat/completions, number 2 of the cassette, was not asked\n  \
             POST /v1/chat/completions, number 4 of the cassette, was not asked"
        )
    );
}

#[tokio::test]
async fn places_that_are_always_different_can_be_ignored() {
    let shelf = recorded(&["Hi"]).await;
    let cassette =
        Cassette::replay(shelf.path()).ignore("/messages/*/content").start().await.unwrap();
    assert_eq!(ask(&cassette, "Ho").await.0, 200);
    cassette.finish();
}

fn panic_text(panics: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(panics)).err()?;
    Some(*payload.downcast::<String>().unwrap())
}

#[tokio::test]
async fn a_cassette_that_is_dropped_or_finished_says_what_was_not_asked() {
    let shelf = recorded(&["Hi"]).await;
    for finish in [Cassette::finish, drop] {
        let cassette = replay(&shelf.path()).await;
        let text = panic_text(move || finish(cassette)).unwrap();
        assert!(text.ends_with("number 1 of the cassette, was not asked"), "{text}");
        let cassette = replay(&shelf.path()).await;
        assert_eq!(ask(&cassette, "Hi").await.0, 200);
        assert_eq!(panic_text(move || finish(cassette)), None);
    }
}

#[tokio::test]
async fn a_test_that_fails_fails_for_its_own_reason() {
    let shelf = recorded(&["Hi"]).await;
    let cassette = replay(&shelf.path()).await;
    let text = panic_text(move || {
        let _cassette = cassette;
        panic!("{}", "the reason");
    });
    assert_eq!(text.unwrap(), "the reason");
}

#[tokio::test]
async fn a_test_that_fails_keeps_what_was_paid_for() {
    let (shelf, server) = (Shelf::new(), streaming(&["data: 1\n\n"]).await);
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    ask(&cassette, "Hi").await;
    panic_text(move || {
        let _cassette = cassette;
        panic!("{}", "the reason");
    });
    let cassette = replay(&shelf.path()).await;
    assert_eq!(ask(&cassette, "Hi").await.0, 200);
    cassette.finish();
}
