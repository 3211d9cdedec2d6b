use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;
use crate::model::Media;

#[track_caller]
fn check_near(estimate: u64, truth: u64) {
    let off = estimate.abs_diff(truth) * 100 / truth;
    assert!(off <= 20, "{estimate} for {truth}, which is {off} % off");
}

#[test]
fn texts_of_many_scripts_are_estimated() {
    // Counted by `o200k_base`.
    for (text, truth) in [
        ("Yesterday the weather was lovely, so I went to the park with my friends.", 16),
        ("Hier, il faisait très beau, alors je suis allé au parc avec mes amis.", 17),
        ("Вчера была прекрасная погода, и мы с друзьями пошли гулять в парк.", 20),
        ("昨天我在公园里散步的时候，看到许多人一边走路一边看手机。", 22),
        ("昨日は天気がとても良かったので、友達と一緒に公園へ行きました。", 24),
        ("어제는 날씨가 매우 좋아서 친구와 함께 공원에 갔습니다.", 19),
        ("कल मौसम बहुत अच्छा था, इसलिए मैं अपने दोस्तों के साथ पार्क में गया।", 16),
        (r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#, 19),
        ("fn take_string(&mut self, key: &str) -> Option<String> {\n    self.get(key)?\n}", 23),
    ] {
        check_near(text::tokens(text), truth);
    }
    assert_eq!(text::tokens(""), 0);
}

#[test]
fn a_long_text_is_looked_at_here_and_there() {
    let (latin, han) = ("hello world ".repeat(200_000), "你好世界".repeat(200_000));
    check_near(text::tokens(&latin), 400_000);
    check_near(text::tokens(&format!("{latin}{han}")), 400_000 + 600_000);
    let begin = Instant::now();
    text::tokens(&"x".repeat(50 << 20));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[test]
fn only_base64_is_a_picture() {
    let prompt = |text: &str| {
        let body = json!({"model": "m", "max_tokens": 0, "messages": [{"content": text}]});
        let request = RelayRequest::new(crate::model::Protocol::OpenAiChat, body.to_string());
        request.unwrap().tokens_to_take(None)
    };
    let data = STANDARD.encode([0xfb; 300_000]);
    for picture in [format!("data:image/png;base64,{data}"), data] {
        assert!((1_000..1_100).contains(&prompt(&picture)), "{}", prompt(&picture));
    }
    for text in ["昨天我在公园里散步的时候".repeat(10_000), "a=b(c);".repeat(50_000)] {
        assert!(prompt(&text) > 80_000, "{}", prompt(&text));
    }
}

#[test]
fn messages_tools_and_the_answer_count() {
    let plain = ChatRequest::new("some-model").user("hello");
    let prompt = plain.estimate_tokens();
    assert_eq!(tokens(&plain), Tokens { prompt, answer: ANSWER });
    assert_eq!(tokens(&plain.clone().max_tokens(50)).answer, 50);
    let many = ChatRequest { n: Some(3), ..plain.clone().max_tokens(u64::MAX) };
    assert_eq!(tokens(&many).answer, u64::MAX);
    assert!(plain.clone().assistant("hi").estimate_tokens() > prompt);
    let tool = FunctionTool::new("weather", "Tells it", json!({"type": "object"}));
    let tooled = ChatRequest { model: "claude-sonnet-5".to_owned(), ..plain }.tool(tool);
    assert!(tooled.estimate_tokens() > prompt + 346, "what Claude is told about tools");
}

fn picture(head: &[u8]) -> Part {
    let bytes = [head, &[0; 64]].concat();
    Part::Image(Media::bytes("image/x", bytes))
}

#[test]
fn pictures_count_by_their_size() {
    let png = |width: u32, height: u32| {
        let mut head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        head.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
        picture(&head)
    };
    let gif = picture(b"GIF89a\x00\x04\x00\x04");
    let webp = picture(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x03\0\xff\x03\0");
    // A segment of the camera comes before the frame.
    let camera = [b"\xff\xd8\xff\xe1\x10\x02".as_slice(), &[7; 0x1000]].concat();
    let jpeg = picture(&[&camera, b"\xff\xc0\0\x11\x08\x04\0\x04\0".as_slice()].concat());
    let address = Part::Image(Media::url("https://example.com/a.png"));
    let count = |model: &str, part: &Part| {
        let request = ChatRequest::new(model).user_parts([part.clone()]);
        request.estimate_tokens() - ChatRequest::new(model).user_parts([]).estimate_tokens()
    };
    // The example of OpenAI's page: four tiles of 170 and 85.
    for part in [&png(1024, 1024), &gif, &webp, &jpeg, &address] {
        assert_eq!(count("gpt-4o", part), 765);
    }
    assert_eq!(count("gpt-4o", &png(2048, 4096)), 1_105);
    assert_eq!(count("claude-sonnet-5", &png(1000, 1000)), 1_334);
    assert_eq!(count("claude-sonnet-5", &png(8000, 8000)), 1_600);
    assert_eq!(count("gemini-2.5-flash", &png(300, 300)), 258);
    assert_eq!(count("gemini-2.5-flash", &png(1000, 700)), 516);
    assert_eq!(count("gpt-4o", &png(0, 5)), 765, "a picture that is none");
    assert_eq!(count("gpt-4o", &png(u32::MAX, 1)), 85 + 4 * 170);

    let mut low = Media::url("https://example.com/a.png");
    low.extra.insert("detail".to_owned(), "low".into());
    assert_eq!(count("gpt-4o", &Part::Image(low)), 85);
}

#[test]
fn sounds_and_documents_count_by_what_is_known() {
    let count =
        |part: Part| ChatRequest::new("gemini-2.5-pro").user_parts([part]).estimate_tokens();
    // Almost ten seconds at 128 kbit/s.
    assert_eq!(count(Part::Audio(Media::bytes("audio/mpeg", vec![0; 150_000]))), 320);
    assert_eq!(count(Part::File(Media::file("abc"))), 258);
    let text = "hello world ".repeat(100);
    assert_eq!(count(Part::File(Media::text(text.clone()))), text::tokens(&text));
}

#[test]
fn pictures_that_are_broken_do_no_harm() {
    for bytes in
        [&b"\xff\xd8"[..], b"\xff\xd8\xff\xe1\0\0", b"\xff\xd8\xff\xe0\xff\xff", b"RIFF", b""]
    {
        for cut in 0..=bytes.len() {
            let data = STANDARD.encode(bytes[..cut].repeat(9));
            let part = Part::Image(Media::from(crate::model::Source::Base64(data)));
            assert!(ChatRequest::new("gpt-4o").user_parts([part]).estimate_tokens() > 700);
        }
    }
}

#[test]
fn models_are_known_by_their_names() {
    for (model, family) in [
        ("gpt-4o-2024-08-06", Family::OpenAi),
        ("openai/gpt-5.4-mini", Family::OpenAi),
        ("ft:gpt-4.1:org::id", Family::OpenAi),
        ("o3", Family::OpenAi),
        ("gpt-4-turbo", Family::OldOpenAi),
        ("gpt-3.5-turbo", Family::OldOpenAi),
        ("anthropic/claude-opus-5", Family::Claude),
        ("gemini-2.5-pro", Family::Gemini),
        ("llama-3.3-70b", Family::Other),
        ("", Family::Other),
    ] {
        assert_eq!(Family::of(model), family, "{model}");
    }
}

#[cfg(feature = "tiktoken")]
mod exact {
    use super::*;

    /// The tokenizer, once it has been read.
    fn exact(family: Family) -> tokenizer::Exact {
        loop {
            if let Some(exact) = tokenizer::Exact::of(family) {
                return exact;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn openais_texts_are_counted() {
        let text = "Yesterday the weather was lovely, so I went to the park with my friends.";
        assert_eq!(exact(Family::OpenAi).tokens(text), 16);
        // The example of OpenAI's cookbook, as it is counted by both.
        let birthday = "お誕生日おめでとう";
        assert_eq!(exact(Family::OpenAi).tokens(birthday), 8);
        assert_eq!(exact(Family::OldOpenAi).tokens(birthday), 9);
        assert!(tokenizer::Exact::of(Family::Claude).is_none());
        let request = ChatRequest::new("gpt-4o").user(text);
        assert_eq!(request.estimate_tokens(), 16 + 3 + 3);
    }

    #[test]
    fn what_is_not_counted_is_estimated_by_what_was() {
        let mut counter = exact(Family::OpenAi);
        // Tokens that no estimate knows of: so many signs are two.
        let line = "================================================================\n";
        let per_line = counter.tokens(line) as f64;
        let lines = 20_000;
        let estimate = counter.tokens(&line.repeat(lines)) as f64;
        let truth = per_line * lines as f64;
        assert!((estimate / truth - 1.0).abs() < 0.05, "{estimate} for {truth}");
    }

    #[test]
    fn the_worst_text_does_not_take_long() {
        let mut counter = exact(Family::OpenAi);
        let begin = Instant::now();
        counter.tokens(&"a".repeat(10 << 20));
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}
