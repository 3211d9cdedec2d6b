//! Nothing secret is where it does not belong, at the most talkative level of the log.
//!
//! Everything that is secret or private is a canary: keys, passwords, headers, what is asked and
//! what is answered. Then all that the server has written is searched for them.

use std::{
    collections::hash_map::RandomState, fs, hash::BuildHasher as _, path::Path, time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    collector::Collector,
    keyed::{Keyed, Setting, keys, until},
    postgres::Postgres,
    process::{Alula, Ended, NOBODY, alula, serve},
    redis::Redis,
    upstream::{STREAM_END, STREAM_HEAD, Upstream, answer, token},
};

/// What all canaries have in common.
const CANARY: &str = "canary";

/// A text that nobody else has, with a note of what it is.
fn canary(of: &str) -> String {
    format!("{CANARY}-{of}-{:016x}", RandomState::new().hash_one(of))
}

/// What is said by either side.
struct Said {
    prompt: String,
    answer: String,
}

impl Said {
    /// A whole answer of OpenAI's.
    fn whole(&self) -> String {
        let body = json!({"id": "1", "object": "chat.completion", "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": self.answer}}]});
        answer("200 OK", &body.to_string())
    }

    fn stream(&self) -> String {
        format!("{STREAM_HEAD}{}{STREAM_END}", token(&self.answer))
    }

    /// Calls, and what the provider replies to each.
    fn calls(&self, provider_key: &str) -> Vec<(&'static str, Value, String)> {
        let messages = json!([{"role": "user", "content": self.prompt}]);
        let chat = json!({"message": self.prompt, "system_prompt": self.prompt});
        let completion = json!({"model": "m", "messages": messages, "user": self.prompt});
        let mut streamed = completion.clone();
        streamed["stream"] = json!(true);
        let anthropic = json!({"model": "m", "max_tokens": 9, "messages": messages});
        let responses = json!({"model": "m", "input": self.prompt});
        // What a provider says of an error is told to the client or logged, but for keys.
        let error = json!({"error": {"message": format!("{provider_key} is wrong"),
            "code": provider_key}});
        let broken = format!("{STREAM_HEAD}{}data: {error}\n\n", token(&self.answer));
        let nonsense = format!("{STREAM_HEAD}{}data: {}\n\n", token(&self.answer), self.answer);
        vec![
            ("/chat", chat.clone(), self.whole()),
            ("/chat/stream", chat.clone(), self.stream()),
            ("/batch", json!([chat]), self.whole()),
            ("/v1/chat/completions", completion.clone(), self.whole()),
            ("/v1/chat/completions", streamed.clone(), self.stream()),
            ("/v1/messages", anthropic, self.whole()),
            ("/v1/responses", responses, self.whole()),
            ("/chat", chat.clone(), answer("400 Bad Request", &error.to_string())),
            ("/chat", chat.clone(), answer("401 Unauthorized", &error.to_string())),
            ("/batch", json!([chat]), answer("500 Broken", &error.to_string())),
            ("/chat/stream", chat, broken.clone()),
            ("/v1/chat/completions", streamed.clone(), broken),
            ("/v1/chat/completions", streamed, nonsense),
            ("/v1/chat/completions", completion, answer("200 OK", &self.answer)),
        ]
    }
}

/// A request as a browser and a proxy may make it, with much that is nobody's business.
async fn ask(alula: &Alula, path: &str, key: &str, body: &Value) -> Answer {
    let request = http().post(alula.url(&format!("{path}?token={}", canary("query"))));
    let request = request.header("authorization", format!("Bearer {key}")).json(body);
    let request = request.header("cookie", format!("session={}", canary("cookie")));
    let request = request.header("x-custom", canary("header"));
    Answer::of(request.header("user-agent", "test/1")).await
}

#[track_caller]
fn assert_clean(place: &str, text: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(text);
    for (number, line) in text.lines().enumerate() {
        let found = secrets.iter().find(|secret| line.contains(&***secret));
        assert_eq!(found, None, "{place}, line {number}: {line}");
    }
}

