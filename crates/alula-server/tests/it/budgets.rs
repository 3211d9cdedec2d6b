//! What keys may spend.

use std::time::Duration;

use alula_llm::testing::FakeProvider;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    keyed::{Keyed, Setting, keys, openai, until},
    postgres::Postgres,
    upstream::{STREAM_END, STREAM_HEAD, Upstream, token},
};

/// What each answer costs, in micro-dollars: as many as it has tokens.
const COST: u64 = 100;

fn wish(micro_usd: u64) -> Value {
    let budget = json!({"micro_usd": micro_usd, "period": "total"});
    json!({"name": "a", "plan": "unlimited", "budget": budget})
}

/// A question to the model that has a price.
fn question() -> Value {
    json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]})
}

/// Asks until there is no money for another question, also when nothing is set aside for others.
async fn ask_all(keyed: &Keyed<'_>) {
    until("no money is left", async || {
        let answer = keyed.ask(100).await;
        answer.status == 429 && answer.detail(429).contains("$0.000000 set aside")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_spend_no_more_than_there_is() {
    let fake = openai(COST).await;
    let setting = Setting::new(&fake.url(), "");
    let alula = setting.start().listen();
    let [key] = keys(&alula, [wish(5_000)]).await;
    let keyed = Keyed::new(&alula, &key);
    for _ in 0..4 {
        keyed.ask_at_once(64).await;
    }
    // What was set aside by calls that ended is there again.
    ask_all(&keyed).await;
    let spent = COST * fake.request_count() as u64;
    assert!((3_800..=5_000).contains(&spent), "{spent}");
}

/// Two processes over one database, which are asked at once until nothing is left.
async fn share(setting: &Setting, fake: &FakeProvider, database: &str) {
    let start = || setting.start().env("DATABASE_URL", database).listen();
    let (one, two) = (start(), start());
    let [key] = keys(&one, [wish(5_000)]).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    for _ in 0..3 {
        join(on_one.ask_at_once(32), on_two.ask_at_once(32)).await;
    }
    join(ask_all(&on_one), ask_all(&on_two)).await;
    let spent = COST * fake.request_count() as u64;
    assert!((3_800..=5_000).contains(&spent), "{spent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_budget() {
    let Some(postgres) = Postgres::start() else { return };
    let fake = openai(COST).await;
    share(&Setting::new(&fake.url(), ""), &fake, &postgres.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_budget_in_a_file() {
    let fake = openai(COST).await;
    let setting = Setting::new(&fake.url(), "");
    share(&setting, &fake, &setting.database()).await;
}

/// A trigger in the database counts them, and what was not spent is given back at the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_are_a_few_transactions() {
    const CALLS: u64 = 100;
    let fake = openai(COST).await;
    let setting = Setting::new(&fake.url(), "");
    let alula = setting.start().listen();
    let [key] = keys(&alula, [wish(100_000_000)]).await;
    let pool = sqlx::SqlitePool::connect(&setting.database()).await.unwrap();
    let count = "CREATE TABLE counted (n BIGINT); \
                 CREATE TRIGGER counts AFTER UPDATE ON budget_spend WHEN old.spent <> new.spent \
                 OR old.reserved <> new.reserved BEGIN INSERT INTO counted VALUES (1); END";
    sqlx::raw_sql(count).execute(&pool).await.unwrap();
    let keyed = Keyed::new(&alula, &key);
    let started = Instant::now();
    for _ in 0..CALLS / 20 {
        assert_eq!(keyed.ask_at_once(20).await, 20);
    }
    let seconds = started.elapsed().as_secs();
    let one = async |sql| -> u64 {
        let (number,): (i64,) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
        number.try_into().unwrap()
    };
    let transactions = one("SELECT COUNT(*) FROM counted").await;
    // A report each second, and a few to set aside enough for twenty at a time.
    assert!((1..=20 + seconds).contains(&transactions), "{transactions} in {seconds} s");
    assert_eq!(alula.end().code, Some(0));
    assert_eq!(one("SELECT spent FROM budget_spend").await, CALLS * COST);
    assert_eq!(one("SELECT reserved FROM budget_spend").await, 0);
    assert_eq!(one("SELECT COUNT(*) FROM budget_reservations").await, 0);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_money_left_is_told_in_the_words_of_each_api() {
    let fake = openai(COST).await;
    let setting = Setting::new(&fake.url(), "");
    let alula = setting.start().listen();
    let daily = json!({"name": "b", "plan": "unlimited",
        "budget": {"micro_usd": 500, "period": "day"}});
    let [total, daily] = keys(&alula, [wish(500), daily]).await;
    let keyed = Keyed::new(&alula, &total);
    let answer = keyed.ask(100).await;
    let detail = answer.detail(429);
    assert!(detail.contains("the budget of the key is $0.000500 (in total)"), "{detail}");
    assert!(detail.contains("$0.000000 are spent"), "{detail}");
    assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), ("", "false"));
    let of_openai = keyed.post("/v1/chat/completions", &question()).await;
    let error = of_openai.is(429)["error"].clone();
    assert_eq!((&error["type"], &error["code"]), (&json!("insufficient_quota"), &error["type"]));
    let of_anthropic = keyed.post("/v1/messages", &question()).await;
    assert_eq!(of_anthropic.is(402)["error"]["type"], "billing_error");
    let answer = Keyed::new(&alula, &daily).ask(100).await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert_eq!(fake.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_price_is_not_for_keys_with_a_budget() {
    let fake = openai(COST).await;
    let setting = Setting::new(&fake.url(), "");
    let alula = setting.start().listen();
    let free = json!({"name": "b", "plan": "unlimited"});
    let [with, without] = keys(&alula, [wish(1_000_000), free]).await;
    let mut body = question();
    body["model"] = json!("openai/new");
    let refused = Keyed::new(&alula, &with).post("/v1/chat/completions", &body).await;
    let message = refused.is(403)["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("the price of openai/new is not known"), "{message}");
    Keyed::new(&alula, &without).post("/v1/chat/completions", &body).await.is(200);
    drop(alula);
    let alula = setting.start().env("ALULA_UNKNOWN_PRICES", "allow").listen();
    Keyed::new(&alula, &with).post("/v1/chat/completions", &body).await.is(200);
}

/// A stream that is read to its end, and one that is left: nobody knows what that cost.
#[tokio::test]
async fn a_client_that_leaves_pays_the_most_that_its_call_can_cost() {
    let upstream = Upstream::start();
    let setting = Setting::new(&upstream.url(), "");
    let alula = setting.start().listen();
    // For one call, which may cost up to about 1,150, and the half of another.
    let [key] = keys(&alula, [wish(1_700)]).await;
    let keyed = Keyed::new(&alula, &key);
    let mut body = question();
    body["stream"] = json!(true);
    let begin = async || {
        let answering = async {
            let mut call = upstream.call().await;
            call.send(&format!("{STREAM_HEAD}{}", token("first"))).await;
            call
        };
        join(answering, keyed.begin("/v1/chat/completions", &body)).await
    };
    let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
    let (call, client) = begin().await;
    // While it runs there is no money for another one.
    keyed.post("/v1/chat/completions", &body).await.is(429);
    let end = STREAM_END.replacen("data: [DONE]", &format!("{usage}\n\ndata: [DONE]"), 1);
    let (text, ()) = join(client.text(), call.answer(&end)).await;
    assert!(text.unwrap().ends_with("data: [DONE]\n\n"));
    until("15 are spent", async || {
        let detail = keyed.ask(1_000_000).await.detail(429);
        detail.contains("$0.000015 are spent and $0.000000 set aside")
    })
    .await;
    let (call, client) = begin().await;
    drop(client);
    assert!(call.closed().await < Duration::from_secs(1));
    until("the most is spent", async || {
        let answer = keyed.ask(100).await;
        let detail = answer.detail(429);
        detail.contains("$0.001") && detail.contains("are spent and $0.000000 set aside")
    })
    .await;
}

/// How long a process is believed to make its calls without a word.
const LEASE: Duration = Duration::from_secs(4);

/// When the lease of the only slice ends, since 1970.
async fn lease_end(postgres: &Postgres) -> Duration {
    let pool = sqlx::PgPool::connect(&postgres.url()).await.unwrap();
    let sql = "SELECT expires_at FROM budget_reservations";
    let (millis,): (i64,) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
    pool.close().await;
    Duration::from_millis(millis.try_into().unwrap())
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_its_calls_paid() {
    let Some(postgres) = Postgres::start() else { return };
    let upstream = Upstream::start();
    let setting = Setting::new(&upstream.url(), "");
    let start = || {
        let start = setting.start().env("DATABASE_URL", postgres.url());
        start.env("ALULA_BUDGET_LEASE_SECONDS", LEASE.as_secs().to_string()).listen()
    };
    let (one, two) = (start(), start());
    let [key] = keys(&one, [wish(1_700)]).await;
    let (on_one, on_two) = (Keyed::new(&one, &key), Keyed::new(&two, &key));
    on_two.is_known().await;
    let body = json!({"message": "Hi", "max_tokens": 100});
    let mut asking = Box::pin(on_one.post("/chat", &body));
    let call = tokio::select! {
        answer = &mut asking => panic!("{answer:?}"),
        call = upstream.call() => call,
    };
    // It is under way, and the other process knows.
    let detail = on_two.ask(1_000_000).await.detail(429);
    assert!(!detail.contains("$0.000000 set aside"), "{detail}");
    // Longer than the lease: a process that is there keeps it.
    let ends = lease_end(&postgres).await;
    until("a lease has passed", async || lease_end(&postgres).await >= ends + LEASE).await;
    assert_eq!(two.count_logged("a process is gone"), 0);
    one.signal("KILL");
    drop((asking, call));
    two.logged("the budget is charged with all that was set aside for its calls");
    let detail = on_two.ask(100).await.detail(429);
    assert!(detail.contains("$0.001") && detail.contains("$0.000000 set aside"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_nothing_is_spent_and_it_goes_on_when_it_is_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    let fake = openai(COST).await;
    let setting = Setting::new(&fake.url(), "");
    let alula = setting.start().env("DATABASE_URL", postgres.url()).listen();
    let free = json!({"name": "b", "plan": "unlimited"});
    let [with, without] = keys(&alula, [wish(1_000_000), free]).await;
    let (with, without) = (Keyed::new(&alula, &with), Keyed::new(&alula, &without));
    with.ask(100).await.is(200);
    without.ask(100).await.is(200);
    postgres.kill();
    let answer = with.ask(100).await;
    answer.is(503);
    assert_ne!(answer.header("retry-after"), "");
    with.post("/v1/chat/completions", &question()).await.is(503);
    // Many at once wait for one answer that does not come, and not one after the other.
    let many = Instant::now();
    let answers = join_all((0..16).map(|_| with.ask(100))).await;
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    assert!(many.elapsed() < Duration::from_secs(15), "{:?}", many.elapsed());
    without.ask(100).await.is(200);
    assert_eq!(fake.request_count(), 3);
    postgres.restart();
    let back = Instant::now();
    until("it goes on", async || with.ask(100).await.status == 200).await;
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
}
