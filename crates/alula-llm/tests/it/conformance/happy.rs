//! Answers that arrive as they were said, whoever says them, whole and streamed.

use alula_llm::{
    ChatRequest, ChatResponse, Http, Media, Message, Part, Role, StopReason, Tool,
    model::{FunctionTool, Protocol, ToolCall},
    testing::{FakeProvider, Fault, Turn},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{AT_ONCE, Adapter, FAMILY, PATIENCE, PROTOCOLS, http, request};

/// What a caller must get of what a turn says.
#[derive(Debug, Clone, Default, PartialEq)]
struct Got {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<(String, Value)>,
    stop: Option<StopReason>,
    usage: Option<(u64, u64)>,
}

/// A turn, and what is to come of it.
struct Case {
    name: &'static str,
    request: fn() -> ChatRequest,
    turn: fn(Turn<'_>) -> Turn<'_>,
    got: fn(Protocol) -> Got,
}

impl Got {
    fn of(answer: &ChatResponse) -> Self {
        let parts = answer.message().map(|message| &*message.parts).unwrap_or_default();
        let refusals = parts.iter().filter_map(|part| match part {
            Part::Refusal(refusal) => Some(refusal.text.as_str()),
            _ => None,
        });
        let call = |call: &ToolCall| (call.name.clone(), call.arguments_json().unwrap());
        Self {
            text: answer.text(),
            reasoning: answer.message().map(Message::reasoning).unwrap_or_default(),
            refusal: refusals.collect(),
            calls: answer.tool_calls().map(call).collect(),
            stop: answer.stop().cloned(),
            usage: answer.usage.as_ref().map(|usage| (usage.input, usage.output)),
        }
    }

    fn text(text: &str) -> Self {
        let (stop, usage) = (Some(StopReason::End), Some((12, 2)));
        Self { text: text.to_owned(), stop, usage, ..Self::default() }
    }

    fn calls<const N: usize>(self, calls: [(&str, Value); N]) -> Self {
        let calls = calls.map(|(name, arguments)| (name.to_owned(), arguments)).to_vec();
        Self { calls, stop: Some(StopReason::ToolCalls), ..self }
    }

    fn stop(self, reason: StopReason) -> Self {
        Self { stop: Some(reason), ..self }
    }
}

fn cases() -> Vec<Case> {
    [texts(), tools(), requests(), ends(), thoughts()].into_iter().flatten().collect()
}

const fn case(
    name: &'static str,
    request: fn() -> ChatRequest,
    turn: fn(Turn<'_>) -> Turn<'_>,
    got: fn(Protocol) -> Got,
) -> Case {
    Case { name, request, turn, got }
}

fn texts() -> Vec<Case> {
    vec![
        case("text", request, |it| it.says("Hello"), |_| Got::text("Hello")),
        case(
            "many pieces",
            request,
            |it| it.says(vec!["ha "; 200]),
            |_| Got::text(&"ha ".repeat(200)),
        ),
        case(
            "unicode, split over chunks",
            request,
            |it| it.says(["Grüezi ", "👩‍🚀 こん", "にちは \"\\\n"]).then(Fault::SplitUtf8),
            |_| Got::text("Grüezi 👩‍🚀 こんにちは \"\\\n"),
        ),
        case(
            "signs of life and pieces without content",
            request,
            |it| it.says(["a", "b"]).then(Fault::Pings).then(Fault::EmptyChunks),
            |_| Got::text("ab"),
        ),
        case("nothing", request, |it| it.says(""), |_| Got::text("")),
        case(
            "a long answer",
            request,
            |it| it.says("x".repeat(20_000)),
            |_| Got::text(&"x".repeat(20_000)),
        ),
    ]
}

fn tools() -> Vec<Case> {
    vec![
        case(
            "a tool",
            with_tools,
            |it| it.calls_tool("weather", json!({"city": "Zürich"})),
            |_| Got::text("").calls([("weather", json!({"city": "Zürich"}))]),
        ),
        case(
            "text and parallel tools",
            with_tools,
            |it| {
                let it =
                    it.says(["One ", "moment."]).calls_tool("weather", json!({"city": "Berne"}));
                it.calls_tool("time", json!({"city": "Berne"})).calls_tool("time", json!({}))
            },
            |_| {
                let city = json!({"city": "Berne"});
                let calls = [("weather", city.clone()), ("time", city), ("time", json!({}))];
                Got::text("One moment.").calls(calls)
            },
        ),
        case("the result of a tool", conversation, |it| it.says("Sunny."), |_| Got::text("Sunny.")),
    ]
}

fn requests() -> Vec<Case> {
    vec![
        case(
            "a picture",
            || {
                let picture = Part::Image(Media::bytes("image/png", b"\x89PNG"));
                ChatRequest::new("m").user_parts([Part::text("What is this?"), picture])
            },
            |it| it.says("A picture."),
            |_| Got::text("A picture."),
        ),
        case(
            "structured output",
            || request().json_schema("answer", json!({"type": "object", "properties": {}})),
            |it| it.says(["{\"a\":", "1}"]),
            |_| Got::text("{\"a\":1}"),
        ),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        case(
            "the limit of the answer",
            || request().max_tokens(2),
            |it| it.says("Once upon").stops(StopReason::MaxTokens),
            |_| Got::text("Once upon").stop(StopReason::MaxTokens),
        ),
        case(
            "a stop text",
            || request().stop("END").temperature(0.5),
            |it| it.says("Once upon").stops_at("END"),
            |protocol| match protocol {
                Protocol::AnthropicMessages | Protocol::CohereChat => {
                    Got::text("Once upon").stop(StopReason::StopSequence)
                }
                // They do not tell it from the end.
                _ => Got::text("Once upon"),
            },
        ),
        case(
            "a refusal",
            request,
            |it| it.refuses(["I will ", "not."]),
            |protocol| match protocol {
                Protocol::OpenAiChat | Protocol::OpenAiResponses => {
                    Got { refusal: "I will not.".to_owned(), ..Got::text("") }
                }
                Protocol::AnthropicMessages => Got::text("I will not.").stop(StopReason::Refusal),
                Protocol::GeminiGenerate => {
                    Got::text("I will not.").stop(StopReason::ContentFilter)
                }
                // It has no word for it.
                _ => Got::text("I will not."),
            },
        ),
        case(
            "a content filter",
            request,
            |it| it.says("Once").stops(StopReason::ContentFilter),
            |protocol| match protocol {
                Protocol::AnthropicMessages => Got::text("Once").stop(StopReason::Refusal),
                _ => Got::text("Once").stop(StopReason::ContentFilter),
            },
        ),
    ]
}

fn thoughts() -> Vec<Case> {
    vec![
        case(
            "reasoning",
            request,
            |it| it.thinks(["Hm, ", "well."]).says("Yes."),
            |_| Got { reasoning: "Hm, well.".to_owned(), ..Got::text("Yes.") },
        ),
        case(
            "reasoning before a tool",
            with_tools,
            |it| it.thinks("Hm.").calls_tool("time", json!({"city": "Berne"})),
            |_| {
                let calling = Got::text("").calls([("time", json!({"city": "Berne"}))]);
                Got { reasoning: "Hm.".to_owned(), ..calling }
            },
        ),
    ]
}

fn with_tools() -> ChatRequest {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let weather = FunctionTool::new("weather", "Tells the weather", schema.clone());
    request().tool(weather).tool(FunctionTool::new("time", "Tells the time", schema))
}

fn conversation() -> ChatRequest {
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "weather".to_owned(),
        arguments: "{\"city\":\"Berne\"}".to_owned(),
        ..ToolCall::default()
    };
    let messages = [
        Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
        Message::tool_result("call_1", "sunny"),
    ];
    messages.into_iter().fold(with_tools().system("Be brief."), ChatRequest::message)
}

/// What a request is about, in any protocol.
fn about(request: &ChatRequest) -> Value {
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let mut texts: Vec<String> = request.messages.iter().map(Message::text).collect();
    texts.retain(|text| !text.is_empty());
    texts.sort();
    let calls = parts().filter(|part| matches!(part, Part::ToolCall(_))).count();
    let results = parts().filter(|part| matches!(part, Part::ToolResult(_))).count();
    let images = parts().filter(|part| matches!(part, Part::Image(_))).count();
    let tools = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => Some(function.name.clone()),
        _ => None,
    });
    json!({
        "texts": texts,
        "calls": calls,
        "results": results,
        "images": images,
        "tools": tools.collect::<Vec<_>>(),
        "structured": request.response_format.is_some(),
        "stop": request.stop,
        "temperature": request.temperature,
    })
}