#[track_caller]
fn assert_clean_log(ended: &Ended, secrets: &[String]) {
    assert!(ended.stderr.contains("TRACE"), "the log is not a trace");
    assert_clean("stderr", ended.stderr.as_bytes(), secrets);
    assert_clean("stdout", ended.stdout.as_bytes(), secrets);
}

/// All files in a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_leaves_its_place() {
    let (collector, upstream) = (Collector::start().await, Upstream::start());
    let folder = tempfile::tempdir().unwrap();
    let said = Said { prompt: canary("prompt"), answer: canary("answer") };
    let (provider_key, password) = (canary("provider-key"), canary("password"));
    let url = upstream.url().replace("://", &format!("://user:{password}@"));
    let database = format!("sqlite://{}/alula.db", folder.path().display());
    let alula = serve()
        .env("OPENAI_API_KEY", &provider_key)
        .env("OPENAI_BASE_URL", format!("{url}?key={password}"))
        .env("ANTHROPIC_API_KEY", canary("other-key"))
        .env("ANTHROPIC_BASE_URL", NOBODY)
        .env("DATABASE_URL", &database)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization={}", canary("collector")))
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "0")
        .env("ALULA_LOG", "trace,alula_llm::call=trace")
        .listen();
    let wish = json!({"name": "test", "scopes": ["models", "admin"], "plan": "unlimited"});
    let made = alula.post("/admin/keys", &wish).await.is(201);
    let key = made["key"].as_str().unwrap();
    let id = made["id"].as_str().unwrap();
    let secret = key.rsplit_once('-').unwrap().1.to_owned();
    // From when on it is needed.
    while alula.get("/v1/models").await.status != 401 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (path, body, reply) in said.calls(&provider_key) {
        let answering = async { upstream.call().await.answer(&reply).await };
        let (_, answered) = tokio::join!(answering, ask(&alula, path, key, &body));
        // What was asked and answered may be in it, and nothing else.
        let mut text = format!("{answered:?}");
        for own in [&said.prompt, &said.answer] {
            text = text.replace(own, "");
        }
        assert!(!text.contains(CANARY) && !text.contains(&secret), "{path}: {text}");
    }
    let wrong = format!("sk-alula-{id}-{}", canary("wrong").replace('-', ""));
    for wrong in [wrong, canary("no-key")] {
        ask(&alula, "/chat", &wrong, &json!({"message": "Hi"})).await.is(401);
    }
    ask(&alula, "/chat", key, &json!({"message": 1, "mistake": canary("mistake")})).await.is(422);
    let mut secrets = vec![CANARY.to_owned(), secret];
    for path in ["/metrics", "/openapi.json", "/admin/keys", "/health/ready", "/v1/models"] {
        let request = http().get(alula.url(path)).header("x-api-key", key);
        let answered = Answer::of(request).await;
        assert_eq!(answered.status, 200, "{path}");
        assert_clean(path, format!("{answered:?}").as_bytes(), &secrets);
    }
    let ended = alula.end();
    assert_clean_log(&ended, &secrets);
    for path in ["/v1/traces", "/v1/metrics"] {
        let sent = collector.bytes(path).concat();
        assert!(!sent.is_empty(), "nothing came to {path}");
        assert_clean(path, &sent, &secrets);
    }
    // Of the key there is a hash.
    let kept = files(folder.path());
    secrets.push(key.to_owned());
    assert!(kept.iter().any(|(_, bytes)| !bytes.is_empty()));
    for (name, bytes) in &kept {
        assert_clean(name, bytes, &secrets);
    }
}

/// A secret of webhooks, which is base64.
fn webhook_secret() -> String {
    let random = RandomState::new().hash_one("webhook");
    format!("whsec_{CANARY}{random:016x}0123456789")
}

