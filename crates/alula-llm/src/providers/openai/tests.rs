use serde_json::json;

use super::*;

#[track_caller]
fn url(base: &str) -> String {
    OpenAi::compatible("x", base).url().unwrap().to_string()
}

#[test]
fn base_urls_come_in_many_forms() {
    let whole = "http://localhost:8000/v1/chat/completions";
    for base in [
        "http://localhost:8000",
        "http://localhost:8000/",
        "http://localhost:8000/v1",
        "http://localhost:8000/v1/",
        whole,
    ] {
        assert_eq!(url(base), whole, "{base}");
    }
    assert_eq!(
        url("https://api.groq.com/openai/v1"),
        "https://api.groq.com/openai/v1/chat/completions"
    );
    assert_eq!(
        url("https://x.example/openai/deployments/d?api-version=1"),
        "https://x.example/openai/deployments/d/chat/completions?api-version=1"
    );
}

#[test]
fn a_bad_base_url_or_key_is_found_before_the_first_call() {
    for mut openai in [
        OpenAi::new("k").base_url("localhost:11434"),
        OpenAi::new("k").base_url("ftp://x"),
        OpenAi::new("k\n\u{e9}y"),
        OpenAi::new("k").header("bad name", "x"),
    ] {
        let error = openai.prepare(&crate::Http::default()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Config);
    }
}

#[test]
fn no_key_is_shown() {
    let openai =
        OpenAi::new("sk-secret").base_url("https://user:sk-secret@x.example/?key=sk-secret");
    assert!(!format!("{openai:?}").contains("secret"));
}

#[test]
fn the_limit_of_tokens_has_the_name_that_the_server_knows() {
    let request = ChatRequest::new("m").user("hi").max_tokens(5);
    let official = OpenAi::new("k").request_json(&request, false).unwrap();
    assert_eq!(official["max_completion_tokens"], 5);
    let ollama = OpenAi::compatible("ollama", "http://localhost:11434");
    assert_eq!(ollama.request_json(&request, false).unwrap()["max_tokens"], 5);

    // Where the other fields came from makes no difference.
    let read = |body| request_from_json(body).unwrap();
    let set_later = read(json!({"model": "m", "messages": [], "seed": 1})).max_tokens(5);
    let written = OpenAi::new("k").request_json(&set_later, false).unwrap();
    assert_eq!(
        written,
        json!({"model": "m", "messages": [], "seed": 1, "max_completion_tokens": 5})
    );
    for name in ["max_tokens", "max_completion_tokens"] {
        let spelled = json!({"model": "m", "messages": [], name: 5});
        let written = OpenAi::new("k").request_json(&read(spelled.clone()), false).unwrap();
        assert_eq!(written, spelled);
    }
}

#[test]
fn the_address_of_openai_is_known_by_its_host() {
    for (url, official) in [
        ("https://api.openai.com", true),
        ("https://API.OpenAI.com:443/v1/", true),
        ("https://eu.api.openai.com/v1", true),
        ("https://api.openai.com.evil.example/v1", false),
        ("https://notapi.openai.com/v1", false),
        ("https://proxy.example/api.openai.com", false),
        ("nonsense", false),
    ] {
        assert_eq!(is_official(&OpenAi::new("k").base_url(url).endpoint), official, "{url}");
    }
}
