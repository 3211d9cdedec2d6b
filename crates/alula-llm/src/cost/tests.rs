//! Worked examples of each provider: the usage as it is on the wire, and what its price list makes
//! of it.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::*;
use crate::{ErrorKind, model::Protocol};

/// A Sunday, before any of the changes that are announced.
const SUNDAY: &str = "2026-11-15";
const MONDAY: &str = "2026-11-16";

fn terms(day: &str, minute: u64) -> Terms<'static> {
    let days = date::parse_day(day).unwrap();
    Terms::now().at(UNIX_EPOCH + Duration::from_secs((days * 24 * 60 + minute) * 60))
}

fn wire(protocol: Protocol, usage: &Value) -> Usage {
    let body = match protocol {
        Protocol::OpenAiChat => json!({"choices": [], "usage": usage}),
        Protocol::OpenAiResponses => json!({"output": [], "usage": usage}),
        Protocol::AnthropicMessages => json!({"content": [], "usage": usage}),
        Protocol::GeminiGenerate => json!({"candidates": [], "usageMetadata": usage}),
        Protocol::CohereChat => json!({"message": {}, "usage": usage}),
    };
    protocol.response_from_json(body).unwrap().usage.unwrap()
}

#[track_caller]
fn check(protocol: Protocol, provider: &str, model: &str, usage: &Value, micros: u64) {
    let usage = wire(protocol, usage);
    let cost = Prices::builtin().cost_on(terms(SUNDAY, 0), provider, model, &usage);
    assert_eq!(cost.map(|cost| cost.total().get()), Some(micros), "{cost:?}");
}

#[test]
fn openai_counts_the_cache_in() {
    // 992 fresh tokens at $2.50, 1,024 cached ones at $1.25, 300 at $10.
    let usage = json!({
        "prompt_tokens": 2_016, "completion_tokens": 300, "total_tokens": 2_316,
        "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    });
    check(Protocol::OpenAiChat, "openai", "gpt-4o-2024-08-06", &usage, 2_480 + 1_280 + 3_000);
    // Reasoning is part of the answer: 900 tokens at $10, not 1,540.
    let usage = json!({
        "input_tokens": 1_000, "output_tokens": 900, "total_tokens": 1_900,
        "output_tokens_details": {"reasoning_tokens": 640},
    });
    check(Protocol::OpenAiResponses, "openai", "gpt-5", &usage, 1_250 + 9_000);
    // 100 tokens of text at $2.50, 400 of sound at $32, 50 and 200 of the answer at $10 and $64.
    let usage = json!({
        "prompt_tokens": 500, "completion_tokens": 250,
        "prompt_tokens_details": {"audio_tokens": 400},
        "completion_tokens_details": {"audio_tokens": 200},
    });
    check(Protocol::OpenAiChat, "openai", "gpt-audio", &usage, 250 + 12_800 + 500 + 12_800);
    let embedding = json!({"prompt_tokens": 1_000_000, "total_tokens": 1_000_000});
    check(Protocol::OpenAiChat, "openai", "text-embedding-3-small", &embedding, 20_000);
}

#[test]
fn anthropic_counts_the_cache_beside() {
    // Claude Sonnet 5: $2, reads $0.20, writes $2.50 and for an hour $4, answers $10, and a cent
    // for each search.
    let usage = json!({
        "input_tokens": 100, "output_tokens": 500,
        "cache_read_input_tokens": 10_000, "cache_creation_input_tokens": 3_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1_000, "ephemeral_1h_input_tokens": 2_000},
        "server_tool_use": {"web_search_requests": 2},
    });
    let micros = 200 + 2_000 + 2_500 + 8_000 + 5_000 + 20_000;
    check(Protocol::AnthropicMessages, "anthropic", "claude-sonnet-5-20260801", &usage, micros);
    // From 100,000 tokens on, cached ones counted, everything of Claude Haiku 5.5 costs more.
    let usage = |fresh: u64| {
        json!({
            "input_tokens": fresh, "output_tokens": 1_000, "cache_read_input_tokens": 90_000,
        })
    };
    let haiku = "claude-haiku-5-5";
    check(Protocol::AnthropicMessages, "anthropic", haiku, &usage(10_000), 1_000 + 900 + 500);
    check(Protocol::AnthropicMessages, "anthropic", haiku, &usage(10_002), 5_001 + 4_500 + 2_500);
}

#[test]
fn gemini_counts_thoughts_and_tools_beside() {
    // Gemini 2.5 Pro up to 200,000 tokens: $1.25, cached $0.125, answers with thoughts $10.
    let usage = json!({
        "promptTokenCount": 10_000, "cachedContentTokenCount": 8_000, "toolUsePromptTokenCount": 40,
        "candidatesTokenCount": 200, "thoughtsTokenCount": 800, "totalTokenCount": 11_040,
    });
    let micros = 2_550 + 1_000 + 10_000;
    check(Protocol::GeminiGenerate, "gemini", "gemini-2.5-pro", &usage, micros);
    let usage = json!({"promptTokenCount": 200_001, "candidatesTokenCount": 1_000});
    check(Protocol::GeminiGenerate, "gemini", "gemini-2.5-pro", &usage, 500_003 + 15_000);
    // Gemini 2.5 Flash: text $0.30 and cached $0.03, sound $1 and cached $0.10, answers $2.50.
    let usage = json!({
        "promptTokenCount": 3_000, "cachedContentTokenCount": 1_500, "candidatesTokenCount": 100,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 1_000}, {"modality": "AUDIO", "tokenCount": 2_000},
        ],
        "cacheTokensDetails": [
            {"modality": "TEXT", "tokenCount": 500}, {"modality": "AUDIO", "tokenCount": 1_000},
        ],
    });
    let micros = 150 + 15 + 1_000 + 100 + 250;
    check(Protocol::GeminiGenerate, "gemini", "gemini-2.5-flash", &usage, micros);
    // Pictures that it paints cost $60.
    let usage = json!({
        "promptTokenCount": 100, "candidatesTokenCount": 1_300,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}],
    });
    let micros = 50 + 30 + 77_400;
    check(Protocol::GeminiGenerate, "gemini", "gemini-3.1-flash-image", &usage, micros);
}