const PLAN: &str = "
[plans.limited]
requests_per_minute = 1_000
tokens_per_minute = 1_000_000
concurrent_streams = 10
";

/// A question that is answered later, at an address that is nobody's business.
async fn defer(keyed: &Keyed<'_>, said: &Said, receiver: &Upstream) -> String {
    let callback_url = format!("{}/hook?key={}", receiver.url(), canary("hook"));
    let body = json!({"message": said.prompt, "callback_url": callback_url});
    let request = http().post(keyed.alula.url("/chat")).bearer_auth(keyed.key).json(&body);
    let accepted = Answer::of(request.header("prefer", "respond-async")).await;
    accepted.is(202)["url"].as_str().unwrap().to_owned()
}

/// A conversation that is kept, all of whose words are `kept`.
async fn converse(keyed: &Keyed<'_>, upstream: &Upstream, kept: &str) {
    let wish = json!({"title": kept, "model": "openai/m", "system_prompt": kept});
    let made = keyed.post("/conversations", &wish).await.is(201);
    let messages = format!("/conversations/{}/messages", made["id"].as_str().unwrap());
    let said = Said { prompt: kept.to_owned(), answer: kept.to_owned() };
    let question = json!({"message": kept});
    let answering = async { upstream.call().await.answer(&said.whole()).await };
    tokio::join!(answering, keyed.post(&messages, &question)).1.is(200);
}

