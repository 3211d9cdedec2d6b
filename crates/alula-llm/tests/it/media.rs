//! Pictures, sounds and documents: what each provider takes, and how it is told.

use alula_llm::{
    Anthropic, ChatRequest, Cohere, ErrorKind, Gemini, Media, Message, OpenAi, OpenAiResponses,
    Part, Result, Role,
    model::{Protocol, ToolResult},
};
use serde_json::{Value, json};

type Write = Box<dyn Fn(&ChatRequest) -> Result<Value>>;

fn openai(provider: OpenAi) -> Write {
    Box::new(move |request| provider.request_json(request, false))
}

/// How a provider is asked, and whether it takes an image, a sound and a document by URL, as bytes
/// and as an uploaded file, each `x` or `-`.
fn providers() -> Vec<(&'static str, &'static str, Write)> {
    let anthropic = |request: &ChatRequest| Anthropic::new("k").request_json(request, false);
    let gemini = |request: &ChatRequest| Gemini::new("k").request_json(request, false);
    let cohere = |request: &ChatRequest| Cohere::new("k").request_json(request, false);
    let responses = |request: &ChatRequest| OpenAiResponses::new("k").request_json(request, false);
    vec![
        ("openai", "xx- -x- -xx", openai(OpenAi::new("k"))),
        ("azure", "xx- -x- -xx", openai(OpenAi::azure_v1("https://x.example", "k"))),
        ("groq", "xx- --- ---", openai(OpenAi::groq("k"))),
        ("mistral", "xx- xx- xxx", openai(OpenAi::mistral("k"))),
        ("deepseek", "--- --- ---", openai(OpenAi::deepseek("k"))),
        ("openrouter", "xx- -x- xx-", openai(OpenAi::openrouter("k"))),
        ("cerebras", "xx- --- ---", openai(OpenAi::cerebras("k"))),
        ("xai", "xx- --- --x", openai(OpenAi::xai("k"))),
        ("together", "xx- --- ---", openai(OpenAi::together("k"))),
        ("ollama", "-x- --- ---", openai(OpenAi::ollama())),
        ("vllm", "xx- xx- ---", openai(OpenAi::vllm())),
        ("llama-cpp", "xx- -x- ---", openai(OpenAi::llama_cpp())),
        ("lm-studio", "-x- --- ---", openai(OpenAi::lm_studio())),
        ("openai", "xxx -x- xxx", Box::new(responses)),
        ("anthropic", "xxx --- xxx", Box::new(anthropic)),
        ("gemini", "xxx xxx xxx", Box::new(gemini)),
        // Documents are text, which a PDF is not.
        ("cohere", "xx- --- ---", Box::new(cohere)),
    ]
}

const URL: &str = "https://files.example/it";
const BYTES: &str = "AAAA";
const ID: &str = "file-123";

fn media(place: usize, media_type: &str) -> Media {
    let mut media = match place {
        0 => Media::url(URL),
        1 => Media::bytes(media_type, [0, 0, 0]),
        _ => Media::file(ID),
    };
    media.media_type = Some(media_type.to_owned());
    media
}

#[test]
fn each_provider_takes_what_it_can_and_says_what_it_cannot() {
    let part = |kind: usize, place| match kind {
        0 => Part::Image(media(place, "image/png")),
        1 => Part::Audio(media(place, "audio/mp3")),
        _ => Part::File(media(place, "application/pdf")),
    };
    for (name, takes, write) in providers() {
        for (kind, ways) in takes.split(' ').enumerate() {
            for (place, way) in ways.chars().enumerate() {
                let request =
                    ChatRequest::new("m").user_parts([Part::text("?"), part(kind, place)]);
                let case = format!("{name}: {} {place}", ["image", "sound", "document"][kind]);
                match write(&request) {
                    Ok(body) => {
                        assert_eq!(way, 'x', "{case} is {body}");
                        let sent = body.to_string();
                        assert!(sent.contains([URL, BYTES, ID][place]), "{case} is {sent}");
                        assert!(!sent.contains("alula"), "{case} is {sent}");
                    }
                    Err(error) => {
                        assert_eq!(way, '-', "{case}: {error}");
                        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
                        let message = error.message().to_lowercase();
                        assert!(message.contains(name), "{case}: {message}");
                        let words =
                            [["an image", "images"], ["sound", ""], ["a document", "documents"]];
                        assert!(words[kind].iter().any(|it| message.contains(it)), "{message}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_error_says_which_part_and_what_would_do() {
    let image = || Part::Image(Media::url(URL));
    let result = ToolResult { id: "1".to_owned(), parts: vec![image()], ..ToolResult::default() };
    let text = |request: &ChatRequest, provider: OpenAi| {
        provider.request_json(request, false).unwrap_err().message().to_owned()
    };
    let asks = ChatRequest::new("m").system("s").user_parts([Part::text("?"), image()]);
    assert_eq!(
        text(&asks, OpenAi::ollama()),
        "messages[1].parts[1]: ollama takes an image as bytes, and not by URL"
    );
    assert_eq!(
        text(&asks, OpenAi::deepseek("k").name("mine")),
        "messages[1].parts[1]: mine takes no images"
    );
    let results =
        ChatRequest::new("m").message(Message::new(Role::Tool, vec![Part::ToolResult(result)]));
    assert!(text(&results, OpenAi::ollama()).starts_with("messages[0].parts[0].parts[0]: "));
    let by_id = ChatRequest::new("m").user_parts([Part::Image(Media::file(ID))]);
    assert_eq!(
        text(&by_id, OpenAi::groq("k")),
        "messages[0].parts[0]: groq takes an image by URL or as bytes, and not as an uploaded file"
    );
    let words = ChatRequest::new("m").user_parts([Part::Image(Media::text("a cat"))]);
    assert_eq!(text(&words, OpenAi::new("k")), "messages[0].parts[0]: an image cannot be text");
}

#[test]
fn what_a_server_fetches_itself_has_its_own_form() {
    let content = |provider: OpenAi, part: Part| {
        // Whoever wrote the request: here a client of another protocol.
        let mut request = ChatRequest::new("m").user_parts([part]);
        request.messages[0].origin = Some(Protocol::GeminiGenerate);
        provider.request_json(&request, false).unwrap()["messages"][0]["content"][0].clone()
    };
    let sound = || Part::Audio(Media::url(URL));
    let file = || Part::File(Media::url(URL).name("a.pdf"));
    let expected = json!({"type": "input_audio", "input_audio": URL});
    assert_eq!(content(OpenAi::mistral("k"), sound()), expected);
    let expected = json!({"type": "audio_url", "audio_url": {"url": URL}});
    assert_eq!(content(OpenAi::vllm(), sound()), expected);
    let expected = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": URL}});
    assert_eq!(content(OpenAi::openrouter("k"), file()), expected);
    let expected = json!({"type": "document_url", "document_url": URL, "document_name": "a.pdf"});
    assert_eq!(content(OpenAi::mistral("k"), file()), expected);
}