#[test]
fn the_others_are_priced_by_their_own_words() {
    let counts =
        |input: u64, output: u64| json!({"prompt_tokens": input, "completion_tokens": output});
    let chat = Protocol::OpenAiChat;
    // The cache in Mistral's and DeepSeek's words.
    let mut usage = counts(1_000, 100);
    usage["num_cached_tokens"] = 400.into();
    check(chat, "mistral", "mistral-small-latest", &usage, 90 + 6 + 60);
    let mut usage = counts(10_000, 1_000);
    usage["prompt_cache_hit_tokens"] = 9_000.into();
    usage["prompt_cache_miss_tokens"] = 1_000.into();
    check(chat, "deepseek", "deepseek-v4-pro", &usage, 660 + 198 + 1_980);
    // xAI counts reasoning beside the answer.
    let usage = json!({
        "prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    });
    check(chat, "xai", "grok-4.5", &usage, 64 + 103 * 6);
    check(chat, "groq", "openai/gpt-oss-20b", &counts(1_000_000, 0), 75_000);
    check(chat, "cerebras", "gpt-oss-120b", &counts(1_000, 1_000), 350 + 750);
    check(chat, "together", "zai-org/GLM-5.3", &counts(1_000, 1_000), 1_400 + 4_400);
    let usage = json!({
        "billed_units": {"input_tokens": 6, "output_tokens": 100},
        "tokens": {"input_tokens": 1_000, "output_tokens": 100},
    });
    check(Protocol::CohereChat, "cohere", "command-a-03-2025", &usage, 2_500 + 1_000);
}

#[test]
fn what_a_provider_says_that_it_charged_is_believed() {
    let cost = |usage: Value| {
        let usage = wire(Protocol::OpenAiChat, &usage);
        Prices::default().cost("openrouter", "x/unknown", &usage).map(|cost| cost.picos())
    };
    let counts = json!({"prompt_tokens": 17, "completion_tokens": 177});
    let with = |more: Value| {
        let mut usage = counts.clone();
        usage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        usage
    };
    assert_eq!(cost(counts.clone()), None);
    assert_eq!(cost(with(json!({"cost": 0.00435825}))), Some(4_358_250_000));
    assert_eq!(cost(with(json!({"cost": 0, "is_byok": false}))), Some(0));
    let own_key = json!({"cost": 0, "is_byok": true,
        "cost_details": {"upstream_inference_cost": 0.0003253}});
    assert_eq!(cost(with(own_key)), Some(325_300_000));
    assert_eq!(cost(with(json!({"cost": 0, "is_byok": true}))), None);
    assert_eq!(cost(with(json!({"cost": -1.0}))), None);
    assert_eq!(cost(with(json!({"cost_in_usd_ticks": 37_756_000}))), Some(3_775_600_000));
}

#[test]
fn tiers_hours_and_announced_changes_count() {
    let prices = Prices::builtin();
    let usage = Usage { input: 1_000_000, ..Usage::default() };
    let cost = |terms: Terms<'_>, provider: &str, model: &str| {
        prices.cost_on(terms, provider, model, &usage).map(|cost| cost.total().get())
    };
    let sunday = terms(SUNDAY, 0);
    assert_eq!(cost(sunday.tier("default"), "openai", "gpt-5-mini"), Some(250_000));
    assert_eq!(cost(sunday.tier("flex"), "openai", "gpt-5-mini"), Some(125_000));
    assert_eq!(cost(sunday.tier("priority"), "openai", "gpt-4o-mini"), Some(250_000));
    assert_eq!(cost(sunday.tier("fast"), "anthropic", "claude-opus-5"), Some(10_000_000));
    assert_eq!(cost(sunday.tier("batch"), "anthropic", "claude-opus-5"), Some(2_500_000));
    assert_eq!(cost(sunday.tier("scale"), "openai", "gpt-5-mini"), None, "it is agreed upon");
    assert_eq!(cost(sunday.tier("on_demand"), "groq", "qwen/qwen3-32b"), Some(290_000));
    assert_eq!(cost(sunday.tier("flex"), "groq", "qwen/qwen3-32b"), Some(290_000));

    let at = |day, hour: u64| cost(terms(day, hour * 60), "deepseek", "deepseek-flash");
    assert_eq!(at(MONDAY, 0), Some(150_000));
    assert_eq!(at(MONDAY, 1), Some(300_000));
    assert_eq!(at(MONDAY, 4), Some(150_000));
    assert_eq!(at(SUNDAY, 1), Some(150_000));

    let on = |day| cost(terms(day, 0), "gemini", "gemini-4-argon");
    assert_eq!((on("2026-11-30"), on("2026-12-01")), (Some(2_000_000), Some(4_000_000)));
}

#[test]
fn what_is_not_known_is_not_free() {
    let prices = Prices::builtin();
    let cost = |provider: &str, model: &str, usage: &Usage| prices.cost(provider, model, usage);
    let text = Usage { input: 10, output: 10, ..Usage::default() };
    for (provider, model) in [
        ("openai", "gpt-99"),
        ("openai", "gpt-4o-something"),
        ("nobody", "gpt-4o"),
        ("azure", "gpt-4o"),
        ("ollama", "llama3.2"),
        ("demo", "demo"),
        ("openrouter", "openai/gpt-4o"),
        ("openai", ""),
    ] {
        assert_eq!(cost(provider, model, &text), None, "{provider}/{model}");
    }
    // Answers of a model that is priced for prompts only, sound where only text is priced.
    assert_eq!(cost("openai", "text-embedding-3-small", &text), None);
    let sound = Usage { audio_input: Some(5), ..text.clone() };
    assert!(cost("openai", "gpt-4o", &text).is_some());
    assert_eq!(cost("openai", "gpt-4o", &sound), None);
}

#[test]
fn no_token_is_counted_twice() {
    let prices = Prices::builtin();
    let usage = Usage {
        input: 100,
        cache_read: Some(80),
        cache_write: Some(80),
        cache_write_hour: Some(500),
        audio_input: Some(70),
        output: 10,
        reasoning: Some(30),
        ..Usage::default()
    };
    // 80 read at $0.20, 20 written for an hour at $4, 10 tokens of reasoning at $10.
    let cost = prices.cost("anthropic", "claude-sonnet-5", &usage).unwrap();
    let parts: Vec<_> = cost.parts().map(|(kind, micros)| (kind, micros.get())).collect();
    let expected =
        [(CostKind::CacheRead, 16), (CostKind::CacheWriteHour, 80), (CostKind::Reasoning, 100)];
    assert_eq!(parts, expected);
    let huge = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    assert_eq!(prices.cost("openai", "gpt-4o", &huge).unwrap().picos(), u64::MAX);
}

#[test]
fn a_call_that_costs_is_never_shown_as_free() {
    let usage = Usage { input: 7, ..Usage::default() };
    let cost = Prices::builtin().cost("openai", "text-embedding-3-small", &usage).unwrap();
    assert_eq!((cost.picos(), cost.total().get()), (140_000, 1));
    assert_eq!(format!("{cost:?}"), r#"{"total": MicroUsd(1), Input: MicroUsd(1)}"#);
}

const HEAD: &str = "[[provider]]\nname = 'p'\nas_of = '2026-11-01'\nsource = 's'\nprices = [\n";

#[test]
fn an_operators_prices_come_first() {
    let prices = Prices::builtin()
        .with_toml(
            "[[provider]]\nname = 'openai'\nas_of = '2026-11-01'\nsource = 'a contract'\n\
             prices = [{ models = ['gpt-4o*'], input = 1_000_000, output = 1, request = 5 }]\n\
             [[provider]]\nname = 'eu'\nas_of = '2026-11-01'\nsource = 'the same'\n\
             prices = [{ models = ['*'], like = 'openai/*' }, { models = ['a'], like = 'eu/a' }]",
        )
        .unwrap();
    let usage = Usage { input: 10, ..Usage::default() };
    let cost = |provider: &str, model: &str| {
        prices.cost(provider, model, &usage).map(|cost| cost.total().get())
    };
    assert_eq!(cost("openai", "gpt-4o"), Some(15));
    assert_eq!(cost("openai", "gpt-4o-2024-05-13"), Some(15));
    assert_eq!(cost("openai", "gpt-5"), Some(13), "12.5, and a part counts as one");
    assert_eq!(cost("eu", "gpt-4o"), Some(15));
    assert_eq!(cost("eu", "gpt-99"), None);
    assert_eq!(cost("eu", "a"), None, "a price that is like itself is none");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (row, message) in [
        ("{ models = ['m'], inptu = 1 }", "prices, line 6 (p/m): `inptu` is no field of it"),
        ("{ models = ['m'], input = 0.5 }", "line 6 (p/m): `input` is no whole number from 0"),
        ("{ models = ['m'], input = -1 }", "line 6 (p/m): `input` is no whole number from 0"),
        ("{ models = ['m'], output = 1 }", "line 6 (p/m): a price is `input`, `free` or `like`"),
        ("{ models = ['m'], free = true, input = 1 }", "a price is `input`, `free` or `like`"),
        ("{ models = ['m'], free = 'yes' }", "`free` is neither true nor false"),
        ("{ models = ['m'], like = 'gpt-4o' }", "`like` is no provider/model"),
        ("{ models = [], input = 1 }", "line 6 (p): a price needs models"),
        ("{ input = 1 }", "line 6 (p): `models` is missing"),
        ("{ models = ['m', 'm'], input = 1 }", "line 6 (p/m): \"m\" has a price already"),
        ("{ models = ['m'], input = 1 },\n{ models = ['m'], input = 2 }", "line 7 (p/m): \"m\""),
        ("{ models = ['m'], input = 1, since = '2026-2-1' }", "`since` is no day"),
        ("{ models = ['m'], input = 1, above = [{ input = 1 }] }", "`tokens` is missing"),
        ("{ models = ['m'], input = 1, tiers = { flex = 'half' } }", "`flex` is no whole number"),
        ("{ models = ['m'], input = 1, tiers = { flex = { a = 1 } } }", "`a` is no field of it"),
        ("{ models = ['m'], input = 1, peak = { percent = 9, utc = ['8-7'] } }", "`utc` is not"),
    ] {
        let error = Prices::from_toml(&format!("{HEAD}{row}\n]")).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Config);
        assert!(error.message().contains(message), "{row}: {error}");
    }
    for (text, message) in [
        ("[[provider]]\nname = 'p'", "line 1 (p): `as_of` is missing"),
        ("[[provider]]\nname = 'p'\nas_of = '2026-11-01'\nsource = ''", "`source` is no text"),
        ("[[provider]]\nname = 'p'\nas_of = 'today'", "line 3 (p): `as_of` is no day"),
        ("[[price]]", "prices, line 1: `price` is no field of it"),
        ("[[provider]]\nname", "prices, line 2: "),
    ] {
        let error = Prices::from_toml(text).unwrap_err();
        assert!(error.message().contains(message), "{text}: {error}");
    }
}

#[test]
fn the_file_that_comes_along_is_right() {
    let layer = read::layer(include_str!("prices.toml")).unwrap();
    let mut names: Vec<_> = layer.keys().map(|name| &**name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "anthropic",
            "cerebras",
            "cohere",
            "deepseek",
            "gemini",
            "groq",
            "mistral",
            "openai",
            "together",
            "xai",
        ]
    );
}
