use super::*;

fn url(base: &str, model: &str, stream: bool) -> Result<String> {
    let gemini = Gemini::new("k").base_url(base);
    gemini.call_url(model, stream).unwrap().map(String::from)
}

#[test]
fn the_model_is_part_of_the_address() {
    let whole = "http://localhost:8000/v1beta/models/gemini-2.5-flash:generateContent";
    for base in [
        "http://localhost:8000",
        "http://localhost:8000/",
        "http://localhost:8000/v1beta",
        "http://localhost:8000/v1beta/models/",
    ] {
        assert_eq!(url(base, "gemini-2.5-flash", false).unwrap(), whole, "{base}");
    }
    for (base, model, expected) in [
        ("https://x.example/g?k=1", "m", "https://x.example/g/v1beta/models/m:generateContent?k=1"),
        (
            "https://x.example",
            "tunedModels/m",
            "https://x.example/v1beta/tunedModels/m:generateContent",
        ),
        ("https://x.example", "models/m", "https://x.example/v1beta/models/m:generateContent"),
        (
            "https://v.example/v1/projects/p/locations/l/publishers/google",
            "m@001",
            "https://v.example/v1/projects/p/locations/l/publishers/google/models/m@001:generateContent",
        ),
    ] {
        assert_eq!(url(base, model, false).unwrap(), expected);
    }
    let streamed = url("https://x.example?k=1", "m", true).unwrap();
    assert_eq!(streamed, "https://x.example/v1beta/models/m:streamGenerateContent?k=1&alt=sse");
}

#[test]
fn a_name_that_leads_elsewhere_is_no_model() {
    for model in
        ["", "a:countTokens", "../files", "a/../../b", "a?x=1", "a#b", "a b", "a//b", "ü", "%2e"]
    {
        let error = url("https://x.example", model, false).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest, "{model}");
    }
}

#[test]
fn the_name_of_the_model_is_not_sent_in_the_body() {
    let body = serde_json::json!({"model": "gemini/gemini-2.5-flash", "contents": []});
    let mut request = request_from_json(body).unwrap();
    assert_eq!(request.model, "gemini/gemini-2.5-flash");
    request.model = "gemini-2.5-flash".to_owned();
    let sent = Gemini::new("k").request_json(&request, false).unwrap();
    assert_eq!(sent, serde_json::json!({"contents": []}));
}
