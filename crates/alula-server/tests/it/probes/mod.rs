//! What gateways fail at, tried through every API in front of every protocol.

mod way;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::way::{RESPONSES, Way, every_way};
use crate::{
    client::{Answer, http},
    process::Alula,
    upstream::{Call, STREAM_HEAD, Upstream, answer},
};

/// How soon an upstream is stopped when its client leaves.
const SOON: Duration = Duration::from_secs(1);

/// The answer to a request, while `answering` does what the provider does.
async fn answered<T>(
    alula: &Alula,
    way: Way,
    stream: bool,
    answering: impl Future<Output = T>,
) -> (T, Answer) {
    let body = way.body(stream);
    tokio::join!(answering, alula.post(way.path, &body))
}

#[tokio::test]
async fn the_upstream_is_stopped_when_the_client_leaves() {
    for way in every_way() {
        let upstream = Upstream::start();
        let alula = way.serve(&upstream, &[]);
        let begun = format!("{STREAM_HEAD}{}", way.signs_of_life());
        let in_the_middle = format!("{begun}{}", way.token("first"));
        // Not streaming, before the headers, before the first token, in the middle.
        for (stream, sent) in
            [(false, ""), (true, ""), (true, STREAM_HEAD), (true, &begun), (true, &in_the_middle)]
        {
            let call = left(&alula, &upstream, way, stream, sent).await;
            let took = call.closed().await;
            assert!(took < SOON, "{way:?} after {sent:?}: {took:?}");
        }
    }
}

/// A call whose client has left after the provider had sent this.
async fn left(alula: &Alula, upstream: &Upstream, way: Way, stream: bool, sent: &str) -> Call {
    let request = http().post(alula.url(way.path)).json(&way.body(stream)).send();
    let client = async {
        let mut response = request.await.unwrap();
        let mut text = String::new();
        while !text.contains("first") {
            let chunk = response.chunk().await.unwrap().expect("more of the stream");
            text.push_str(str::from_utf8(&chunk).unwrap());
        }
        response
    };
    let answering = async {
        let mut call = upstream.call().await;
        call.send(sent).await;
        call
    };
    if sent.contains("first") {
        return tokio::join!(answering, client).0;
    }
    tokio::select! {
        call = answering => call,
        response = client => panic!("there is nothing to read yet: {response:?}"),
    }
}