/// What is wrong, if anything is.
async fn run(case: &Case, adapter: Adapter, streamed: bool, http: &Http) -> Option<String> {
    let fake = FakeProvider::start().await;
    (case.turn)(fake.always().usage(12, 2));
    let llm = adapter.llm(&fake, http, super::patient());
    let request = (case.request)();
    let answer = async {
        match streamed {
            true => llm.stream(request.clone()).await?.accumulate().await,
            false => llm.chat(request.clone()).await,
        }
    };
    let answer = match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Some(format!("fails: {error:?}")),
        Err(_) => return Some("hangs".to_owned()),
    };
    let (got, mut expected) = (Got::of(&answer), (case.got)(adapter.protocol));
    if streamed && adapter.name == "mistral" {
        // It tells its usage unasked, which the fake does not.
        expected.usage = None;
    }
    if got != expected {
        return Some(format!("gives\n  {got:?}, expected\n  {expected:?}"));
    }
    let mut sent = fake[0].body().clone();
    if let Some(sent) = sent.as_object_mut() {
        // Gemini names it in the address.
        sent.entry("model").or_insert_with(|| "m".into());
    }
    let read = match adapter.protocol.request_from_json(sent) {
        Ok(read) => read,
        Err(error) => return Some(format!("sends what cannot be read: {error}")),
    };
    let (read, mut asked) = (about(&read), about(&request));
    if adapter.protocol == Protocol::OpenAiResponses {
        // It has none.
        asked["stop"] = json!([]);
    }
    (read != asked).then(|| format!("sends\n  {read}, asked for\n  {asked}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_arrive_as_they_were_said() {
    let (http, cases) = (http(), cases());
    let of_family = ["text", "text and parallel tools", "reasoning"];
    let of_family = cases.iter().filter(|case| of_family.contains(&case.name));
    let pairs = PROTOCOLS.iter().flat_map(|adapter| cases.iter().map(|case| (*adapter, case)));
    let pairs: Vec<_> = pairs
        .chain(FAMILY.iter().flat_map(|adapter| of_family.clone().map(|case| (*adapter, case))))
        .collect();
    let calls =
        pairs.iter().flat_map(|(adapter, case)| [false, true].map(|it| (*adapter, *case, it)));
    let failures = stream::iter(calls).map(|(adapter, case, streamed)| {
        let http = &http;
        async move {
            let failure = run(case, adapter, streamed, http).await?;
            let how = if streamed { "streamed" } else { "whole" };
            Some(format!("{} {} {how} {failure}", adapter.name, case.name))
        }
    });
    let failures: Vec<String> =
        failures.buffer_unordered(AT_ONCE).filter_map(|it| async { it }).collect().await;
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        2 * pairs.len(),
        failures.join("\n")
    );
}

/// Who leaves closes the connection: before the answer, and in the middle of a stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_closes_the_connection() {
    let http = http();
    for adapter in PROTOCOLS.iter().chain(&FAMILY) {
        let fake = FakeProvider::start().await;
        fake.turn().then(Fault::Stall).times(2);
        fake.turn().says(["a", "b"]).then(Fault::StallAfter(1));
        let llm = adapter.llm(&fake, &http, super::patient());
        tokio::select! {
            answer = llm.chat(request()) => panic!("{answer:?}"),
            () = fake.asked() => {}
        }
        timeout(PATIENCE, fake.disconnected()).await.unwrap();
        tokio::select! {
            answer = llm.stream(request()) => panic!("{answer:?}"),
            () = fake.asked() => {}
        }
        timeout(PATIENCE, fake.disconnected()).await.unwrap();
        drop(llm.stream(request()).await.unwrap());
        timeout(PATIENCE, fake.disconnected()).await.unwrap();
    }
}