/// Jobs, webhooks, conversations, and what processes share.
#[tokio::test(flavor = "multi_thread")]
async fn no_canary_leaves_its_place_where_answers_come_later_or_are_kept() {
    let Some(mut redis) = Redis::start() else { return };
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let folder = tempfile::tempdir().unwrap();
    let said = Said { prompt: canary("prompt"), answer: canary("answer") };
    // What a conversation keeps is in the database, and nowhere else.
    let kept = "what-is-kept".to_owned();
    let (provider_key, password) = (canary("provider-key"), canary("redis"));
    let signing = webhook_secret();
    redis.protect(&password);
    let alula = Setting::new(&upstream.url(), PLAN)
        .start()
        .env("OPENAI_API_KEY", &provider_key)
        .env("DATABASE_URL", format!("sqlite://{}/alula.db", folder.path().display()))
        .env("REDIS_URL", redis.url_with(&password))
        .env("ALULA_WEBHOOK_SECRET", &signing)
        .env("ALULA_WEBHOOK_ALLOW", "127.0.0.0/8")
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_JOBS_ATTEMPTS", "1")
        .env("ALULA_BREAKER_FAILURES", "0")
        .env("ALULA_LOG", "trace,alula_llm::call=trace")
        .listen();
    let scopes = ["models", "admin"];
    let wish = json!({"name": "a", "plan": "limited", "scopes": scopes});
    let [key] = keys(&alula, [wish]).await;
    let keyed = Keyed::new(&alula, &key);
    let secrets = [CANARY.to_owned(), key.rsplit_once('-').unwrap().1.to_owned()];

    let error = json!({"error": {"message": format!("{provider_key} is wrong")}});
    for reply in [said.whole(), answer("401 Unauthorized", &error.to_string())] {
        let job = defer(&keyed, &said, &receiver).await;
        upstream.call().await.answer(&reply).await;
        let told = receiver.call().await;
        let (first, headers) = told.head.split_once("\r\n").unwrap();
        assert!(first.contains("/hook?key=canary-hook"), "{first}");
        assert_clean("a webhook", format!("{headers}{}", told.body).as_bytes(), &secrets);
        told.answer(&answer("200 OK", "{}")).await;
        let result = Answer::of(http().get(alula.url(&job)).bearer_auth(&key)).await;
        assert_eq!(result.text.contains(&said.answer), reply == said.whole(), "{result:?}");
        let text = format!("{result:?}").replace(&said.answer, "");
        assert_clean("a job", text.as_bytes(), &secrets);
    }

    converse(&keyed, &upstream, &kept).await;
    let body = json!({"model": "m", "stream": true,
        "messages": [{"role": "user", "content": said.prompt}]});
    let answering = async { upstream.call().await.answer(&said.stream()).await };
    let streamed = tokio::join!(answering, keyed.post("/v1/chat/completions", &body)).1;
    assert!(streamed.text.contains(&said.answer), "{streamed:?}");

    let shared = redis.dump(&password);
    let has = |text: &str| shared.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("alula:quota:key:"), "nothing is shared");
    let never_shared = [&secrets[..], std::slice::from_ref(&kept)].concat();
    assert_clean("Redis", &shared, &never_shared);
    redis.kill();
    let asked = async { upstream.call().await.answer(&said.whole()).await };
    tokio::join!(asked, keyed.ask(10)).1.is(200);
    // One that wants no password says so, and does not take it.
    redis.restart();
    alula.logged("Redis is still away");
    for path in ["/metrics", "/health/ready", "/admin/keys", "/admin/usage"] {
        let request = http().get(alula.url(path)).bearer_auth(&key);
        let answered = Answer::of(request).await;
        assert_eq!(answered.status, 200, "{path}");
        assert_clean(path, format!("{answered:?}").as_bytes(), &never_shared);
    }
    assert_clean_log(&alula.end(), &never_shared);
    // Jobs and conversations are kept, with what is asked and answered, and who is to be told.
    let signing = signing.trim_start_matches("whsec_").to_owned();
    let never_kept = [secrets[1].clone(), provider_key, password, signing];
    for (name, bytes) in &files(folder.path()) {
        assert_clean(name, bytes, &never_kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_told_when_the_database_goes_away() {
    let Some(mut postgres) = Postgres::start() else { return };
    let secrets = [CANARY.to_owned()];
    let url = postgres.url().replace("alula@", &format!("alula:{}@", canary("password")));
    let alula = serve().env("DATABASE_URL", url).env("ALULA_LOG", "trace").listen();
    alula.get("/health/ready").await.is(200);
    postgres.kill();
    until("it is not ready", async || alula.get("/health/ready").await.status == 503).await;
    for path in ["/health/ready", "/conversations", "/admin/keys", "/admin/usage"] {
        let answered = alula.get(path).await;
        assert_eq!(answered.status, 503, "{path}: {answered:?}");
        assert_clean(path, format!("{answered:?}").as_bytes(), &secrets);
    }
    assert_clean_log(&alula.end(), &secrets);
}

#[test]
fn no_password_is_told_when_the_start_fails() {
    let secrets = [CANARY.to_owned()];
    for (name, url) in [
        ("DATABASE_URL", "postgres://user:PASSWORD@127.0.0.1:1/db"),
        ("DATABASE_URL", "postgres://user:PASSWORD@[/db"),
        ("DATABASE_URL", "mysql://user:PASSWORD@x"),
        ("REDIS_URL", "redis://user:PASSWORD@[/0"),
        ("REDIS_URL", "redis://user:PASSWORD@127.0.0.1:1/database"),
        ("REDIS_URL", "rediss://user:PASSWORD@127.0.0.1:1/0#insecure"),
        ("REDIS_URL", "mysql://user:PASSWORD@x"),
    ] {
        let url = url.replace("PASSWORD", &canary("password"));
        for start in [serve(), alula(&["doctor", "--port", "0"])] {
            let ended = start.env(name, &url).env("ALULA_LOG", "trace").end();
            assert_ne!(ended.code, Some(0), "{url}: {ended:?}");
            assert_clean("the output", format!("{ended:?}").as_bytes(), &secrets);
        }
    }
    let redis = format!("redis://:{}@127.0.0.1:1/0", canary("password"));
    let ended = alula(&["doctor", "--port", "0"]).env("REDIS_URL", redis).end();
    assert!(ended.stdout.contains("look at REDIS_URL"), "{ended:?}");
    assert_clean("the output", format!("{ended:?}").as_bytes(), &secrets);
}
