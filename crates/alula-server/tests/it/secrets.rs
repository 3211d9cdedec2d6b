//! Keys stay where they are.

use serde_json::json;

use crate::{
    process::{NOBODY, serve},
    upstream::{STREAM_HEAD, Upstream, answer, token},
};

const OPENAI_KEY: &str = "sk-canary-of-openai";
const ANTHROPIC_KEY: &str = "sk-canary-of-anthropic";
/// In the URL of the provider, where a proxy may want it.
const PASSWORD: &str = "canary-of-the-url";

/// What a provider may say to someone whose key it has, each in another place.
fn replies() -> Vec<String> {
    let mut replies = Vec::new();
    for key in [OPENAI_KEY, ANTHROPIC_KEY] {
        let error = json!({"error": {"message": format!("the key {key} is wrong"), "code": key,
            "type": key}});
        for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found", "500 Broken"] {
            let head = format!("{status}\r\nx-request-id: {key}\r\nrequest-id: {key}");
            replies.push(answer(&head, &error.to_string()));
        }
        replies.push(answer("502 Bad Gateway", &format!("<html>{key}</html>")));
        replies.push(answer("200 OK", &format!("not JSON: {key}")));
        replies.push(answer(&format!("301 Moved\r\nlocation: http://{key}.example/"), "{}"));
        replies.push(format!("HTTP/1.1 200 OK\r\ncontent-type: text/{key}\r\n\r\n"));
        replies.push(format!("{STREAM_HEAD}data: {error}\n\n"));
        replies.push(format!("{STREAM_HEAD}{}data: {error}\n\n", token("a")));
        replies.push(format!("{STREAM_HEAD}{}data: not JSON: {key}\n\n", token("a")));
    }
    replies
}

#[tokio::test]
async fn no_key_is_logged_or_told_whatever_a_provider_says() {
    let upstream = Upstream::start();
    let url = upstream.url().replace("://", &format!("://user:{PASSWORD}@"));
    let alula = serve()
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "0")
        .env("OPENAI_API_KEY", OPENAI_KEY)
        .env("OPENAI_BASE_URL", format!("{url}?key={PASSWORD}"))
        .env("ANTHROPIC_API_KEY", ANTHROPIC_KEY)
        .env("ANTHROPIC_BASE_URL", &url)
        .env("ALULA_LOG", "trace")
        .listen();
    for model in ["openai/m", "anthropic/m"] {
        let key = if model == "openai/m" { OPENAI_KEY } else { ANTHROPIC_KEY };
        for reply in replies().iter().filter(|reply| reply.contains(key)) {
            for path in ["/chat", "/chat/stream", "/batch"] {
                let question = json!({"message": "Hi", "model": model});
                let question = if path == "/batch" { json!([question]) } else { question };
                let answering = async { upstream.call().await.answer(reply).await };
                let (_, answer) = tokio::join!(answering, alula.post(path, &question));
                assert!(!format!("{answer:?}").contains("canary"), "{reply}\n{answer:?}");
            }
        }
    }
    let ended = alula.end();
    assert!(ended.stderr.contains("TRACE"), "the log is not a trace");
    let line = ended.stderr.lines().find(|line| line.contains("canary"));
    assert_eq!(line, None);
    assert!(!ended.stdout.contains("canary"), "{}", ended.stdout);
}

#[test]
fn no_key_is_told_when_the_start_fails() {
    for url in ["ftp://user:canary@x.example", "canary"] {
        let ended = serve().env("OPENAI_API_KEY", OPENAI_KEY).env("OPENAI_BASE_URL", url).end();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.stderr.contains(OPENAI_KEY), "{ended:?}");
        assert!(url == "canary" || !ended.stderr.contains("canary"), "{ended:?}");
    }
    let unsendable =
        serve().env("OPENAI_API_KEY", "sk-canary\u{7f}").env("OPENAI_BASE_URL", NOBODY);
    let ended = unsendable.env("ALULA_LOG", "trace").end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
}