#[tokio::test]
async fn signs_of_life_are_no_token() {
    const LIMIT: Duration = Duration::from_millis(700);
    // At the same time, as each takes its time.
    join_all(every_way().map(async |way| {
        let upstream = Upstream::start();
        let seconds = LIMIT.as_secs_f64().to_string();
        let alula = way.serve(&upstream, &[("ALULA_FIRST_TOKEN_SECONDS", &seconds)]);
        let signs = way.signs_of_life();
        let answering = async {
            let mut call = upstream.call().await;
            let start = Instant::now();
            call.send(STREAM_HEAD).await;
            // A clock that these reset would never run out.
            call.keep_sending(&signs, LIMIT / 7).await;
            start.elapsed()
        };
        let (took, answer) = answered(&alula, way, true, answering).await;
        let said = answer.is(504)["error"]["message"].clone();
        assert_eq!(said, "it sent no first token in time", "{way:?}");
        assert_ne!(answer.header("retry-after"), "");
        assert!(took < LIMIT * 4, "{way:?}: {took:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_upstream_that_hangs_is_a_504_at_the_limit() {
    join_all(every_way().map(async |way| {
        let upstream = Upstream::start();
        let limits = [("ALULA_FIRST_TOKEN_SECONDS", "0.3"), ("ALULA_TOTAL_SECONDS", "0.3")];
        let alula = way.serve(&upstream, &limits);
        for stream in [true, false] {
            let answering = async { upstream.call().await.closed().await };
            let (took, answer) = answered(&alula, way, stream, answering).await;
            answer.is(504);
            assert_ne!(answer.header("retry-after"), "");
            assert!(took < SOON * 2, "{way:?}: {took:?}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_rate_limit_stays_one_with_its_time_to_wait() {
    let reply = answer("429 Too Many Requests\r\nretry-after: 3", r#"{"error":{"message":"no"}}"#);
    for way in every_way() {
        let upstream = Upstream::start();
        let alula = way.serve(&upstream, &[]);
        for stream in [true, false] {
            let answering = async { upstream.call().await.answer(&reply).await };
            let ((), answer) = answered(&alula, way, stream, answering).await;
            assert_eq!(answer.is(429)["error"]["type"], "rate_limit_error", "{way:?}");
            assert_eq!(answer.header("retry-after"), "3");
        }
    }
}

#[tokio::test]
async fn a_cut_stream_never_looks_finished() {
    for way in every_way() {
        let upstream = Upstream::start();
        let alula = way.serve(&upstream, &[]);
        let begun = format!("{STREAM_HEAD}{}{}", way.signs_of_life(), way.token("first"));
        for rest in ["", "data: {\"choi", "event: content_block_delta\ndata: {\"ty"] {
            let reply = format!("{begun}{rest}");
            let answering = async { upstream.call().await.answer(&reply).await };
            let ((), answer) = answered(&alula, way, true, answering).await;
            assert!(answer.text.contains("first"), "{way:?}: {}", answer.text);
            assert!(!way.is_done(&answer.text), "{way:?}: {}", answer.text);
            let mut data = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
            let last: Value = serde_json::from_str(data.next_back().unwrap()).unwrap();
            let told = if way.path == RESPONSES { &last["response"] } else { &last };
            assert!(told["error"]["message"].is_string(), "{way:?}: {last}");
        }
    }
}

#[tokio::test]
async fn characters_survive_any_split_and_any_line_ends() {
    const TEXT: &str = "é€😀";
    for way in every_way() {
        let upstream = Upstream::start();
        let alula = way.serve(&upstream, &[]);
        let stream = format!("{}{}{}", way.signs_of_life(), way.token(TEXT), way.end());
        let spellings =
            [stream.clone(), stream.replace('\n', "\r\n"), stream.replace("data: ", "data:")];
        for (spelling, split) in spellings.iter().zip([true, false, false]) {
            let answering = async {
                let mut call = upstream.call().await;
                call.send(STREAM_HEAD).await;
                let size = if split { 1 } else { spelling.len() };
                for bytes in spelling.as_bytes().chunks(size) {
                    call.send_bytes(bytes).await;
                }
                call.answer("").await;
            };
            let ((), answer) = answered(&alula, way, true, answering).await;
            assert!(answer.text.contains(TEXT), "{way:?}: {}", answer.text);
            assert!(way.is_done(&answer.text), "{way:?}: {}", answer.text);
        }
    }
}

/// One event that nobody understands costs its own text at most.
#[tokio::test]
async fn a_malformed_event_is_passed_over() {
    for way in every_way() {
        let upstream = Upstream::start();
        let alula = way.serve(&upstream, &[]);
        let (one, two) = (way.token("one"), way.token("two"));
        let begin = way.signs_of_life();
        let reply = format!("{STREAM_HEAD}{begin}{one}data: {{oops\n\n{two}{}", way.end());
        let answering = async { upstream.call().await.answer(&reply).await };
        let ((), answer) = answered(&alula, way, true, answering).await;
        let (before, after) = (answer.text.find("one"), answer.text.find("two"));
        assert!(before.is_some() && before < after, "{way:?}: {}", answer.text);
        assert!(way.is_done(&answer.text), "{way:?}: {}", answer.text);
    }
}

/// Where both speak the same protocol, what neither of us knows goes along.
#[tokio::test]
async fn what_is_passed_on_keeps_its_fields_its_events_and_its_comments() {
    for way in every_way().filter(|way| way.passes_on()) {
        let upstream = Upstream::start();
        let alula = way.serve(&upstream, &[]);
        let unknown = way.event(&json!({"type": "news", "choices": [], "level": 1.0}));
        let token = way.token("a").replacen('{', "{\"odd\":[1.50],", 1);
        let stream =
            format!("{}{unknown}{token}: still alive\n\n{}", way.signs_of_life(), way.end());
        let reply = format!("{STREAM_HEAD}{stream}");
        let answering = async { upstream.call().await.answer(&reply).await };
        let ((), answer) = answered(&alula, way, true, answering).await;
        assert_eq!(lines(&answer.text), lines(&stream), "{way:?}");
    }
}

/// The lines that are not blank.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}
